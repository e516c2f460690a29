"""RESULTS.md and the README's table, written from claims and evidence alone."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from research.reproduction import claims

BEGIN = "<!-- reproduction: made by scripts/reproduce.py --write -->"
END = "<!-- end of reproduction -->"

_PREFACE = """# Results

Made by `python scripts/reproduce.py --write` from `results/`; checked by
`python scripts/reproduce.py --check`. Published stands beside reached; *reproduced*
means that the mean over the seeds is not worse than published by more than the
tolerance. A run that was cut short, changed or on synthetic data never counts as
reached. Training reads no test split; it is read once per seed, at the end.
"""


@dataclass(frozen=True)
class Entry:
    """One config that claims something.

    Attributes:
      name: of the config.
      title: first line of its docstring.
      claim: what it claims.
      evidence: of results/<name>.json, or None.
      stale: what of the config differs from that of the evidence.
    """

    name: str
    title: str
    claim: claims.Claim
    evidence: dict | None
    stale: tuple[str, ...] = ()

    @property
    def seeds(self) -> list[dict]:
        """The seeds that count: none of another config."""
        return self.evidence["seeds"] if self.evidence and not self.stale else []

    @property
    def verdict(self) -> claims.Verdict:
        """What was reached, judged."""
        if self.stale:
            words = "evidence is of another config"
            return claims.Verdict("not run", words, "not run")
        return claims.judge(self.claim, self.seeds)


def results(entries: Sequence[Entry]) -> str:
    """Writes RESULTS.md."""
    ordered = _ordered(entries)
    rows = [
        (
            f"[{entry.title}](#{entry.name})",
            published(entry.claim),
            entry.verdict.reached,
            entry.verdict.words,
        )
        for entry in ordered
    ]
    head = ("experiment", "published", "reached", "verdict")
    parts = [_PREFACE, table(head, rows)]
    parts += [_details(entry) for entry in ordered]
    return "\n".join(parts)


def readme(entries: Sequence[Entry]) -> str:
    """Writes the README's table with the markers around it: what has evidence."""
    ran = [entry for entry in _ordered(entries) if entry.seeds]
    rows = [
        (
            f"[{entry.title}](configs/{entry.name}.py)",
            published(entry.claim),
            f"[{entry.verdict.reached}](results/{entry.name}.json)",
            entry.verdict.words,
        )
        for entry in ran
    ]
    head = ("experiment", "published", "reached", "verdict")
    parts = [table(head, rows)] if rows else []
    if rest := len(entries) - len(ran):
        parts.append(f"Not run: {rest} more; [RESULTS.md](RESULTS.md) lists them.\n")
    return f"{BEGIN}\n" + "\n".join(parts) + END


def replace(text: str, part: str) -> str | None:
    """Puts a part, its markers around it, in the place of the old; None without one."""
    begin, *_, end = part.splitlines()
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(text):
        return None
    return pattern.sub(lambda match: part, text, count=1)


def published(claim: claims.Claim) -> str:
    """Writes "0.95 % test error"."""
    metric = claim.metric.replace("/", " ")
    if claim.published is None:
        return f"none ({metric})"
    return f"{claim.text(claim.published)} {metric}"


def _ordered(entries: Sequence[Entry]) -> list[Entry]:
    return sorted(entries, key=lambda entry: (not entry.seeds, entry.name))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Writes a table in Markdown."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join(lines) + "\n"


def _details(entry: Entry) -> str:
    claim = entry.claim
    lines = [f'## <a id="{entry.name}"></a>{entry.title}', ""]
    lines += [
        f"- Paper: {claim.paper} ({claim.year}), {claim.link}; {claim.table}",
        f"- Protocol: {claim.protocol}",
    ]
    if claim.published is not None:
        tolerance = claim.difference(claim.tolerance)
        lines.append(f"- Tolerance: {tolerance}, {claim.reason}")
    lines += [
        f"- Config: `configs/{entry.name}.py`; {claim.cost}",
        f"- Command: `python scripts/reproduce.py {entry.name}`",
        f"- Verdict: {entry.verdict.words}",
    ]
    if entry.stale:
        lines.append(f"- Changed since the evidence: {'; '.join(entry.stale)}")
    if entry.seeds:
        lines += ["", _seeds(entry)]
    return "\n".join(lines) + "\n"


def _seeds(entry: Entry) -> str:
    claim = entry.claim
    validation = f"validation/{claim.metric.partition('/')[2]}"
    others = [validation] if validation != claim.metric else []
    rows = [
        (
            str(seed["seed"]),
            claim.text(claims.value(seed["metrics"], claim.metric))
            if claims.share_done(seed) == 1
            else f"not read: {100 * claims.share_done(seed):.0f} % of the schedule",
            *(claim.text(claims.value(seed["validation"], name)) for name in others),
            f"{seed['best_step']:,} of {seed['total']:,}",
            _time(seed["training_seconds"]),
            _hardware(seed["environment"]),
            _commit(seed["starts"][-1]),
        )
        for seed in entry.seeds
    ]
    measured = (name.replace("/", " ") for name in (claim.metric, *others))
    head = ("seed", *measured, "best step", "training time", "hardware", "commit")
    return table(head, rows)


def _commit(start: dict) -> str:
    changes = " + changes" if start["uncommitted"] not in (None, "not recorded") else ""
    return (start["commit"] or "unknown")[:10] + changes


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "not recorded"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:.0f} s"


def _hardware(environment: dict) -> str:
    kinds = environment["devices"]
    told = ", ".join(f"{kinds.count(k)} × {k}" for k in dict.fromkeys(kinds))
    if told == "1 × cpu":
        cores = environment["cpu_cores"]
        return f"{cores} core{'s' * (cores > 1)}, {environment['processor']}"
    return told

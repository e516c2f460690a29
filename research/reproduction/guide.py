"""Which architecture for which input and task: the table of `architectures`, asked."""

from collections.abc import Sequence

from research import lookup
from research.reproduction import tables
from research.reproduction.architectures import ROWS, Choice, Row

BEGIN = "<!-- guide: made by scripts/reproduce.py --write -->"
END = "<!-- end of guide -->"
DEVICES = ("cpu", "gpu", "tpu")


def row(input: str, task: str) -> Row:
    """Looks up a row.

    Raises:
      ValueError: there is none; the sentence names the nearest and the known ones.
    """
    inputs = list(dict.fromkeys(each.input for each in ROWS))
    if input not in inputs:
        raise ValueError(lookup.unknown("input", input, inputs))
    tasks = [each.task for each in ROWS if each.input == input]
    if task not in tasks:
        raise ValueError(lookup.unknown(f"task on {input}", task, tasks))
    return next(each for each in ROWS if (each.input, each.task) == (input, task))


def ranked(found: Row, examples: int | None, device: str) -> list[tuple[Choice, str]]:
    """Orders the choices of a row for what one has.

    Args:
      found: the row.
      examples: for training; None: not said.
      device: one of DEVICES.

    Returns:
      (choice, what speaks against it or ""), those with nothing against them first.

    Raises:
      ValueError: the device is unknown, or `examples` is below 1.
    """
    if device not in DEVICES:
        raise ValueError(lookup.unknown("device", device, DEVICES))
    if examples is not None and examples < 1:
        raise ValueError(f"--examples must be at least 1, got {examples}; correct it")
    judged = []
    for choice in found.choices:
        against = []
        if examples is not None and examples < choice.examples:
            against.append(f"wants {choice.examples:,} examples or more")
        if device == "cpu" and not choice.cpu:
            against.append("too slow on a CPU")
        judged.append((choice, ", ".join(against)))
    return sorted(judged, key=lambda pair: bool(pair[1]))


def readme(entries: Sequence[tables.Entry]) -> str:
    """Writes the README's table with the markers around it."""
    reached = {
        entry.name: f"{entry.verdict.reached} {entry.claim.metric.replace('/', ' ')}"
        for entry in entries
        if entry.verdict.kind not in ("not run", "partial")
    }
    rows = []
    for each in ROWS:
        told = [
            f"[{choice.name}](configs/{choice.config}.py)"
            + (f" ({reached[choice.config]})" if choice.config in reached else "")
            for choice in each.choices
        ]
        rows.append((each.input, each.task, ", ".join(told), each.baseline))
    head = ("input", "task", "architectures, and what they reached here", "baseline")
    return f"{BEGIN}\n{tables.table(head, rows)}{END}"

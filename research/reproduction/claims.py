"""What a config claims to reproduce, and the verdict on what was reached."""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from research import lookup

_MODES = ("max", "min")
_SHARES = ("accuracy", "error", "accuracy_top5", "ap", "ap50", "ap75")


@dataclass(frozen=True)
class Claim:
    """The group `claim` of a config; configs/base.py explains the keys."""

    paper: str
    year: int
    link: str
    table: str
    metric: str
    mode: str
    protocol: str
    published: float | None
    tolerance: float
    reason: str
    seeds: int
    hardware: str
    wall_time: str

    @property
    def share(self) -> bool:
        """Whether the metric is a share of 1, shown as percent."""
        return self.metric.rpartition("/")[2] in _SHARES

    @property
    def cost(self) -> str:
        """Time of one seed: "3 minutes a seed on 2 CPU cores"."""
        if self.wall_time == "not measured":
            return f"time on {self.hardware} not measured"
        return f"{self.wall_time} a seed on {self.hardware}"

    def text(self, value: float | None) -> str:
        """Writes a value of the metric: "0.95 %" or "82.1"."""
        if value is None:
            return "none"
        return f"{100 * value:.2f} %" if self.share else f"{value:.4g}"

    def difference(self, value: float) -> str:
        """Writes a difference of two values: "0.21 points" or "1.3"."""
        return f"{100 * value:.2f} points" if self.share else f"{value:.3g}"


def read(config: Mapping, name: str) -> Claim | None:
    """Reads and checks the claim of a config.

    Args:
      config: the whole config, as nested dictionaries.
      name: of the config, for messages.

    Returns:
      The claim, or None where the config claims nothing.

    Raises:
      ValueError: the claim is incomplete or contradicts itself.
    """
    group = config["claim"]
    fields = {field.name: group[field.name] for field in dataclasses.fields(Claim)}
    if not group["paper"]:
        return None
    claim = Claim(**fields)
    where = f"configs/{name}.py"
    for key in ("link", "table", "protocol", "hardware", "wall_time"):
        if not fields[key]:
            raise ValueError(
                f"{where} claims a result without claim.{key}; a number means nothing "
                "without it, so write it down"
            )
    if claim.mode not in _MODES:
        raise ValueError(lookup.unknown(f"{where} claim.mode", claim.mode, _MODES))
    split, _, metric = claim.metric.partition("/")
    if split not in ("test", "validation") or not metric:
        raise ValueError(
            f"{where} claim.metric must be test/<metric> or validation/<metric>, got "
            f"{claim.metric!r}; correct it"
        )
    if claim.seeds < 1:
        raise ValueError(
            f"{where} claim.seeds must be at least 1, got {claim.seeds}; correct it"
        )
    if claim.published is not None:
        _check_number(claim, where)
    return claim


def _check_number(claim: Claim, where: str) -> None:
    if not math.isfinite(claim.published) or not claim.tolerance > 0:
        raise ValueError(
            f"{where} claims {claim.published} within {claim.tolerance}, but needs a "
            "number and a tolerance above 0; correct claim.published or tolerance"
        )
    if not claim.reason:
        raise ValueError(
            f"{where} gives no claim.reason for its tolerance of {claim.tolerance}; "
            "write it down"
        )


def value(metrics: Mapping[str, float], metric: str) -> float | None:
    """Looks a metric up; <split>/error is 1 - <split>/accuracy. None where absent."""
    if metrics.get(metric) is not None:
        return float(metrics[metric])
    split, _, name = metric.partition("/")
    accuracy = metrics.get(f"{split}/accuracy")
    return 1 - accuracy if name == "error" and accuracy is not None else None


def check_measured(seed: Mapping, metric: str, scores: Sequence[str] = ()) -> None:
    """Checks that a seed's record holds the metric that is claimed.

    Args:
      seed: its record.
      metric: config.claim.metric.
      scores: what the task measures at the end only, see `Task.score`.

    Raises:
      ValueError: the task measures no such thing.
    """
    split, _, name = metric.partition("/")
    if name in scores and not seed["finished"]:
        return
    measured = seed["metrics"] or seed["validation"]
    if value(measured, metric if seed["finished"] else f"validation/{name}") is None:
        known = sorted({key.partition("/")[2] for key in measured})
        raise ValueError(
            f"config.claim.metric={metric!r} is nothing that the task measures; use "
            f"{split}/ and one of {', '.join(known)}"
        )


@dataclass(frozen=True)
class Verdict:
    """What was reached, judged.

    Attributes:
      kind: reproduced | short | incomplete | measured | partial | not run.
      words: the verdict in words.
      reached: mean of the complete seeds and its spread, or "not run".
    """

    kind: str
    words: str
    reached: str


def judge(claim: Claim, seeds: Sequence[Mapping]) -> Verdict:
    """Judges the seeds of an evidence file against the published number.

    Args:
      claim: what is claimed.
      seeds: of the evidence; those that are not finished never count as reached.
    """
    found = [value(seed["metrics"], claim.metric) for seed in seeds if seed["finished"]]
    values = [each for each in found if each is not None]
    if not values:
        return _partial(claim, seeds)
    reached = spread(claim, values)
    count = f"{len(values)} of {claim.seeds} seeds"
    if claim.published is None:
        kind = "measured" if len(values) >= claim.seeds else "incomplete"
        return Verdict(kind, f"nothing published to compare with; {count}", reached)
    words, kind = compare(claim, statistics.fmean(values))
    if len(values) < claim.seeds:
        so_far = "within the tolerance" if kind == "reproduced" else words
        return Verdict("incomplete", f"incomplete, {count}; so far {so_far}", reached)
    return Verdict(kind, words, reached)


def compare(claim: Claim, mean: float) -> tuple[str, str]:
    """Compares a mean with the published number; returns (words, kind)."""
    sign = 1 if claim.mode == "max" else -1
    missing = sign * (claim.published - mean)
    # Sums of decimal fractions are off by some 1e-16.
    if missing > claim.tolerance + 1e-9:
        return f"short by {claim.difference(missing)}", "short"
    if missing < -claim.tolerance - 1e-9:
        return f"reproduced, better by {claim.difference(-missing)}", "reproduced"
    return "reproduced", "reproduced"


def spread(claim: Claim, values: Sequence[float]) -> str:
    """Writes mean ± sample standard deviation, or a single value."""
    mean = statistics.fmean(values)
    if len(values) == 1:
        return claim.text(mean)
    deviation = statistics.stdev(values)
    if claim.share:
        return f"{100 * mean:.2f} ± {100 * deviation:.2f} %"
    return f"{mean:.4g} ± {deviation:.2g}"


def _partial(claim: Claim, seeds: Sequence[Mapping]) -> Verdict:
    if not seeds:
        return Verdict("not run", "not run", "not run")
    told = []
    for seed in seeds:
        done = f"partial run at {100 * share_done(seed):.0f} % of the schedule"
        metric = f"validation/{claim.metric.partition('/')[2]}"
        measured = value(seed["validation"], metric)
        if measured is not None:
            done += f" (seed {seed['seed']}, {metric} {claim.text(measured)})"
        told.append(done)
    return Verdict("partial", "; ".join(told), "not run")


def share_done(seed: Mapping) -> float:
    """Returns the share of the schedule that a seed has made, rounded down to 1 %."""
    return math.floor(100 * seed["step"] / seed["total"]) / 100

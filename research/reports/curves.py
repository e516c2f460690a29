"""Arranges the rows of metrics.jsonl into one plot per metric, whatever the task.

`train/x` and `validation/x` share a plot; what `time/` begins has one each. Metrics
named in `_KNOWN` come first and in its order, the others by name.
"""

import math
from collections.abc import Sequence

from research.reports import figures, page

# metric -> title; the order is the page's.
_KNOWN = {
    "loss": "Loss",
    "accuracy": "Accuracy",
    "learning_rate": "Learning rate",
    "norm/grad": "Gradient norm",
    "time/examples_per_second": "Throughput (examples per second)",
    "accuracy_top5": "Top-5 accuracy",
    "norm/param": "Parameter norm",
    "norm/update": "Update norm",
    "time/input_wait": "Share of time spent waiting for input",
}
_SPLITS = ("train", "validation", "test")
# From the lowest to the highest value, where a linear axis hides most of a curve.
_LOG_RATIO = {"loss": 20, "norm/grad": 20, "norm/update": 20}
_OTHER_LOG_RATIO = 1000


def plots(rows: Sequence[dict], per_epoch: float | None) -> str:
    """Draws every metric of a run.

    Args:
      rows: of metrics.jsonl: "step" and metric name -> value.
      per_epoch: steps per epoch, where known.

    Returns:
      HTML; empty where nothing was logged.
    """
    grouped = group(rows)
    drawn = [
        figures.line_plot(
            _KNOWN.get(metric, metric),
            lines,
            log=_wants_log(metric, lines),
            share=page.is_share(metric),
            per_epoch=per_epoch,
        )
        for metric, lines in grouped.items()
    ]
    return page.grid("plots", drawn) if drawn else ""


def group(rows: Sequence[dict]) -> dict[str, dict[str, list[tuple[int, float]]]]:
    """Collects metric -> split -> (step, value) pairs, in the page's order."""
    found: dict = {}
    for row in rows:
        for name, value in row.items():
            if name == "step" or not isinstance(value, (int, float)):
                continue
            split, _, metric = name.partition("/")
            if split == "time" or not metric:
                split, metric = "", name
            lines = found.setdefault(metric, {})
            lines.setdefault(split, []).append((row["step"], float(value)))
    rank = {metric: number for number, metric in enumerate(_KNOWN)}
    ordered = sorted(found, key=lambda metric: (rank.get(metric, len(rank)), metric))
    return {metric: _by_split(found[metric]) for metric in ordered}


def _by_split(lines: dict) -> dict:
    rank = {split: number for number, split in enumerate(_SPLITS)}
    ordered = sorted(lines, key=lambda split: (rank.get(split, len(rank)), split))
    return {split: lines[split] for split in ordered}


def _wants_log(metric: str, lines: dict) -> bool:
    values = [y for points in lines.values() for _, y in points if math.isfinite(y)]
    if not values or min(values) <= 0 or metric == "learning_rate":
        return False
    return max(values) / min(values) > _LOG_RATIO.get(metric, _OTHER_LOG_RATIO)

"""What an evaluation leaves behind: `evaluation/<split>.json` of a run directory.

Every task writes the keys of `record`; a task's report may add its own, such as
"errors", which the page shows beside the first metric.
"""

import math
import pathlib
from collections.abc import Mapping

from research.training import workdir

_ORDER = ("test", "validation", "train")


def record(
    split: str,
    *,
    metrics: Mapping[str, float],
    examples: int,
    step: int,
    checkpoint: str,
) -> dict:
    """Builds what every evaluation says.

    Args:
      split: what was evaluated.
      metrics: `<split>/<metric>` -> value.
      examples: size of the split.
      step: updates that the parameters had seen.
      checkpoint: how it was chosen: best, latest or a step.
    """
    return {
        "split": split,
        "step": int(step),
        "checkpoint": checkpoint,
        "examples": int(examples),
        "metrics": {name: plain(value) for name, value in metrics.items()},
    }


def plain(value) -> float | None:
    """Makes a JSON number; JSON knows no NaN and no infinity, so they become null."""
    value = float(value)
    return value if math.isfinite(value) else None


def write(folder: pathlib.Path, values: dict) -> None:
    """Stores an evaluation under its split's name, over an older one."""
    workdir.write_json(folder / "evaluation" / f"{values['split']}.json", values)


def read(folder: pathlib.Path) -> list[dict]:
    """Reads every evaluation of a run: test, validation, train, then others."""
    files = (folder / "evaluation").glob("*.json")
    values = [workdir.read_json(file) for file in sorted(files)]
    rank = {split: number for number, split in enumerate(_ORDER)}
    return sorted(values, key=lambda each: rank.get(each["split"], len(rank)))

"""What is shown of an adversarial game: images of the same noise over training, how
its health went, and how good its images are where that was measured.

`write` runs after an evaluation; `section` draws what it and training left in the run
directory and needs nothing else.
"""

import pathlib
from collections.abc import Mapping

import numpy as np

from research.data import source
from research.reports import evaluations, page, quality, reconstruction, strips
from research.tasks import health
from research.training import snapshots, tracking, workdir

_ROWS, _MOMENTS = 4, 10  # of images; evaluations shown


def write(
    folder: pathlib.Path,
    split: str,
    *,
    spec: source.Spec,
    examples: source.Source,
    predictions: Mapping[str, np.ndarray],
    metrics: Mapping[str, float],
    step: int,
    checkpoint: str,
) -> dict[str, pathlib.Path]:
    """Writes `evaluation/<split>.json`, and made images beside real ones.

    Args:
      folder: the run directory.
      split: its name.
      spec: of the data.
      examples: the split; only what is shown is read.
      predictions: of the task.
      metrics: `<split>/<metric>` -> value.
      step: updates that the parameters had seen.
      checkpoint: how it was chosen: best, latest or a step.

    Returns:
      `<split>/<what>` -> PNG file.
    """
    values = evaluations.record(
        split, metrics=metrics, examples=len(examples), step=step, checkpoint=checkpoint
    )
    evaluations.write(folder, values)
    config = workdir.read_json(folder / "config.json")
    data = config["data"]
    made = strips.to_pixels(predictions["sample"], data["mean"], data["std"])
    name = config["task"].get("input", "image")
    count = min(len(examples), strips.COLUMNS)
    real = examples.gather(np.arange(count))[name]
    rows = strips.grid(made, "made")[:_ROWS]
    file = folder / "samples" / f"{split}_made.png"
    strips.write(file, [*rows, ("real", real)])
    return {f"{split}/made": file}


def section(folder: pathlib.Path) -> str:
    """Draws made images, their way through training, warnings, and quality."""
    parts = [_progress(folder)]
    for values in evaluations.read(folder):
        split = values["split"]
        body = reconstruction.strip(folder, f"{split}_made", "Made images, real ones")
        if body:
            parts.append(page.section(f"Images: {split}", _told(values) + body))
    parts.append(quality.section(folder))
    return "".join(parts)


def _told(values: Mapping) -> str:
    metrics = {k.partition("/")[2]: v for k, v in values["metrics"].items()}
    if None in (metrics.get("diversity"), metrics.get("accuracy")):
        return ""
    words = health.warnings(metrics) or ["Diversity and discriminator look healthy."]
    return "".join(f"<p>{page.escape(each)}</p>" for each in words)


def _progress(folder: pathlib.Path) -> str:
    """Shows images of the same noise at up to `_MOMENTS` evaluations."""
    rows = tracking.read(folder / "metrics.jsonl")
    kept = snapshots.read(folder, last=max((row["step"] for row in rows), default=0))
    if not kept:
        return ""
    steps = sorted(kept)
    places = np.linspace(0, len(steps) - 1, min(len(steps), _MOMENTS)).round()
    chosen = [steps[int(k)] for k in places]
    file = folder / "samples" / "progress.png"
    count = strips.COLUMNS
    strips.write(file, [(f"step {s:,}", kept[s]["sample"][:count]) for s in chosen])
    title = "The same noise over training"
    return page.section(title, reconstruction.strip(folder, "progress", title))

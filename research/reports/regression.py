"""What is shown of a regression run: its predictions beside the targets."""

import pathlib
from collections.abc import Mapping

import numpy as np

from research.data import source
from research.reports import evaluations, page, scatter

_MOST = 500  # examples drawn


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
    """Writes `evaluation/<split>.json`, with points for a figure in it.

    Args:
      folder: the run directory.
      split: its name.
      spec: of the data.
      examples: the split.
      predictions: prediction (n, k), in the order of the split.
      metrics: `<split>/<metric>` -> value.
      step: updates that the parameters had seen.
      checkpoint: how it was chosen: best, latest or a step.

    Returns:
      {}: there are no pictures.
    """
    prediction = np.asarray(predictions["prediction"], np.float64)
    target = examples.gather(np.arange(len(prediction)))["target"]
    target = target.reshape(prediction.shape).astype(np.float64)
    values = evaluations.record(
        split, metrics=metrics, examples=len(examples), step=step, checkpoint=checkpoint
    )
    values["constant"] = evaluations.plain(target.var(axis=0).mean())
    rows = np.arange(0, len(target), -(-len(target) // _MOST))
    pairs = np.stack([target[rows].ravel(), prediction[rows].ravel()], axis=1)
    finite = pairs[np.isfinite(pairs).all(axis=1)]
    values["points"] = [[float(f"{v:.6g}") for v in pair] for pair in finite.tolist()]
    evaluations.write(folder, values)
    return {}


def section(folder: pathlib.Path) -> str:
    """Draws predictions over targets, and says what a constant would reach."""
    parts = []
    for values in evaluations.read(folder):
        split = values["split"]
        constant = page.number(values["constant"], "loss")
        told = (
            f'<p class="muted">Always answering the mean of the targets: loss '
            f"{constant}</p>"
        )
        body = _drawn(values) + told
        parts.append(page.section(f"Predictions: {page.escape(split)}", body))
    return "".join(parts)


def _drawn(values: Mapping) -> str:
    """Draws the points that were kept, if any of them is finite."""
    points = values["points"]
    if not points:
        return ""
    told = f"{len(points):,} predicted numbers; the line is exact."
    return scatter.scatter(*zip(*points, strict=True), told)

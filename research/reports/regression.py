"""What is shown of a regression run: its predictions beside the targets."""

import pathlib
from collections.abc import Mapping

import numpy as np

from research.data import source
from research.reports import evaluations, figures, page

_MOST = 500  # points drawn
_SIDE, _LEFT, _RIGHT, _TOP, _BOTTOM = 360, 46, 12, 12, 34


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
        body = (scatter(values["points"]) if values["points"] else "") + told
        parts.append(page.section(f"Predictions: {page.escape(split)}", body))
    return "".join(parts)


def scatter(points: list[list[float]]) -> str:
    """Draws (target, prediction) pairs; on the diagonal both are equal."""
    low, high = min(map(min, points)), max(map(max, points))
    air = 0.04 * (high - low) or 1.0
    across = figures.Axis(low - air, high + air, _LEFT, _SIDE - _RIGHT)
    up = figures.Axis(low - air, high + air, _SIDE - _BOTTOM, _TOP)
    base = _SIDE - _BOTTOM
    grid = [
        f'<line class="grid" x1="{_LEFT}" x2="{_SIDE - _RIGHT}" y1="{up(v):.1f}" '
        f'y2="{up(v):.1f}"/><text x="{_LEFT - 6}" y="{up(v) + 4:.1f}" '
        f'text-anchor="end">{v:.4g}</text>'
        f'<line class="grid" x1="{across(v):.1f}" x2="{across(v):.1f}" y1="{base}" '
        f'y2="{base + 4}"/><text x="{across(v):.1f}" y="{base + 17}" '
        f'text-anchor="middle">{v:.4g}</text>'
        for v in across.ticks()
    ]
    diagonal = (
        f'<line class="grid" x1="{across(low):.1f}" y1="{up(low):.1f}" '
        f'x2="{across(high):.1f}" y2="{up(high):.1f}"/>'
    )
    dots = "".join(
        f'<circle class="dot" cx="{across(x):.1f}" cy="{up(y):.1f}" r="1.8" '
        f'opacity="0.6"><title>target {x:.4g}, predicted {y:.4g}</title></circle>'
        for x, y in points
    )
    names = (
        f'<text x="{_SIDE - _RIGHT}" y="{_SIDE - 3}" text-anchor="end">target</text>'
        f'<text x="{_LEFT + 6}" y="{_TOP + 12}">prediction</text>'
    )
    return (
        f'<figure class="plot" style="max-width:{_SIDE}px">'
        f'<svg viewBox="0 0 {_SIDE} {_SIDE}" role="img">{"".join(grid)}{diagonal}'
        f'<g class="s1">{dots}</g>{names}</svg></figure>'
    )

"""Draws codes as points in the plane: their two main directions, coloured by class."""

from collections.abc import Sequence

import numpy as np

from research.reports import page

_WIDTH, _HEIGHT, _AIR = 520, 420, 10
_MOST = 1500  # points
_COLOURS = (
    *("#2563eb", "#d1432b", "#0d9488", "#b45309", "#7c3aed"),
    *("#65a30d", "#db2777", "#0891b2", "#57534e", "#ca8a04"),
)


def points(code: np.ndarray, label: np.ndarray | None) -> dict:
    """Projects codes onto the plane: a PCA of them, themselves where they are pairs.

    Args:
      code: (n, d) float.
      label: (n,) integer, or None.

    Returns:
      {"x", "y", "label": lists, "share": of the variance that the plane keeps}, evenly
      chosen where there are many.
    """
    chosen = np.linspace(0, len(code) - 1, min(len(code), _MOST)).astype(int)
    centred = code[chosen] - code[chosen].mean(0)
    share = 1.0
    if code.shape[1] > 2 and len(centred) > 1:
        _, sizes, axes = np.linalg.svd(centred, full_matrices=False)
        total = (sizes**2).sum()
        share = float((sizes[:2] ** 2).sum() / total) if total else 1.0
        centred = centred @ axes[:2].T
    plane = np.zeros((len(centred), 2))
    plane[:, : centred.shape[1]] = centred[:, :2]
    return {
        "x": [round(float(v), 4) for v in plane[:, 0]],
        "y": [round(float(v), 4) for v in plane[:, 1]],
        "label": [] if label is None else label[chosen].tolist(),
        "share": share,
    }


def draw(values: dict, names: Sequence[str]) -> str:
    """Draws what `points` returned, as inline SVG; `names` are the classes."""
    x, y = (np.asarray(values[axis]) for axis in ("x", "y"))
    if not np.isfinite([x, y]).all():
        return ""
    label = values["label"] or [0] * len(x)
    across, up = _scaled(x, _WIDTH), _HEIGHT - _scaled(y, _HEIGHT)
    dots = "".join(
        f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.2" opacity=".7" '
        f'fill="{_COLOURS[k % len(_COLOURS)]}"/>'
        for a, b, k in zip(across, up, label, strict=True)
    )
    shown = [(k, name) for k, name in enumerate(names) if values["label"]]
    legend = "".join(
        f'<span class="key" style="color:{_COLOURS[k % len(_COLOURS)]}">'
        f"{page.escape(name)}</span>"
        for k, name in shown[: len(_COLOURS)]
    )
    share = page.percent(values["share"])
    return (
        f'<figure class="plot"><figcaption><b>Codes of {len(x):,} examples, the plane '
        f"of largest variance ({share} of it)</b>{legend}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" style="max-width:{_WIDTH}px" '
        f'role="img">{dots}</svg></figure>'
    )


def _scaled(values: np.ndarray, length: int) -> np.ndarray:
    low, high = values.min(), values.max()
    span = (high - low) or 1.0
    return _AIR + (values - low) / span * (length - 2 * _AIR)

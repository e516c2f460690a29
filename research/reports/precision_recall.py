"""Draws precision over recall, a line per class, as SVG in the page's colours."""

from collections.abc import Mapping, Sequence

from research.reports import page
from research.reports.figures import Axis

_WIDTH, _HEIGHT, _MARGIN = 400, 300, 44  # pixels
_MOST_LINES = 4  # styles that the page has


def curves(recall: Sequence[float], precision: Mapping[str, Sequence[float]]) -> str:
    """Draws one line per class, at most four: the caller chooses which.

    Args:
      recall: points in [0, 1], rising.
      precision: class -> precision in [0, 1] at each of them.
    """
    across = Axis(0, 1, _MARGIN, _WIDTH - 12)
    up = Axis(0, 1, _HEIGHT - _MARGIN, 10)
    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(
            f'<line class="grid" x1="{across(0):.0f}" x2="{across(1):.0f}" '
            f'y1="{up(tick):.1f}" y2="{up(tick):.1f}"/>'
            f'<text x="{across(0) - 6:.0f}" y="{up(tick) + 4:.1f}" '
            f'text-anchor="end">{100 * tick:g}%</text>'
            f'<text x="{across(tick):.1f}" y="{up(0) + 17:.1f}" '
            f'text-anchor="middle">{100 * tick:g}%</text>'
        )
    keys = []
    for number, (name, values) in enumerate(list(precision.items())[:_MOST_LINES]):
        points = " ".join(
            f"{across(x):.1f},{up(y):.1f}" for x, y in zip(recall, values, strict=True)
        )
        style = f"s{number}"
        parts.append(
            f'<g class="{style}"><polyline class="line" points="{points}"/></g>'
        )
        keys.append(f'<span class="key {style}">{page.escape(name)}</span>')
    parts.append(
        f'<text x="{(across(0) + across(1)) / 2:.0f}" y="{_HEIGHT - 6}" '
        'text-anchor="middle">recall</text>'
        f'<text x="{_MARGIN}" y="{_HEIGHT - 6}" text-anchor="middle">precision ↑</text>'
    )
    return (
        f'<figure class="matrix"><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
        f"{''.join(parts)}</svg><figcaption><small>{' '.join(keys)}</small>"
        "</figcaption></figure>"
    )

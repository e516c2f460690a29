"""Draws what was predicted against what is true, as SVG in the page's colours."""

from collections.abc import Sequence

from research.reports import page
from research.reports.figures import Axis

_SIDE, _MARGIN = 340, 40  # pixels
MOST_POINTS = 800


def scatter(true: Sequence[float], predicted: Sequence[float], told: str) -> str:
    """Draws points (true, predicted) and the line on which they are equal.

    Args:
      true: finite numbers, one at least.
      predicted: likewise, as many.
      told: what stands below.
    """
    values = [*true, *predicted]
    low, high = min(values), max(values)
    high += float(high == low)
    across = Axis(low, high, _MARGIN, _SIDE - 8)
    up = Axis(low, high, _SIDE - _MARGIN, 8)
    parts = [
        f'<line class="grid" x1="{across(low):.1f}" y1="{up(low):.1f}" '
        f'x2="{across(high):.1f}" y2="{up(high):.1f}"/>'
    ]
    for tick in across.ticks():
        parts.append(
            f'<text x="{across(tick):.1f}" y="{_SIDE - _MARGIN + 18}" '
            f'text-anchor="middle">{tick:g}</text>'
            f'<text x="{_MARGIN - 8}" y="{up(tick) + 4:.1f}" '
            f'text-anchor="end">{tick:g}</text>'
        )
    parts += [
        f'<circle class="dot" cx="{across(x):.1f}" cy="{up(y):.1f}" r="2" '
        f'fill-opacity="0.45"/>'
        for x, y in zip(true, predicted, strict=True)
    ]
    parts.append(
        f'<text x="{_SIDE / 2}" y="{_SIDE - 4}" text-anchor="middle">true</text>'
        f'<text x="12" y="{_SIDE / 2}" text-anchor="middle" '
        f'transform="rotate(-90 12 {_SIDE / 2})">predicted</text>'
    )
    return (
        f'<figure class="matrix s1"><svg viewBox="0 0 {_SIDE} {_SIDE}" role="img">'
        f"{''.join(parts)}</svg><figcaption><small>{page.escape(told)}</small>"
        "</figcaption></figure>"
    )

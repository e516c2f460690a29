"""Draws how often whole numbers occur, several series in one figure, as inline SVG."""

from collections.abc import Mapping, Sequence

import numpy as np

from research.reports import figures, page

_WIDTH, _HEIGHT = 400, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 12, 34
_MOST_BARS = 40


def histogram(title: str, series: Mapping[str, Sequence[int]], unit: str) -> str:
    """Draws steps over whole numbers, one outline per series.

    Args:
      title: what is counted.
      series: name -> numbers, at least one of each, >= 0.
      unit: of the numbers.
    """
    most = max(max(values) for values in series.values())
    width = -(-(most + 1) // _MOST_BARS)  # numbers per bar
    counts = {
        name: np.bincount(np.asarray(values) // width, minlength=most // width + 1)
        for name, values in series.items()
    }
    across = figures.Axis(0, width * (most // width + 1), _LEFT, _WIDTH - _RIGHT)
    highest = max(int(each.max()) for each in counts.values())
    up = figures.Axis(0, highest, _HEIGHT - _BOTTOM, _TOP)
    legend = "".join(
        f'<span class="key s{min(k + 1, 3)}">{page.escape(name)}</span>'
        for k, name in enumerate(series)
    )
    outlines = "".join(
        _outline(each, width, across, up, f"s{min(k + 1, 3)}")
        for k, each in enumerate(counts.values())
    )
    return (
        f'<figure class="plot"><figcaption><b>{page.escape(title)}</b>{legend}'
        f'</figcaption><svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
        f"{_grid(across, up, unit)}{outlines}</svg></figure>"
    )


def _outline(counts, width: int, across, up, style: str) -> str:
    corners = [(0, 0)]
    for number, count in enumerate(counts.tolist()):
        corners += [(number * width, count), ((number + 1) * width, count)]
    corners.append((len(counts) * width, 0))
    path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in corners)
    return f'<g class="{style}"><polyline class="line" points="{path}"/></g>'


def _grid(across, up, unit: str) -> str:
    base = _HEIGHT - _BOTTOM
    parts = [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up(v):.1f}" '
        f'y2="{up(v):.1f}"/><text x="{_LEFT - 6}" y="{up(v) + 4:.1f}" '
        f'text-anchor="end">{v:,.0f}</text>'
        for v in up.ticks()
        if v == round(v)
    ]
    parts += [
        f'<text x="{across(v):.1f}" y="{base + 17}" text-anchor="middle">{v:,.0f}'
        "</text>"
        for v in across.ticks()
        if v == round(v)
    ]
    parts.append(
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 3}" text-anchor="end">'
        f"{page.escape(unit)}</text>"
    )
    return "".join(parts)

"""Draws line plots and confusion matrices as SVG that takes its colours from the page.

Written by hand rather than by a plotting library: inline SVG of a few kilobytes that
follows the page's light or dark colours and fonts, and is equal for equal numbers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from research.reports import page

MOST_POINTS = 500
_WIDTH, _HEIGHT = 400, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 26, 34
_DOTS = 30  # lines of fewer points show each of them


@dataclass(frozen=True)
class Axis:
    """Maps values to pixels.

    Attributes:
      low, high: ends in values; both positive where `log`.
      start, end: the same ends in pixels.
      log: logarithmic.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, wanted: int = 5) -> list[float]:
        """Chooses round values within the axis."""
        if self.log:
            marks = _decades(self.low, self.high, (1,))
            if len(marks) >= 3:
                return marks[:: math.ceil(len(marks) / (wanted + 1))]
            marks = _decades(self.low, self.high, (1, 2, 5))
            if len(marks) >= 3:
                return marks
        span = (self.high - self.low) / wanted
        power = 10.0 ** math.floor(math.log10(span))
        step = next(m * power for m in (1, 2, 5, 10) if m * power >= span * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), self.high / step + 1e-9
        return [k * step for k in range(first, math.floor(last) + 1)]


def _decades(low: float, high: float, factors: Sequence[int]) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    marks = [m * 10.0**power for power in powers for m in factors]
    return [mark for mark in marks if low <= mark <= high]


def thin(points: Sequence[tuple], most: int = MOST_POINTS) -> list[tuple]:
    """Keeps at most `most` points (x, y): the lowest and highest of each stretch."""
    if len(points) <= most:
        return list(points)
    stretches, kept = most // 2, []
    for k in range(stretches):
        begin, end = (len(points) * j // stretches for j in (k, k + 1))
        stretch = points[begin:end]
        ends = {min(stretch, key=lambda p: p[1]), max(stretch, key=lambda p: p[1])}
        kept += sorted(ends)
    return kept


def line_plot(
    title: str,
    lines: Mapping[str, Sequence[tuple[int, float]]],
    *,
    log: bool = False,
    share: bool = False,
    per_epoch: float | None = None,
) -> str:
    """Draws metrics over steps as a figure with a legend of last values.

    Args:
      title: what is drawn.
      lines: name -> (step, value) pairs in order; what is not finite is left out of
        the line and counted below it.
      log: logarithmic values; the caller made sure that all are positive.
      share: values are shares of 1, shown as percent.
      per_epoch: steps per epoch, for the second axis on top.
    """
    finite = {
        name: [(x, y) for x, y in points if math.isfinite(y)]
        for name, points in lines.items()
    }
    left_out = sum(len(lines[name]) - len(finite[name]) for name in lines)
    note = f"<small>values that are not finite: {left_out}</small>" if left_out else ""
    shown = {name: thin(points) for name, points in finite.items() if points}
    # One line alone is drawn in the accent colour, and needs no name.
    styles = {name: f"s{min(k, 3)}" for k, name in enumerate(lines)}
    if len(lines) == 1:
        styles = dict.fromkeys(lines, "s1")
    legend = "".join(
        f'<span class="{"key " if len(lines) > 1 else ""}{styles[name]}">'
        f"{page.escape(name) + ' ' if len(lines) > 1 else ''}"
        f"{_value(points[-1][1], share)}</span>"
        for name, points in shown.items()
    )
    head = f"<figcaption><b>{page.escape(title)}</b>{legend}</figcaption>"
    drawing = _drawing(shown, styles, log, share, per_epoch) if shown else ""
    return f'<figure class="plot">{head}{drawing}{note}</figure>'


def _drawing(shown, styles, log, share, per_epoch) -> str:
    steps = [x for points in shown.values() for x, _ in points]
    values = [y for points in shown.values() for _, y in points]
    across = Axis(0, max(*steps, 1), _LEFT, _WIDTH - _RIGHT)
    low, high = _range(values, log, share)
    up = Axis(low, high, _HEIGHT - _BOTTOM, _TOP, log)
    parts = [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up(v):.1f}" '
        f'y2="{up(v):.1f}"/><text x="{_LEFT - 6}" y="{up(v) + 4:.1f}" '
        f'text-anchor="end">{_tick(v, share)}</text>'
        for v in up.ticks()
    ]
    parts += _bottom(across) + _epochs(across, per_epoch)
    for name, points in shown.items():
        parts.append(_line(points, across, up, styles[name], share))
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{"".join(parts)}</svg>'


def _line(points, across: Axis, up: Axis, style: str, share: bool) -> str:
    where = [(across(x), up(y)) for x, y in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in where)
    dots = zip(where, points, strict=True) if len(points) <= _DOTS else ()
    circles = (
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="2.4">'
        f"<title>step {step}: {_value(value, share)}</title></circle>"
        for (x, y), (step, value) in dots
    )
    return (
        f'<g class="{style}"><polyline class="line" points="{path}"/>'
        f"{''.join(circles)}</g>"
    )


def _range(values: list[float], log: bool, share: bool) -> tuple[float, float]:
    """Chooses the ends of the value axis, with some air."""
    low, high = min(values), max(values)
    if log:
        air = max(high / low, 1.1) ** 0.06
        return low / air, high * air
    if 0 <= low < 0.4 * high:
        low = 0.0  # nearly there: then distances from 0 can be compared
    air = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    bottom = low if low == 0 else low - air
    top = min(high + air, 1.0) if share and high <= 1 else high + air
    return bottom, top if top > bottom else bottom + air


def _bottom(across: Axis) -> list[str]:
    marks = [v for v in across.ticks() if v == round(v)]
    base = _HEIGHT - _BOTTOM
    return [
        f'<line class="grid" x1="{across(v):.1f}" x2="{across(v):.1f}" y1="{base}" '
        f'y2="{base + 4}"/><text x="{across(v):.1f}" y="{base + 17}" '
        f'text-anchor="middle">{_tick(v)}</text>'
        for v in marks
    ] + [
        f'<text x="{across.end}" y="{_HEIGHT - 3}" text-anchor="end">step</text>',
        f'<line class="grid" x1="{_LEFT}" x2="{across.end}" y1="{base}" y2="{base}"/>',
    ]


def _epochs(across: Axis, per_epoch: float | None) -> list[str]:
    if not per_epoch:
        return []
    top = Axis(0, across.high / per_epoch, across.start, across.end)
    return [
        f'<line class="grid" x1="{top(v):.1f}" x2="{top(v):.1f}" y1="{_TOP - 4}" '
        f'y2="{_TOP}"/><text x="{top(v):.1f}" y="{_TOP - 8}" '
        f'text-anchor="middle">{_tick(v)}</text>'
        for v in top.ticks()
        if top(v) > across.start + 45  # clear of the axis' name
    ] + [f'<text x="{_LEFT}" y="{_TOP - 8}">epoch</text>']


def _value(value: float, share: bool) -> str:
    return page.number(value, "accuracy" if share else "")


def _tick(value: float, share: bool = False) -> str:
    """Writes a round value briefly: 20k, 1.5M, 5e-5, 80%."""
    if share:
        return f"{100 * value:.4g}%"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            scale = 1e3 if letter == "k" else size
            return f"{value / scale:.4g}{letter}"
    if value and abs(value) < 1e-4:
        mantissa, power = f"{value:.3e}".split("e")
        return f"{float(mantissa):g}e{int(power)}"
    return f"{value:.4g}"


def confusion_matrix(counts: Sequence[Sequence[int]], names: Sequence[str]) -> str:
    """Draws a confusion matrix: rows are true classes, columns predicted ones.

    Colour shows the share of the true class, by its root: rare mistakes are seen.

    Args:
      counts: (k, k) integers.
      names: k class names; shown where there are few classes.
    """
    k = len(names)
    side = min(44, 480 / k)
    longest = max((len(name) for name in names), default=0)
    margin = min(longest, 14) * 6.2 + 12 if k <= 40 else 14
    totals = [max(sum(row), 1) for row in counts]
    parts = []
    for i, j in ((i, j) for i in range(k) for j in range(k) if counts[i][j]):
        told = ""
        if k <= 20:
            told = f"true {names[i]}, predicted {names[j]}: {counts[i][j]}"
        kind = "good" if i == j else "bad"
        share = counts[i][j] / totals[i]
        x, y = margin + j * side, margin + i * side
        parts.append(_cell(x, y, side, kind, share, counts[i][j], told))
    parts.append(
        f'<rect class="frame" x="{margin:.1f}" y="{margin:.1f}" '
        f'width="{k * side:.1f}" height="{k * side:.1f}"/>'
    )
    end = margin + k * side
    parts += _class_names(names, side, margin) if k <= 40 else _sides(margin, end)
    return (
        f'<figure class="matrix"><svg viewBox="0 0 {end + 2:.0f} {end + 2:.0f}" '
        f'style="max-width:{end + 2:.0f}px" role="img">{"".join(parts)}</svg>'
        "<figcaption><small>Rows: true class. Columns: predicted class.</small>"
        "</figcaption></figure>"
    )


def _cell(x, y, side: float, kind: str, share: float, count: int, told: str) -> str:
    """Draws one entry; `told` (its text for readers) also asks for its number."""
    gap = 0.5 if told else 0
    square = (
        f'<rect class="{kind}" x="{x + gap:.2f}" y="{y + gap:.2f}" '
        f'width="{side - 2 * gap:.2f}" height="{side - 2 * gap:.2f}" '
        f'opacity="{0.1 + 0.7 * math.sqrt(share):.2f}"'
    )
    if not told:
        return square + "/>"
    return (
        f"{square}><title>{page.escape(told)}</title></rect>"
        f'<text class="in" x="{x + side / 2:.1f}" y="{y + side / 2 + 4:.1f}" '
        f'style="font-size:{min(13, 0.42 * side):.1f}px" text-anchor="middle">'
        f"{_tick(count)}</text>"
    )


def _class_names(names: Sequence[str], cell: float, margin: float) -> list[str]:
    parts = []
    for index, name in enumerate(names):
        middle = margin + (index + 0.5) * cell + 4
        text = page.escape(name if len(name) <= 14 else name[:13] + "…")
        parts.append(
            f'<text x="{margin - 6:.1f}" y="{middle:.1f}" text-anchor="end">'
            f"{text}</text>"
        )
        if len(name) > 3 or cell < 20:
            where = f'x="{middle:.1f}" y="{margin - 6:.1f}" text-anchor="start"'
            where += f' transform="rotate(-90 {middle:.1f} {margin - 6:.1f})"'
        else:
            where = f'x="{middle - 4:.1f}" y="{margin - 6:.1f}" text-anchor="middle"'
        parts.append(f"<text {where}>{text}</text>")
    return parts


def _sides(margin: float, side: float) -> list[str]:
    middle = (margin + side) / 2
    return [
        f'<text x="{middle:.0f}" y="{margin - 4:.0f}" text-anchor="middle">'
        "predicted</text>",
        f'<text x="{margin - 4:.0f}" y="{middle:.0f}" text-anchor="middle" '
        f'transform="rotate(-90 {margin - 4:.0f} {middle:.0f})">true</text>',
    ]

"""Draws the figures of a sweep as SVG: scatter, bars, curves, parallel coordinates.

Colours: the best trials in the accent colours, the others grey; a trial that was ended
early is a ring.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from research.reports import figures, page

_WIDTH, _HEIGHT = 400, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 12, 14, 34
# From the lowest to the highest value, where a linear axis hides most of them.
_LOG_RATIO = 20


@dataclass(frozen=True)
class Scale:
    """An axis of numbers, or of names one beside the other.

    Attributes:
      axis: value, or number of the name, -> pixels.
      names: of the values, where they are no numbers.
      share: values are shares of 1.
      nowhere: pixel of None among numbers.
    """

    axis: figures.Axis
    names: tuple[str, ...] = ()
    share: bool = False
    nowhere: float = 0.0

    def __call__(self, value) -> float:
        """Returns the pixel of a value."""
        if value is None and not self.names:
            return self.nowhere
        if self.names:
            return self.axis(self.names.index(name(value)))
        return self.axis(min(max(value, self.axis.low), self.axis.high))

    def ticks(self, wanted: int = 5) -> list[tuple[float, str]]:
        """Lists (pixel, text) of the marks."""
        if self.names:
            return [(self.axis(k), text) for k, text in enumerate(self.names)]
        return [
            (self.axis(v), f"{100 * v:.4g}%" if self.share else f"{v:.3g}")
            for v in self.axis.ticks(wanted)
        ]


def name(value) -> str:
    """Writes a value of a choice; None, where the key did not vary, as a dash."""
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value)


def scale(values: Sequence, start: float, end: float, *, log=None, share=False):
    """Makes the scale of some values between two pixels; None comes before all.

    Args:
      values: numbers, or anything else, then each different one has its place.
      start, end: pixels.
      log: whether numbers are spread by ratio; None: where they differ widely.
      share: values are shares of 1.
    """
    numbers = [value for value in values if value is not None]
    if not numbers or not all(map(_is_number, numbers)):
        names = sorted({name(v) for v in values}, key=lambda n: (n != "–", n))
        axis = figures.Axis(-0.5, len(names) - 0.5, start, end)
        return Scale(axis, tuple(names))
    nowhere = start
    if len(numbers) < len(values):
        start += math.copysign(24, end - start)
    low, high = min(numbers), max(numbers)
    if log is None:
        log = low > 0 and high / low > _LOG_RATIO and not share
    if low == high:
        low, high = low - (abs(low) or 1) * 0.1, high + (abs(high) or 1) * 0.1
    elif log:
        air = (high / low) ** 0.05
        low, high = low / air, high * air
    else:
        air = 0.05 * (high - low)
        low, high = low - air, min(high + air, 1.0) if share else high + air
    axis = figures.Axis(low, high, start, end, bool(log))
    return Scale(axis, share=share, nowhere=nowhere)


def scatter(title: str, points: Sequence[tuple], *, log=None, share=False) -> str:
    """Draws one dot per trial.

    Args:
      title: what is drawn.
      points: (x, y, style, whether complete, text for who points at it).
      log: of x, see `scale`.
      share: y is a share of 1.
    """
    if not points:
        return ""
    across = scale([p[0] for p in points], _LEFT + 8, _WIDTH - _RIGHT - 8, log=log)
    up = scale([p[1] for p in points], _HEIGHT - _BOTTOM, _TOP, share=share)
    parts = _frame(across, up)
    for x, y, style, complete, told in points:
        fill = "currentColor" if complete else "none"
        parts.append(
            f'<circle class="{style}" cx="{across(x):.1f}" cy="{up(y):.1f}" r="4" '
            f'fill="{fill}" stroke="currentColor" fill-opacity="0.75">'
            f"<title>{page.escape(told)}</title></circle>"
        )
    return _figure(title, parts)


def curves(title: str, lines: Sequence[tuple], legend=(), *, share=False) -> str:
    """Draws one line per trial.

    Args:
      title: what is drawn.
      lines: (points (x, y), style, text), the most important last.
      legend: (style, text) pairs.
      share: values are shares of 1.
    """
    lines = [line for line in lines if line[0]]
    if not lines:
        return ""
    flat = [point for points, _, _ in lines for point in points]
    across = scale([x for x, _ in flat], _LEFT + 8, _WIDTH - _RIGHT - 8, log=False)
    up = scale([y for _, y in flat], _HEIGHT - _BOTTOM, _TOP, share=share)
    parts = _frame(across, up)
    for points, style, told in lines:
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
        last = points[-1]
        faint = ' opacity="0.45"' if style == "s0" else ""
        parts.append(
            f'<g class="{style}"{faint}><title>{page.escape(told)}</title>'
            f'<polyline class="line" points="{path}"/>'
            f'<circle class="dot" cx="{across(last[0]):.1f}" cy="{up(last[1]):.1f}" '
            'r="2.4"/></g>'
        )
    return _figure(title, parts, legend)


def bars(title: str, values: dict[str, float]) -> str:
    """Draws shares of 1 as bars, each with its name and percent."""
    if not values:
        return ""
    parts, row = [], 34
    for number, (label, value) in enumerate(values.items()):
        y = number * row + 4
        parts.append(
            f'<text x="0" y="{y + 11}">{page.escape(label)}</text>'
            f'<text x="{_WIDTH}" y="{y + 11}" text-anchor="end">{value:.0%}</text>'
            f'<rect class="s1" fill="currentColor" x="0" y="{y + 16}" rx="1" '
            f'width="{max(value * _WIDTH, 1):.1f}" height="7"/>'
        )
    return _figure(title, parts, height=len(values) * row + 6)


def parallel(
    keys: Sequence[str], trials: Sequence[tuple], logs: Sequence, share: bool
) -> str:
    """Draws each trial as a line across all parameters to its objective.

    Args:
      keys: of the parameters; the objective follows.
      trials: (values of the keys, objective, style, text), the most important last.
      logs: for each key, whether its axis is logarithmic (None: as it comes).
      share: the objective is a share of 1.
    """
    if not trials or not keys:
        return ""
    width, height, top, foot = max(1000, 170 * (len(keys) + 1)), 330, 34, 14
    columns = [[values[k] for values, *_ in trials] for k in range(len(keys))]
    scales = [
        scale(column, height - foot, top, log=log)
        for column, log in zip(columns, logs, strict=True)
    ]
    scales.append(
        scale([trial[1] for trial in trials], height - foot, top, share=share)
    )
    gap = (width - 180) / len(keys)
    places = [90 + gap * k for k in range(len(scales))]
    parts = []
    for values, objective, style, told in trials:
        where = zip(places, scales, (*values, objective), strict=True)
        path = " ".join(f"{x:.1f},{to(value):.1f}" for x, to, value in where)
        faint = "0.35" if style == "s0" else "1"
        parts.append(
            f'<g class="{style}" opacity="{faint}"><title>{page.escape(told)}</title>'
            f'<polyline class="line" points="{path}"/></g>'
        )
    for x, each, key in zip(places, scales, (*keys, "objective"), strict=True):
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" '
            f'y2="{height - foot}"/><text x="{x:.1f}" y="14" text-anchor="middle">'
            f"{page.escape(key)}</text>"
        )
        for y, text in each.ticks():
            parts.append(
                f'<text x="{x + 5:.1f}" y="{y + 4:.1f}">{page.escape(text[:18])}</text>'
            )
    return (
        f'<figure class="plot scroll"><svg viewBox="0 0 {width:.0f} {height}" '
        f'style="min-width:{0.8 * width:.0f}px" role="img">{"".join(parts)}</svg>'
        "</figure>"
    )


def _frame(across: Scale, up: Scale) -> list[str]:
    parts = [
        f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" '
        f'y2="{y:.1f}"/><text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">'
        f"{page.escape(text)}</text>"
        for y, text in up.ticks()
    ]
    base = _HEIGHT - _BOTTOM
    parts += [
        f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{base}" y2="{base + 4}"/>'
        f'<text x="{x:.1f}" y="{base + 17}" text-anchor="middle">'
        f"{page.escape(text[:14])}</text>"
        for x, text in across.ticks()
    ]
    return parts


def _figure(title: str, parts: Sequence[str], legend=(), height: int = _HEIGHT) -> str:
    told = "".join(
        f'<span class="key {style}">{page.escape(text)}</span>'
        for style, text in legend
    )
    return (
        f'<figure class="plot"><figcaption><b>{page.escape(title)}</b>{told}'
        "</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img">{"".join(parts)}</svg>'
        "</figure>"
    )


def _is_number(value) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value)

"""Draws what a classifier says of sounds: a spectrogram above classes over time."""

import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from research.reports import pictures

_WIDTH, _HEIGHT, _MARGIN = 720, 160, 16  # pixels: a spectrogram and the gaps
_NAME, _PERCENT = 150, 70  # pixels: room for a class's name and its mean
_ROW, _TITLE, _TICKS = 34, 26, 24  # pixels: height of a class, a title, the seconds
_BLUE, _PALE, _GREY = (57, 106, 177), (235, 239, 246), (120, 120, 120)
_MOST_TICKS = 10


@dataclass(frozen=True)
class Panel:
    """One sound.

    Attributes:
      title: a line.
      picture: (h, w, 3) uint8, its spectrogram.
      seconds: its length.
      names: m classes, the best first.
      probability: (n, m), of each in each window.
      starts: (n,) seconds where the windows begin.
      window: length of a window in seconds.
    """

    title: str
    picture: np.ndarray
    seconds: float
    names: tuple[str, ...]
    probability: np.ndarray
    starts: np.ndarray
    window: float


def write(file: pathlib.Path, panels: Sequence[Panel]) -> None:
    """Writes one PNG, a panel below the other.

    Args:
      file: where to; its folder is made.
      panels: at least one.
    """
    heights = [_height(panel) for panel in panels]
    width = _NAME + _WIDTH + _PERCENT + 2 * _MARGIN
    canvas = Image.new("RGB", (width, sum(heights)), "white")
    top = 0
    for panel, height in zip(panels, heights, strict=True):
        _draw(canvas, panel, top + _MARGIN)
        top += height
    file.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(file, optimize=True)


def curve(panel: Panel, columns: int) -> np.ndarray:
    """Averages the windows over each column of time: (columns, m) probabilities."""
    time = (np.arange(columns) + 0.5) * panel.seconds / columns
    covers = (panel.starts <= time[:, None]) & (
        time[:, None] < panel.starts + panel.window
    )
    # A window alone covers a shorter sound from before its beginning.
    covers |= (len(panel.starts) == 1) | ~covers.any(axis=1, keepdims=True)
    return covers @ panel.probability / covers.sum(axis=1, keepdims=True)


def _height(panel: Panel) -> int:
    return _TITLE + _HEIGHT + _TICKS + len(panel.names) * _ROW + 2 * _MARGIN


def _draw(canvas: Image.Image, panel: Panel, top: int) -> None:
    draw, font, left = ImageDraw.Draw(canvas), pictures.font(), _MARGIN + _NAME
    title = pictures.shorten(panel.title, font, _WIDTH)
    draw.text((left, top), title, fill="black", font=font)
    top += _TITLE
    spectrogram = Image.fromarray(panel.picture)
    fitted = spectrogram.resize((_WIDTH, _HEIGHT), Image.Resampling.BILINEAR)
    canvas.paste(fitted, (left, top))
    top += _HEIGHT
    for second in _ticks(panel.seconds):
        x = left + round(second / panel.seconds * (_WIDTH - 1))
        draw.line((x, top, x, top + 4), fill=_GREY)
        draw.text((x, top + 6), f"{second:g} s", fill=_GREY, font=font, anchor="ma")
    top += _TICKS
    shares = curve(panel, _WIDTH)
    for index, name in enumerate(panel.names):
        low = top + (index + 1) * _ROW - 6
        middle = low - (_ROW - 10) // 2
        shown = pictures.shorten(name, font, _NAME - 12)
        draw.text((left - 8, middle), shown, fill="black", font=font, anchor="rm")
        draw.rectangle((left, low - _ROW + 10, left + _WIDTH - 1, low), fill=_PALE)
        for x, share in enumerate(shares[:, index]):
            tall = round(float(share) * (_ROW - 10))
            if tall:
                draw.line((left + x, low - tall, left + x, low), fill=_BLUE)
        mean = f"{panel.probability[:, index].mean():.1%}"
        right = left + _WIDTH + _PERCENT - 4
        draw.text((right, middle), mean, fill=_GREY, font=font, anchor="rm")


def _ticks(seconds: float) -> np.ndarray:
    """Chooses round times from 0 on, at most ten."""
    decade = 10.0 ** np.floor(np.log10(seconds / _MOST_TICKS))
    step = next(
        s for s in decade * np.array([1, 2, 5, 10]) if seconds / s <= _MOST_TICKS
    )
    return np.arange(0, seconds, step)

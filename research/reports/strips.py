"""Draws named rows of small pictures, such as inputs above their reconstructions."""

import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from research.data import preprocess
from research.reports import pictures

_CELL, _GAP, _MARGIN = 56, 4, 168  # pixels: picture, space, room for the names
COLUMNS = 16  # of a grid


def to_pixels(x: np.ndarray, mean, std) -> np.ndarray:
    """Turns what a model reads or writes into pictures, see preprocess.to_pixels."""
    return np.asarray(preprocess.to_pixels(x, mean, std))


def grid(images: np.ndarray, name: str = "") -> list[tuple[str, np.ndarray]]:
    """Cuts pictures (n, h, w, c) into rows for `write`, the first of them named."""
    starts = range(0, len(images), COLUMNS)
    return [("" if k else name, images[k : k + COLUMNS]) for k in starts]


def write(file: pathlib.Path, rows: Sequence[tuple[str, np.ndarray]]) -> None:
    """Writes one PNG; the n-th pictures of all rows stand below each other.

    Args:
      file: where to; its folder is made.
      rows: (name, (n, h, w, c) uint8) from top to bottom.
    """
    columns, step = max(len(images) for _, images in rows), _CELL + _GAP
    margin = _MARGIN if any(name for name, _ in rows) else _GAP
    size = (margin + columns * step, len(rows) * step + _GAP)
    canvas = Image.new("RGB", size, "white")
    draw, face = ImageDraw.Draw(canvas), pictures.font()
    for row, (name, images) in enumerate(rows):
        top = row * step + _GAP
        draw.text(
            (6, top + _CELL // 2),
            pictures.shorten(name, face, _MARGIN - 12),
            fill="black",
            font=face,
            anchor="lm",
        )
        for column, array in enumerate(images):
            canvas.paste(_cell(array), (margin + column * step, top))
    file.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(file, optimize=True)


def _cell(array: np.ndarray) -> Image.Image:
    shown = array if array.shape[-1] == 3 else array[..., 0]
    picture = Image.fromarray(shown)
    larger = max(picture.size) < _CELL
    kind = Image.Resampling.NEAREST if larger else Image.Resampling.LANCZOS
    scale = _CELL / max(picture.size)
    size = tuple(max(1, round(side * scale)) for side in picture.size)
    cell = Image.new("RGB", (_CELL, _CELL), "white")
    cell.paste(picture.resize(size, kind), (0, 0))
    return cell

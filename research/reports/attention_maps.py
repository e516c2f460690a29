"""Draws attention of each written token on each read one, several maps in one PNG."""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from research.reports import pictures

_CELL, _LABEL, _GAP = 18, 110, 16  # pixels
_COLUMNS = 2
_INK = np.array([37, 99, 235])  # the pages' first colour


class Map(NamedTuple):
    """One attention map.

    Attributes:
      weights: (t, s) in [0, 1].
      written: t texts, of the rows.
      read: s texts, of the columns.
    """

    weights: np.ndarray
    written: Sequence[str]
    read: Sequence[str]


def labels(tokenizer, tokens: Sequence[int]) -> list[str]:
    """Names tokens, the special ones too, as a map shows them."""
    return [
        tokenizer.decode([int(token)]).strip() or tokenizer.id_to_token(int(token))
        for token in tokens
    ]


def write(file: pathlib.Path, maps: Sequence[Map]) -> None:
    """Writes maps side by side; dark is 1. The folder of the file is made."""
    drawn = [_draw(each) for each in maps]
    rows = [drawn[i : i + _COLUMNS] for i in range(0, len(drawn), _COLUMNS)]
    widths = [
        max(row[i].width for row in rows if i < len(row))
        for i in range(min(_COLUMNS, len(drawn)))
    ]
    heights = [max(each.height for each in row) for row in rows]
    size = (sum(widths) + _GAP * len(widths), sum(heights) + _GAP * len(heights))
    canvas, top = Image.new("RGB", size, "white"), 0
    for row, height in zip(rows, heights, strict=True):
        left = 0
        for picture, width in zip(row, widths, strict=False):
            canvas.paste(picture, (left, top))
            left += width + _GAP
        top += height + _GAP
    file.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(file, optimize=True)


def _draw(drawn: Map) -> Image.Image:
    """Draws one map: read tokens above it, written ones to its left."""
    weights = np.clip(np.asarray(drawn.weights, np.float32), 0, 1)
    shade = 255 - weights[:, :, None] * (255 - _INK)[None, None]
    cells = Image.fromarray(shade.astype(np.uint8)).resize(
        (_CELL * weights.shape[1], _CELL * weights.shape[0]), Image.Resampling.NEAREST
    )
    picture = Image.new("RGB", (_LABEL + cells.width, _LABEL + cells.height), "white")
    picture.paste(cells, (_LABEL, _LABEL))
    draw, font = ImageDraw.Draw(picture), pictures.font()
    for number, text in enumerate(drawn.written):
        place = (_LABEL - 6, _LABEL + (number + 0.5) * _CELL)
        text = pictures.shorten(text, font, _LABEL - 8)
        draw.text(place, text, fill="black", font=font, anchor="rm")
    strip = Image.new("RGB", (_LABEL, cells.width), "white")  # to be turned upright
    draw = ImageDraw.Draw(strip)
    for number, text in enumerate(drawn.read):
        place = (6, (number + 0.5) * _CELL)
        text = pictures.shorten(text, font, _LABEL - 8)
        draw.text(place, text, fill="black", font=font, anchor="lm")
    picture.paste(strip.rotate(90, expand=True), (_LABEL, 0))
    return picture

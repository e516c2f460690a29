"""Draws boxes with names and scores on pictures."""

import colorsys
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from research.reports import pictures

_TURN = 0.618034  # of the colour circle from a class to the next: neighbours differ


def colour(label: int) -> tuple[int, int, int]:
    """Chooses the colour of a class, the same in every picture."""
    red, green, blue = colorsys.hsv_to_rgb(label * _TURN % 1, 0.9, 0.85)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw(
    picture: Image.Image,
    boxes: np.ndarray,
    labels: Sequence[int],
    captions: Sequence[str],
    *,
    dashed: bool = False,
) -> Image.Image:
    """Returns a copy of the picture with boxes on it.

    Args:
      picture: of mode RGB.
      boxes: (n, 4) left, top, right, bottom in its pixels.
      labels: n numbers of classes, which choose the colours.
      captions: n texts, drawn at the box's upper left corner; "" draws none.
      dashed: interrupted lines, for what was missed.
    """
    picture = picture.convert("RGB")
    canvas, font = ImageDraw.Draw(picture), pictures.font()
    width = max(1, round(max(picture.size) / 300))
    placed = list(zip(boxes, labels, captions, strict=True))
    for box, label, _ in placed:
        _outline(canvas, [float(side) for side in box], colour(label), width, dashed)
    for box, label, caption in placed:  # over all lines
        if not caption:
            continue
        left, top = float(box[0]), float(box[1])
        room = font.getbbox(caption)
        tall, wide = room[3] + 2, room[2] + 4
        left = min(max(left, 0), max(picture.width - wide, 0))
        top = top - tall if top >= tall else top
        canvas.rectangle((left, top, left + wide, top + tall), fill=colour(label))
        canvas.text((left + 2, top), caption, fill="white", font=font)
    return picture


def _outline(canvas, box, fill, width: int, dashed: bool) -> None:
    left, top, right, bottom = box
    if not dashed:
        canvas.rectangle((left, top, right, bottom), outline=fill, width=width)
        return
    dash = 4 * width + 2
    for y in (top, bottom):
        for x in np.arange(left, right, 2 * dash):
            canvas.line((x, y, min(x + dash, right), y), fill=fill, width=width)
    for x in (left, right):
        for y in np.arange(top, bottom, 2 * dash):
            canvas.line((x, y, x, min(y + dash, bottom)), fill=fill, width=width)

"""Draws what a classifier says of pictures: each beside bars of its best classes."""

import pathlib
from collections.abc import Sequence

from PIL import Image, ImageDraw

from research.reports import pictures

_PHOTO, _MARGIN, _BAR = 224, 16, 300  # pixels: side of a picture, gaps, longest bar
_LINE, _TITLE = 36, 30  # pixels: height of a class and of the file's name
_COLUMNS = 2
_BLUE, _GREY = (57, 106, 177), (120, 120, 120)


def write_sheet(
    file: pathlib.Path,
    photos: Sequence[Image.Image],
    titles: Sequence[str],
    classes: Sequence[Sequence[tuple[str, float]]],
) -> None:
    """Writes one PNG.

    Args:
      file: where to; its folder is made.
      photos: any size.
      titles: a line for each photo.
      classes: for each photo (class, probability) pairs, best first.
    """
    lines = max(len(best) for best in classes)
    width = _PHOTO + _BAR + 3 * _MARGIN
    height = max(_PHOTO, _TITLE + lines * _LINE) + 2 * _MARGIN
    columns = min(_COLUMNS, len(photos))
    rows = -(-len(photos) // columns)
    canvas = Image.new("RGB", (columns * width, rows * height), "white")
    draw = ImageDraw.Draw(canvas)
    for number, (photo, title, best) in enumerate(
        zip(photos, titles, classes, strict=True)
    ):
        row, column = divmod(number, columns)
        left, top = column * width + _MARGIN, row * height + _MARGIN
        small = photo.convert("RGB")
        small.thumbnail((_PHOTO, _PHOTO), Image.Resampling.LANCZOS)
        canvas.paste(small, (left + (_PHOTO - small.width) // 2, top))
        _draw_classes(draw, (left + _PHOTO + _MARGIN, top), title, best)
    file.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(file, optimize=True)


def _draw_classes(draw, corner, title: str, best) -> None:
    font, (left, top) = pictures.font(), corner
    shown = pictures.shorten(title, font, _BAR)
    draw.text((left, top), shown, fill="black", font=font)
    for index, (name, probability) in enumerate(best):
        y = top + _TITLE + index * _LINE
        percent = f"{probability:.1%}"
        room = _BAR - draw.textlength(percent, font=font) - 8
        draw.text(
            (left, y), pictures.shorten(name, font, room), fill="black", font=font
        )
        draw.text((left + _BAR, y), percent, fill=_GREY, font=font, anchor="ra")
        length = max(1, round(_BAR * probability))
        draw.rectangle((left, y + 20, left + length, y + 25), fill=_BLUE)

"""Puts captioned example images into one PNG, and takes them out again."""

import io
import math
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_SIDE = 128  # pixels of an image's longer side, at most
_CELL_WIDTH, _CELL_HEIGHT = 148, 184
_COLUMNS = 6
_FONT_SIZE = 14
_MOST_PNG = 12_000  # bytes; a larger cutting is a photograph, which JPEG keeps smaller


def are_images(shape: Sequence[int], dtype: str) -> bool:
    """Tells whether a feature of one example can be shown as a picture."""
    return len(shape) == 3 and dtype == "uint8" and min(shape) > 0


def write_grid(
    file: pathlib.Path, images: Sequence[np.ndarray], captions: Sequence[str]
) -> list[tuple[int, int, int, int]]:
    """Writes images with captions as one PNG, row by row.

    Args:
      file: where to; its folder is made.
      images: n > 0 of (h, w, c) uint8; c = 1 grey, 3 RGB, 4 RGBA; of any other
        number of channels the first is shown.
      captions: n texts of one or more lines.

    Returns:
      The box of each image in the picture: left, top, right, bottom in pixels.
    """
    columns = min(_COLUMNS, len(images))
    size = (columns * _CELL_WIDTH, math.ceil(len(images) / columns) * _CELL_HEIGHT)
    canvas = Image.new("RGB", size, "white")
    draw, face, boxes = ImageDraw.Draw(canvas), font(), []
    for number, (array, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(number, columns)
        picture = _fit(_picture(array))
        left = column * _CELL_WIDTH + (_CELL_WIDTH - picture.width) // 2
        top = row * _CELL_HEIGHT + 8 + (_SIDE - picture.height) // 2
        canvas.paste(picture, (left, top))
        boxes.append((left, top, left + picture.width, top + picture.height))
        for index, line in enumerate(caption.splitlines()):
            draw.text(
                (
                    (column + 0.5) * _CELL_WIDTH,
                    row * _CELL_HEIGHT + 12 + _SIDE + index * (_FONT_SIZE + 4),
                ),
                shorten(line, face, _CELL_WIDTH - 8),
                fill="black",
                font=face,
                anchor="ma",
            )
    file.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(file, optimize=True)
    return boxes


def cut(file: pathlib.Path, boxes: Sequence[Sequence[int]]) -> list[tuple[bytes, str]]:
    """Cuts images out of a picture: (the bytes of an image file, "png" or "jpeg").

    Returns nothing where the picture is missing or damaged.
    """
    try:
        with Image.open(file) as picture:
            picture.load()
    except OSError:
        return []
    return [_encode(picture.crop(tuple(box))) for box in boxes]


def _encode(picture: Image.Image) -> tuple[bytes, str]:
    data = io.BytesIO()
    picture.save(data, "PNG", optimize=True)
    if len(data.getvalue()) <= _MOST_PNG:
        return data.getvalue(), "png"
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=85)
    return data.getvalue(), "jpeg"


def _picture(array: np.ndarray) -> Image.Image:
    channels = array.shape[-1]
    if channels == 3:
        return Image.fromarray(array)
    if channels == 4:
        front = Image.fromarray(array)
        return Image.alpha_composite(Image.new("RGBA", front.size, "white"), front)
    return Image.fromarray(array[:, :, 0])


def _fit(picture: Image.Image) -> Image.Image:
    """Enlarges by a whole factor, which keeps pixels square, or shrinks."""
    scale = _SIDE / max(picture.size)
    if scale >= 1:
        size = tuple(side * int(scale) for side in picture.size)
        return picture.resize(size, Image.Resampling.NEAREST)
    size = tuple(max(1, round(side * scale)) for side in picture.size)
    return picture.resize(size, Image.Resampling.LANCZOS)


def shorten(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    """Cuts a line that is wider than `width` pixels, and marks it."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def font() -> ImageFont.FreeTypeFont:
    """Loads the font of all pictures."""
    import matplotlib  # brings DejaVu Sans: letters beyond ASCII on any machine

    folder = pathlib.Path(matplotlib.get_data_path(), "fonts", "ttf")
    return ImageFont.truetype(folder / "DejaVuSans.ttf", _FONT_SIZE)

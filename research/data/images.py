"""Turns image files and arrays of any kind into uint8 arrays of one size.

The resize rule, everywhere in this package: scale the image, keeping its aspect ratio,
until it just covers the target (for a square one: the shorter side takes the target's
side), bilinear with antialiasing, then crop the centre.
"""

import io
import os
import struct

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

Size = int | tuple[int, int]


def decode(
    data: str | os.PathLike | bytes, size: Size | None, channels: int
) -> np.ndarray:
    """Decodes a PNG, JPEG, WebP, BMP, ... file, of which the first frame counts.

    The EXIF orientation is applied. Transparent pixels are laid over white; palettes
    and CMYK become RGB; 16 bits per channel become 8; grey is ITU-R 601 luma.

    Args:
      data: path of the file, or its content as bytes.
      size: side, or (height, width), in pixels; None keeps the image's own.
      channels: 1 (grey) or 3 (RGB).

    Returns:
      (h, w, channels) uint8.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is not a readable image; the sentence names it.
    """
    check(size, channels)
    name = f"{len(data)} bytes of image data" if isinstance(data, bytes) else str(data)
    try:
        with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as file:
            image = _to_mode(ImageOps.exif_transpose(file), channels)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"image file {name} does not exist; correct the path"
        ) from error
    # Pillow's readers raise all of these on damaged files.
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        struct.error,
        Image.DecompressionBombError,
    ) as error:
        raise ValueError(
            f"{name} is not a readable image ({_reason(error)}); replace or remove it"
        ) from error
    return _to_array(image if size is None else _cover(image, *height_width(size)))


def resize(images: np.ndarray, size: Size) -> np.ndarray:
    """Resizes a batch by the rule of this module.

    Args:
      images: (b, h, w, c) uint8 with c = 1 or 3.
      size: side, or (height, width), in pixels.

    Returns:
      (b, *size, c) uint8; `images` itself where it has that size already.
    """
    check(size, images.shape[-1])
    height, width = height_width(size)
    if images.shape[1:3] == (height, width):
        return images
    resized = np.empty((len(images), height, width, images.shape[-1]), np.uint8)
    for k, pixels in enumerate(images):
        image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
        resized[k] = _to_array(_cover(image, height, width))
    return resized


def check(size: Size | None, channels: int) -> None:
    """Checks a user's image options.

    Raises:
      ValueError: a size is not positive, or channels is neither 1 nor 3.
    """
    sides = () if size is None else height_width(size)
    if any(isinstance(s, bool) or not isinstance(s, int) or s < 1 for s in sides):
        raise ValueError(
            f"image_size must be a positive integer or (height, width), got {size!r}; "
            "use for example 224"
        )
    if channels not in (1, 3):
        raise ValueError(
            f"channels must be 1 (grey) or 3 (RGB), got {channels!r}; choose one"
        )


def height_width(size: Size) -> tuple[int, int]:
    """Reads a size: a single number is the side of a square.

    Raises:
      ValueError: it is a sequence, but not of two numbers.
    """
    if isinstance(size, tuple | list):
        if len(size) != 2:
            raise ValueError(
                f"image_size must be a positive integer or (height, width), got "
                f"{size!r}; use for example 224"
            )
        return tuple(size)
    return size, size


def _to_mode(image: Image.Image, channels: int) -> Image.Image:
    """Converts any Pillow mode to "L" or "RGB"."""
    if image.mode == "F":
        raise ValueError("floating-point pixels have no fixed range")
    if image.mode.startswith("I"):  # 16 bits: 65535 becomes 255
        deep = np.asarray(image).astype(np.int64)
        image = Image.fromarray(np.rint(deep.clip(0, 65535) / 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    if image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return image.convert("L" if channels == 1 else "RGB")


def _cover(image: Image.Image, height: int, width: int) -> Image.Image:
    """Scales until the image covers (height, width), then crops the centre."""
    scale = max(height / image.height, width / image.width)
    # One of the two is exact; the other is rounded down, but never below the target.
    scaled_height = max(height, int(image.height * scale))
    scaled_width = max(width, int(image.width * scale))
    image = image.resize((scaled_width, scaled_height), Image.Resampling.BILINEAR)
    top, left = (scaled_height - height) // 2, (scaled_width - width) // 2
    return image.crop((left, top, left + width, top + height))


def _to_array(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _reason(error: Exception) -> str:
    """Shortens Pillow's message, which may repeat the file or hold an address."""
    if isinstance(error, UnidentifiedImageError):
        return "its format is not known"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.splitlines()[0]

"""Turns image files and arrays of any kind into uint8 arrays of one size.

Two resize rules, both keeping the aspect ratio, both antialiased and both ending in a
crop of the centre; published numbers depend on them:

- `resize` = 0: scale until the image just covers the target (for a square one: the
  shorter side takes the target's side).
- `resize` = r: scale the shorter side to r pixels. torchvision's evaluation of ImageNet
  is 256 for a crop of 224, bilinear; timm's ViT is 248, bicubic.

As torchvision: the longer side is rounded down, the offset of the crop to the nearest
whole number (a half to the even one).
"""

import contextlib
import io
import os
import struct

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from research.data import source

Size = int | tuple[int, int]
EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
INTERPOLATIONS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_ORIENTATION = 0x0112  # in EXIF; those that exchange the sides, mirror x, mirror y:
_TURNED, _MIRROR_X, _MIRROR_Y = (5, 6, 7, 8), (2, 3, 6, 7), (3, 4, 7, 8)


def decode(
    data: str | os.PathLike | bytes,
    size: Size | None,
    channels: int,
    *,
    resize: int = 0,
    interpolation: str = "bilinear",
) -> np.ndarray:
    """Decodes a file, see `open_image`, and brings it to one size.

    Args:
      data: path of the file, or its content as bytes.
      size: side, or (height, width), in pixels; None keeps the image's own.
      channels: 1 (grey) or 3 (RGB).
      resize: length of the shorter side before the crop; 0 covers `size`.
      interpolation: a key of INTERPOLATIONS.

    Returns:
      (h, w, channels) uint8.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is not a readable image; the sentence names it.
    """
    check(size, channels, resize, interpolation)
    image = open_image(data, channels)
    return to_array(image if size is None else fit(image, size, resize, interpolation))


def decode_part(
    data: str | os.PathLike | bytes,
    size: Size,
    channels: int,
    part: source.Part,
    *,
    interpolation: str = "bilinear",
) -> np.ndarray:
    """Decodes a part of a file and scales it, for random-resized-crop.

    A JPEG whose part is at least twice the target is decoded at a half, a quarter or an
    eighth of its size, which is several times faster.

    Args:
      data: path of the file, or its content as bytes.
      size: side, or (height, width), in pixels.
      channels: 1 (grey) or 3 (RGB).
      part: chooses the part from the picture's height and width.
      interpolation: a key of INTERPOLATIONS.

    Returns:
      (h, w, channels) uint8.

    Raises:
      FileNotFoundError, ValueError: as `decode`.
    """
    check(size, channels, 0, interpolation)
    target_height, target_width = height_width(size)
    with _reading(data) as file:
        orientation = file.getexif().get(_ORIENTATION, 1)
        width, height = file.size[::-1] if orientation in _TURNED else file.size
        top, left, tall, wide = part(height, width)
        times = int(min(tall / target_height, wide / target_width))
        if times > 1:  # only JPEG can; others ignore it
            file.draft(None, (file.width // times, file.height // times))
        image = _to_mode(ImageOps.exif_transpose(file), channels)
    # A reduced picture is rounded up to whole pixels, on the right and below as stored.
    times = round(width / image.width)
    left += (image.width * times - width) * (orientation in _MIRROR_X)
    top += (image.height * times - height) * (orientation in _MIRROR_Y)
    box = tuple(side / times for side in (left, top, left + wide, top + tall))
    how = INTERPOLATIONS[interpolation]
    return to_array(image.resize((target_width, target_height), how, box=box))


def open_image(
    data: str | os.PathLike | bytes, channels: int, *, turn: bool = True
) -> Image.Image:
    """Opens a PNG, JPEG, WebP, BMP, ... file, of which the first frame counts.

    Transparent pixels are laid over white; palettes
    and CMYK become RGB; 16 bits per channel become 8; grey is ITU-R 601 luma.

    Args:
      data: path of the file, or its content as bytes.
      channels: 1 (grey) or 3 (RGB).
      turn: apply the EXIF orientation.

    Returns:
      A Pillow image of mode "L" or "RGB", in its own size.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is not a readable image; the sentence names it.
    """
    with _reading(data) as file:
        return _to_mode(ImageOps.exif_transpose(file) if turn else file, channels)


def fit(
    image: Image.Image, size: Size, resize: int = 0, interpolation: str = "bilinear"
) -> Image.Image:
    """Scales and crops an image to `size` by one of this module's two rules."""
    height, width = height_width(size)
    if resize:
        image = resize_shorter(image, resize, interpolation)
    else:
        image = _cover(image, height, width, interpolation)
    return centre_crop(image, height, width)


def resize_shorter(
    image: Image.Image, side: int, interpolation: str = "bilinear"
) -> Image.Image:
    """Scales an image so that its shorter side has `side` pixels."""
    width, height = image.size
    if width <= height:
        scaled = side, int(side * height / width)
    else:
        scaled = int(side * width / height), side
    return image.resize(scaled, INTERPOLATIONS[interpolation])


def centre_crop(image: Image.Image, height: int, width: int) -> Image.Image:
    """Cuts the centre out; the image must be at least as large."""
    top = round((image.height - height) / 2)
    left = round((image.width - width) / 2)
    return image.crop((left, top, left + width, top + height))


def resize(
    images: np.ndarray,
    size: Size,
    *,
    resize: int = 0,
    interpolation: str = "bilinear",
) -> np.ndarray:
    """Resizes a batch by one of this module's two rules.

    Args:
      images: (b, h, w, c) uint8 with c = 1 or 3.
      size: side, or (height, width), in pixels.
      resize: length of the shorter side before the crop; 0 covers `size`.
      interpolation: a key of INTERPOLATIONS.

    Returns:
      (b, *size, c) uint8; `images` itself where it has that size already.
    """
    check(size, images.shape[-1], resize, interpolation)
    height, width = height_width(size)
    if images.shape[1:3] == (height, width) and resize in (0, min(height, width)):
        return images
    resized = np.empty((len(images), height, width, images.shape[-1]), np.uint8)
    for k, pixels in enumerate(images):
        image = from_array(pixels)
        resized[k] = to_array(fit(image, size, resize, interpolation))
    return resized


def check(
    size: Size | None, channels: int, resize: int = 0, interpolation: str = "bilinear"
) -> None:
    """Checks a user's image options.

    Raises:
      ValueError: a size is not positive, channels is neither 1 nor 3, the crop is
        larger than the resized image, or the interpolation is unknown.
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
    if interpolation not in INTERPOLATIONS:
        raise ValueError(
            f"interpolation must be one of {', '.join(INTERPOLATIONS)}, got "
            f"{interpolation!r}; choose one"
        )
    if resize < 0 or resize and (not sides or resize < max(sides)):
        raise ValueError(
            f"resize must be 0 or at least image_size={size}, which is cropped from "
            f"it, got {resize}; use for example 256 for 224"
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


def _cover(
    image: Image.Image, height: int, width: int, interpolation: str
) -> Image.Image:
    """Scales until the image just covers (height, width)."""
    # One side is exact; the other is rounded down, but never below the target.
    if image.width * height >= image.height * width:
        scaled = max(width, int(height * image.width / image.height)), height
    else:
        scaled = width, max(height, int(width * image.height / image.width))
    return image.resize(scaled, INTERPOLATIONS[interpolation])


def from_array(pixels: np.ndarray) -> Image.Image:
    """Makes a Pillow image of (h, w, c) uint8 with c = 1 or 3."""
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def to_array(image: Image.Image) -> np.ndarray:
    """Reads a Pillow image of mode "L" or "RGB" as (h, w, c) uint8."""
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


@contextlib.contextmanager
def _reading(data: str | os.PathLike | bytes):
    """Opens a file for Pillow; what goes wrong inside names it in one sentence."""
    name = f"{len(data)} bytes of image data" if isinstance(data, bytes) else str(data)
    try:
        with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as file:
            yield file
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


def _reason(error: Exception) -> str:
    """Shortens Pillow's message, which may repeat the file or hold an address."""
    if isinstance(error, UnidentifiedImageError):
        return "its format is not known"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.splitlines()[0]

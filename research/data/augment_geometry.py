"""Moves pixels: pad-crop, flips, random-resized-crop and affine warps.

Pure functions of images (b, h, w, c) and of one draw or decision per example.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Num

from research.data import augment_boxes, augment_draws

PAD_MODES = {"zero": "constant", "reflect": "reflect", "edge": "edge"}


def pad_crop(
    image: Num[Array, "b h w c"], draws: Float[Array, "b 2"], pad: int, mode: str
) -> Num[Array, "b h w c"]:
    """Pads each side and cuts a window of the old size out, at a random place.

    That is the crop of the CIFAR recipes (zero, 4 pixels; He et al. 2016) and, with
    `reflect`, the random translation of airbench (Jordan 2024, arXiv:2404.00498).

    Args:
      image: any values.
      draws: in [0, 1), for the two axes.
      pad: pixels, >= 0; for `reflect` below the image's sides.
      mode: a key of PAD_MODES: zero (black), reflect (without the edge pixel) or edge.
    """
    margins = ((0, 0), (pad, pad), (pad, pad), (0, 0))
    padded = jnp.pad(image, margins, PAD_MODES[mode])
    top, left = augment_draws.integers(draws, 2 * pad + 1).T

    def window(padded, top, left):
        return jax.lax.dynamic_slice(padded, (top, left, 0), image.shape[1:])

    return jax.vmap(window)(padded, top, left)


def flip(
    image: Num[Array, "b h w c"], chosen: Bool[Array, " b"]
) -> Num[Array, "b h w c"]:
    """Mirrors the chosen images left to right."""
    return jnp.where(chosen[:, None, None, None], image[:, :, ::-1], image)


def alternates(first: Bool[Array, " b"], epoch: Int[Array, " b"]) -> Bool[Array, " b"]:
    """Chooses whom the alternating flip mirrors: every other epoch, all their life.

    So two successive epochs show each example both ways (Jordan 2024, section 3.6).

    Args:
      first: whether epoch 0 mirrors the example.
      epoch: that of each example.
    """
    return first ^ (epoch % 2 == 1)


def random_resized_crop(
    image: Float[Array, "b h w c"], draws: Float[Array, "b n"], area, ratio
) -> Float[Array, "b h w c"]:
    """Keeps a random part and scales it to the old size (Szegedy et al. 2015).

    Args:
      image: any values.
      draws: (b, augment_boxes.DRAWS) in [0, 1).
      area: (least, most) share of the image's area.
      ratio: (least, most) width / height.
    """
    height, width = image.shape[1:3]
    top, left, tall, wide = augment_boxes.crop(draws, height, width, area, ratio, jnp)
    rows, columns = _scaling(top, tall, height), _scaling(left, wide, width)
    exact = jax.lax.Precision.HIGHEST
    image = jnp.einsum("bHh,bhwc->bHwc", rows, image, precision=exact)
    return jnp.einsum("bWw,bhwc->bhWc", columns, image, precision=exact)


def _scaling(start: Float[Array, " b"], length: Float[Array, " b"], size: int):
    """Makes the matrices (b, size, size) that scale start..start + length to size.

    Bilinear, with antialiasing where that shrinks, as Pillow: a triangle of as many
    pixels to each side as one output pixel covers, at least 1.
    """
    start, scale = start[:, None, None], length[:, None, None] / size
    at = jnp.arange(size, dtype=jnp.float32)
    centre = start + (at[None, :, None] + 0.5) * scale
    pixel = at[None, None, :] + 0.5
    weight = jnp.maximum(0, 1 - jnp.abs(pixel - centre) / jnp.maximum(scale, 1))
    inside = (pixel > start) & (pixel < start + length[:, None, None])
    weight = jnp.where(inside, weight, 0)
    return weight / weight.sum(-1, keepdims=True)


def warp(
    image: Num[Array, "b h w c"],
    matrix: Float[Array, "b 2 3"],
    fill: Num[Array, " c"],
) -> Num[Array, "b h w c"]:
    """Reads each output pixel from where an affine map puts its centre: the nearest.

    Args:
      image: any values.
      matrix: of an output place (x, y, 1) in pixels to the place (x, y) to read.
      fill: colour of what lies outside.
    """
    b, height, width, c = image.shape
    y, x = jnp.mgrid[:height, :width].reshape(2, 1, -1) + 0.5
    m = matrix[..., None]
    from_x = jnp.floor(m[:, 0, 0] * x + m[:, 0, 1] * y + m[:, 0, 2]).astype(jnp.int32)
    from_y = jnp.floor(m[:, 1, 0] * x + m[:, 1, 1] * y + m[:, 1, 2]).astype(jnp.int32)
    inside = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
    at = jnp.where(inside, from_y * width + from_x, 0)[..., None]
    pixels = image.reshape(b, height * width, c)
    moved = jnp.take_along_axis(pixels, at, 1, mode="promise_in_bounds")
    moved = jnp.where(inside[..., None], moved, fill.astype(image.dtype)[None, None])
    return moved.reshape(image.shape)


def shear_translate(
    shear_x: Float[Array, " b"],
    shear_y: Float[Array, " b"],
    move_x: Float[Array, " b"],
    move_y: Float[Array, " b"],
) -> Float[Array, "b 2 3"]:
    """Makes matrices for `warp`: x + shear_x y + move_x, and y likewise, are read."""
    one = jnp.ones_like(shear_x)
    rows = [[one, shear_x, move_x], [shear_y, one, move_y]]
    return jnp.moveaxis(jnp.array(rows), -1, 0)


def rotation(
    degrees: Float[Array, " b"], height: int, width: int
) -> Float[Array, "b 2 3"]:
    """Makes matrices for `warp` that turn images about their centre, anticlockwise."""
    angle = degrees * (math.pi / 180)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    x, y = width / 2, height / 2
    rows = [
        [cos, -sin, x - cos * x + sin * y],
        [sin, cos, y - sin * x - cos * y],
    ]
    return jnp.moveaxis(jnp.array(rows), -1, 0)

"""Removes parts of images: random erasing and cutout."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from research.data import augment_boxes, augment_draws

# Zhong et al. (2017) with torchvision's bounds: share of the area, width / height.
_AREA, _RATIO = (0.02, 1 / 3), (0.3, 3.3)
ERASE_DRAWS = augment_boxes.DRAWS + 1  # uniform numbers that one example takes


def erase(
    image: Float[Array, "b h w c"],
    draws: Float[Array, "b n"],
    probability: float,
    fill: Float[Array, " c"],
) -> Float[Array, "b h w c"]:
    """Fills a random box of some images (Zhong et al. 2017, arXiv:1708.04896).

    Args:
      image: any values.
      draws: (b, ERASE_DRAWS) in [0, 1).
      probability: share of the images that lose a box, in [0, 1].
      fill: colour of the box.
    """
    *box, fits = augment_boxes.choose(
        draws[:, 1:], *image.shape[1:3], _AREA, _RATIO, jnp
    )
    chosen = fits & (draws[:, 0] < probability)
    removed = inside(image.shape, *box) & chosen[:, None, None, None]
    return jnp.where(removed, fill[None, None, None], image)


def cutout(
    image: Float[Array, "b h w c"],
    draws: Float[Array, "b 2"],
    side: int,
    fill: Float[Array, " c"],
) -> Float[Array, "b h w c"]:
    """Fills a square around a random pixel (DeVries & Taylor 2017, arXiv:1708.04552).

    Args:
      image: any values.
      draws: in [0, 1), of the centre's row and column.
      side: of the square, in pixels; what falls outside the image is lost.
      fill: colour of the square.
    """
    height, width = image.shape[1:3]
    top = augment_draws.integers(draws[:, 0], height) - side // 2
    left = augment_draws.integers(draws[:, 1], width) - side // 2
    length = jnp.full_like(top, side)
    removed = inside(image.shape, top, left, length, length)
    return jnp.where(removed, fill[None, None, None], image)


def inside(shape, top, left, height, width) -> Bool[Array, "b h w 1"]:
    """Tells which pixels of images (b, h, w, c) lie in one box (b,) each."""
    row = jnp.arange(shape[1])[None, :, None, None]
    column = jnp.arange(shape[2])[None, None, :, None]
    top, left, height, width = (
        side[:, None, None, None] for side in (top, left, height, width)
    )
    in_rows = (row >= top) & (row < top + height)
    return in_rows & (column >= left) & (column < left + width)

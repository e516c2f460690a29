"""Mixes pairs of examples and their labels: mixup and CutMix.

Example i is paired with i - 1 of the global batch (the first with the last); batches
are drawn in random order, so that any such rule makes random pairs.
"""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from research.data import augment_draws, augment_erasing


def mix(
    image: Float[Array, "b h w c"],
    target: Float[Array, "b k"],
    share: Float[Array, " b"],
    pasted: Bool[Array, " b"],
    draws: Float[Array, "b 2"],
) -> tuple[Float[Array, "b h w c"], Float[Array, "b k"]]:
    """Mixes each example with its partner.

    Args:
      image: any values.
      target: probabilities of the classes.
      share: of the example itself, in [0, 1]; 1 leaves it alone.
      pasted: where true, CutMix (Yun et al. 2019, arXiv:1905.04899): a box of area
        1 - share shows the partner; else mixup (Zhang et al. 2017, arXiv:1710.09412):
        share of the example + (1 - share) of the partner in every pixel.
      draws: in [0, 1), of the row and column of the box's centre.

    Returns:
      images, and targets weighted by what each pixel shows on average.
    """
    height, width = image.shape[1:3]
    box = _box(draws, jnp.sqrt(1 - share), height, width)
    shown = jnp.where(augment_erasing.inside(image.shape, *box), 0.0, 1.0)
    each = share[:, None, None, None]
    own = jnp.where(pasted[:, None, None, None], shown, each)
    # The box may reach over the border: what counts is the area that is left of it.
    left_over = 1 - box[2] * box[3] / (height * width)
    weight = jnp.where(pasted, left_over, share)[:, None]
    image = own * image + (1 - own) * jnp.roll(image, 1, axis=0)
    return image, weight * target + (1 - weight) * jnp.roll(target, 1, axis=0)


def _box(draws, scale, height: int, width: int):
    """Places a box of `scale` times the sides around a random pixel, cut to fit."""
    edges = []
    for draw, side in zip(draws.T, (height, width), strict=True):
        half = jnp.floor(side * scale) // 2
        centre = augment_draws.integers(draw, side).astype(jnp.float32)
        edges += [jnp.clip(centre - half, 0, side), jnp.clip(centre + half, 0, side)]
    top, bottom, left, right = edges
    return top, left, bottom - top, right - left

"""Colour jitter: brightness, contrast, saturation and hue, in random order.

The formulae are those of torchvision's ColorJitter, on floats in [0, 1].
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

_LUMA = (0.2989, 0.587, 0.114)  # torchvision's weights of red, green and blue
DRAWS = 8  # uniform numbers that one example takes: four places, four factors


def jitter(
    image: Float[Array, "b h w c"], draws: Float[Array, "b 8"], strength
) -> Float[Array, "b h w c"]:
    """Changes the colours of each image by its own random factors.

    Args:
      image: in [0, 1]; c = 3, or 1 (then only brightness and contrast act).
      draws: in [0, 1).
      strength: brightness, contrast, saturation: the factor is uniform in
        [max(0, 1 - s), 1 + s]; hue: the shift is uniform in [-s, s] turns, s <= 1/2.
    """
    active = [
        k for k, s in enumerate(strength) if s and (image.shape[-1] == 3 or k < 2)
    ]
    if not active:
        return image
    places, which = draws[:, :4], jnp.array(active)
    order = which[jnp.argsort(places[:, : len(active)], axis=1)]
    least = jnp.array([*(max(0.0, 1 - s) for s in strength[:3]), -strength[3]])
    most = jnp.array([*(1 + s for s in strength[:3]), strength[3]])
    factor = least[None] + draws[:, 4:] * (most - least)[None]
    for place in range(len(active)):
        image = _one(image, order[:, place], factor, with_hue=3 in active)
    return image


def _one(image, which, factor, with_hue: bool):
    """Applies operation `which` (b,) of the four to each image."""
    per_image = (slice(None), None, None, None)
    grey = luma(image)
    mean = grey.mean((1, 2, 3), keepdims=True)
    which_each = which[per_image]
    towards = jnp.where(which_each == 1, mean, jnp.where(which_each == 2, grey, 0))
    amount = jnp.take_along_axis(factor, which[:, None], axis=1)[..., None, None]
    blended = jnp.clip(amount * image + (1 - amount) * towards, 0, 1)
    if not with_hue:
        return blended
    return jnp.where(which_each == 3, shift_hue(image, factor[:, 3]), blended)


def luma(image: Float[Array, "b h w c"]) -> Float[Array, "b h w 1"]:
    """Returns the grey value of each pixel."""
    if image.shape[-1] == 1:
        return image
    return (image * jnp.array(_LUMA)[None, None, None]).sum(-1, keepdims=True)


def shift_hue(
    image: Float[Array, "b h w 3"], shift: Float[Array, " b"]
) -> Float[Array, "b h w 3"]:
    """Turns the hue of HSV.

    Args:
      image: in [0, 1].
      shift: in turns of the colour circle.
    """
    red, green, blue = jnp.moveaxis(image, -1, 0)
    value = jnp.maximum(jnp.maximum(red, green), blue)
    chroma = value - jnp.minimum(jnp.minimum(red, green), blue)
    safe = jnp.where(chroma > 0, chroma, 1)
    # Not `value == red`: a compiler may compute the two with different rounding, and
    # then none is equal. On both sides of these comparisons the hue is the same.
    hue = jnp.where(
        (red >= green) & (red >= blue),
        (green - blue) / safe,
        jnp.where(green >= blue, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    hue = hue + 6 * shift[:, None, None]  # in sixths of a turn
    # Each channel falls from `value` by up to `chroma`, a trapezium over the circle.
    channels = []
    for offset in (5, 3, 1):
        k = offset + hue
        k = k - 6 * jnp.floor(k / 6)  # `%` on floats is a slow library call
        channels.append(value - chroma * jnp.clip(jnp.minimum(k, 4 - k), 0, 1))
    return jnp.stack(channels, -1)

"""Colour jitter: brightness, contrast, saturation and hue, in random order.

The formulae are those of torchvision's ColorJitter, on floats in [0, 1].
"""

import functools

import jax
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
    return jax.lax.platform_dependent(
        image,
        order,
        jnp.take_along_axis(factor, order, axis=1),
        cpu=one_by_one,
        default=functools.partial(together, active=active),
    )


def together(image, order, amount, active=(0, 1, 2, 3)):
    """Changes all images at once: computes every operation and keeps one of each.

    Args:
      image: (b, h, w, c) in [0, 1].
      order: (b, n) integers, the operation of each image at each of n places.
      amount: (b, n) factors or shifts.
      active: the operations that occur in `order`.
    """
    for place in range(order.shape[1]):
        changed = image
        for number in active:
            chosen = (order[:, place] == number)[:, None, None, None]
            made = _change(number, image, amount[:, place])
            changed = jnp.where(chosen, made, changed)
        image = changed
    return image


def one_by_one(image, order, amount):
    """Changes one image after another; on CPU several times faster than `together`."""
    count = 4 if image.shape[-1] == 3 else 2
    branches = [functools.partial(_change, number) for number in range(count)]

    def one(example):
        image, order, amount = (value[None] for value in example)
        for place in range(order.shape[1]):
            image = jax.lax.switch(order[0, place], branches, image, amount[:, place])
        return image[0]

    return jax.lax.map(one, (image, order, amount))


def _change(number: int, image, amount):
    """Applies operation `number` of the four by amounts (b,) to all images."""
    if number == 3:
        return shift_hue(image, amount)
    towards = 0.0
    if number > 0:
        towards = luma(image)
        towards = towards.mean((1, 2, 3), keepdims=True) if number == 1 else towards
    amount = amount[:, None, None, None]
    return jnp.clip(amount * image + (1 - amount) * towards, 0, 1)


def luma(image: Float[Array, "b h w c"]) -> Float[Array, "b h w 1"]:
    """Returns the grey value of each pixel."""
    if image.shape[-1] == 1:
        return image
    return sum(weight * image[..., k : k + 1] for k, weight in enumerate(_LUMA))


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

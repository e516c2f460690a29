"""The image operations of AutoAugment and RandAugment, each as Pillow does it.

Each image of a batch has its own operation. Accelerators compute all images together:
the five operations that move pixels are one affine warp, the others one expression per
pixel. CPUs go from image to image. Both give the same bits.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from research.data import augment_geometry

OPERATIONS = (
    "identity", "shear_x", "shear_y", "translate_x", "translate_y", "rotate",
    "brightness", "colour", "contrast", "sharpness", "posterize", "solarize",
    "autocontrast", "equalize", "invert",
)  # fmt: skip
_WARPS, _BLENDS, _PER_LEVEL = OPERATIONS[1:6], OPERATIONS[6:10], OPERATIONS[10:]
_NUMBER = {name: number for number, name in enumerate(OPERATIONS)}

# What full strength means (AutoAugment, Table 6 of the appendix).
_SHEAR = 0.3  # pixels per pixel
_TRANSLATE = 150 / 331  # of the image's side
_ROTATE = 30.0  # degrees
_BLEND = 0.9  # distance of the factor from 1
_POSTERIZE = 4  # bits taken away from 8


def apply(
    image: Float[Array, "b h w c"],
    operation: Int[Array, " b"],
    strength: Float[Array, " b"],
    sign: Float[Array, " b"],
    fill: Float[Array, " c"],
) -> Float[Array, "b h w c"]:
    """Applies one operation to each image.

    Args:
      image: in [0, 1]; taken to the nearest of the 256 levels.
      operation: indices into OPERATIONS.
      strength: in [0, 1]; operations without a magnitude ignore it.
      sign: 1 or -1, the direction of those that have two.
      fill: colour of what a warp uncovers, in [0, 1].
    """
    levels = _round(image * 255).astype(jnp.int32)
    around = _round(fill * 255).astype(jnp.int32)
    levels = jax.lax.platform_dependent(
        levels, operation, strength, sign, around, cpu=one_by_one, default=together
    )
    return levels.astype(jnp.float32) / 255


def together(x: Int[Array, "b h w c"], operation, strength, sign, fill):
    """Applies the operations in one vectorised path; see `apply`, but 0..255.

    Every image passes a warp, a map of its levels and a blend, of which those that are
    not its operation change nothing.
    """
    x = _warped(x, operation, strength, sign, fill)
    # Else the warp may be computed again for each neighbour that sharpness reads.
    x = jax.lax.optimization_barrier(x)
    x = _per_level(x, operation, strength)
    return _blended(x, operation, strength, sign)


def one_by_one(x: Int[Array, "b h w c"], operation, strength, sign, fill):
    """Applies to one image after another its operation alone; see `apply`, but 0..255.

    On CPU that takes a third of the time of `together`.
    """

    def alone(name: str, x, strength, sign):
        number = jnp.full(1, _NUMBER[name])
        if name in _WARPS:
            return _warped(x, number, strength, sign, fill)
        if name in _PER_LEVEL:
            return _per_level(x, number, strength)
        return _blended(x, number, strength, sign) if name in _BLENDS else x

    branches = [functools.partial(alone, name) for name in OPERATIONS]

    def one(example):
        x, operation, *amount = (value[None] for value in example)
        return jax.lax.switch(operation[0], branches, x, *amount)[0]

    return jax.lax.map(one, (x, operation, strength, sign))


def _round(x):
    return jnp.floor(x + 0.5)


def _is(operation, name: str):
    return operation == _NUMBER[name]


def _among(operation, names):
    return functools.reduce(jnp.logical_or, (_is(operation, name) for name in names))


def _warped(x: Int[Array, "b h w c"], operation, strength, sign, fill):
    """Applies the operations that move pixels."""
    matrix = _matrix(operation, strength * sign, *x.shape[1:3])
    return augment_geometry.warp(x, matrix, fill)


def _matrix(operation, amount, height: int, width: int) -> Float[Array, "b 2 3"]:
    """Makes the affine map of each image; that of other operations moves nothing."""

    def only(name, value):
        return jnp.where(_is(operation, name), value, 0.0)

    moved = augment_geometry.shear_translate(
        only("shear_x", _SHEAR * amount),
        only("shear_y", _SHEAR * amount),
        only("translate_x", jnp.trunc(_TRANSLATE * width * amount)),
        only("translate_y", jnp.trunc(_TRANSLATE * height * amount)),
    )
    turned = augment_geometry.rotation(_ROTATE * amount, height, width)
    return jnp.where(_is(operation, "rotate")[:, None, None], turned, moved)


def _per_level(x: Int[Array, "b h w c"], operation, strength) -> Int[Array, "b h w c"]:
    """Applies the operations that map each of a channel's 256 levels to another."""
    which = operation[:, None, None, None]
    lost = jnp.round(_POSTERIZE * strength).astype(jnp.int32)[:, None, None, None]
    above = x.astype(jnp.float32) >= (255 * (1 - strength))[:, None, None, None]
    inverted = _is(which, "invert") | (_is(which, "solarize") & above)
    out = jnp.where(_is(which, "posterize"), (x >> lost) << lost, x)
    out = jnp.where(inverted, 255 - x, out)
    out = jnp.where(_is(which, "autocontrast"), _autocontrast(x), out)
    return jnp.where(_is(which, "equalize"), _equalize(x), out)


def _autocontrast(x: Int[Array, "b h w c"]) -> Int[Array, "b h w c"]:
    """Stretches each channel to 0..255."""
    low = x.min((1, 2), keepdims=True)
    spread = x.max((1, 2), keepdims=True) - low
    return jnp.where(spread > 0, _divide((x - low) * 255, jnp.maximum(spread, 1)), x)


def _equalize(x: Int[Array, "b h w c"]) -> Int[Array, "b h w c"]:
    """Makes each channel's histogram flat."""
    b, height, width, c = x.shape
    channel = jnp.arange(c)[None, None, None] * 256
    place = (x + channel).reshape(b, -1)  # in the c * 256 bins of an image

    def count(place):
        return jnp.zeros(c * 256, jnp.int32).at[place].add(1)

    counts = jax.vmap(count)(place).reshape(b, c, 256)
    # A running sum as a product: exact below 2^24 pixels, and fast everywhere.
    upto = jnp.einsum(
        "bci,ij->bcj",
        counts.astype(jnp.float32),
        jnp.triu(jnp.ones((256, 256))),
        precision=jax.lax.Precision.HIGHEST,
    ).astype(jnp.int32)
    # Pillow: the count of the brightest level does not take part in the step.
    brightest = jnp.where(upto == height * width, counts, 0).max(-1)
    step = ((height * width - brightest) // 255)[:, None, None]
    table = (upto - counts).reshape(b, -1)
    below = jnp.take_along_axis(table, place, 1, mode="promise_in_bounds")
    below = below.reshape(x.shape)
    flat = _divide(below + step // 2, jnp.maximum(step, 1))
    return jnp.where(step > 0, jnp.minimum(flat, 255), x)


def _divide(x: Int[Array, "..."], by) -> Int[Array, "..."]:
    """Divides whole numbers, 0 <= x and 0 < by, rounding down.

    Processors have no vector instruction for that. The half keeps every quotient
    further from a whole number than the rounding of floats reaches, for quotients below
    2^9 of x below 2^23.
    """
    return jnp.floor((x.astype(jnp.float32) + 0.5) / by).astype(jnp.int32)


def _blended(x: Int[Array, "b h w c"], operation, strength, sign):
    """Applies the operations that blend with a poorer image: factor 1 is the image."""
    factor = 1 + _BLEND * strength * sign
    which = operation[:, None, None, None]
    grey = _grey(x)
    mean = _round(grey.mean((1, 2, 3), keepdims=True)).astype(jnp.int32)
    poor = jnp.where(_is(which, "contrast"), mean, jnp.zeros_like(x))
    poor = jnp.where(_is(which, "colour"), grey, poor)
    poor = jnp.where(_is(which, "sharpness"), _smooth(x), poor)
    poor, rich = poor.astype(jnp.float32), x.astype(jnp.float32)
    mixed = poor + factor[:, None, None, None] * (rich - poor)
    return jnp.where(
        _among(which, _BLENDS), jnp.clip(mixed, 0, 255).astype(jnp.int32), x
    )


def _grey(x: Int[Array, "b h w c"]) -> Int[Array, "b h w 1"]:
    if x.shape[-1] == 1:
        return x
    # ITU-R 601 luma in sixteenth binary digits, as Pillow.
    weights = jnp.array([19595, 38470, 7471])[None, None, None]
    return ((x * weights).sum(-1, keepdims=True) + 2**15) >> 16


def _smooth(x: Int[Array, "b h w c"]) -> Int[Array, "b h w c"]:
    """Averages 3 x 3 pixels, the middle one five times; the border stays."""
    height, width = x.shape[1:3]
    if height < 3 or width < 3:
        return x
    rows = x[:, :-2] + x[:, 1:-1] + x[:, 2:]
    total = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
    inner = _divide(total + 4 * x[:, 1:-1, 1:-1] + 6, 13)  # to the nearest
    border = ((0, 0), (1, 1), (1, 1), (0, 0))
    return jnp.where(
        jnp.pad(jnp.ones_like(inner, bool), border), jnp.pad(inner, border), x
    )

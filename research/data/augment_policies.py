"""RandAugment and the AutoAugment policy of CIFAR-10: which operations, how strong."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from research.data import augment_draws, augment_operations

# RandAugment's 14 (Cubuk et al. 2019, section 3): all but invert.
_RANDOM = augment_operations.OPERATIONS[:-1]
MAX_MAGNITUDE = 30  # the scale of RandAugment's magnitudes
SUB_POLICY_DRAWS = 5  # uniform numbers per example: policy, two chances, two signs

# Table 7 of the AutoAugment paper: (operation, probability, magnitude of 0..9) twice;
# 0 stands where an operation has no magnitude.
CIFAR10_POLICY = (
    (("invert", 0.1, 0), ("contrast", 0.2, 6)),
    (("rotate", 0.7, 2), ("translate_x", 0.3, 9)),
    (("sharpness", 0.8, 1), ("sharpness", 0.9, 3)),
    (("shear_y", 0.5, 8), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.5, 0), ("equalize", 0.9, 0)),
    (("shear_y", 0.2, 7), ("posterize", 0.3, 7)),
    (("colour", 0.4, 3), ("brightness", 0.6, 7)),
    (("sharpness", 0.3, 9), ("brightness", 0.7, 9)),
    (("equalize", 0.6, 0), ("equalize", 0.5, 0)),
    (("contrast", 0.6, 7), ("sharpness", 0.6, 5)),
    (("colour", 0.7, 7), ("translate_x", 0.5, 8)),
    (("equalize", 0.3, 0), ("autocontrast", 0.4, 0)),
    (("translate_y", 0.4, 3), ("sharpness", 0.2, 6)),
    (("brightness", 0.9, 6), ("colour", 0.2, 8)),
    (("solarize", 0.5, 2), ("invert", 0.0, 0)),
    (("equalize", 0.2, 0), ("autocontrast", 0.6, 0)),
    (("equalize", 0.2, 0), ("equalize", 0.6, 0)),
    (("colour", 0.9, 9), ("equalize", 0.6, 0)),
    (("autocontrast", 0.8, 0), ("solarize", 0.2, 8)),
    (("brightness", 0.1, 3), ("colour", 0.7, 0)),
    (("solarize", 0.4, 5), ("autocontrast", 0.9, 0)),
    (("translate_y", 0.9, 9), ("translate_y", 0.7, 9)),
    (("autocontrast", 0.9, 0), ("solarize", 0.8, 3)),
    (("equalize", 0.8, 0), ("invert", 0.1, 0)),
    (("translate_y", 0.7, 9), ("autocontrast", 0.9, 0)),
)


def randaugment(
    image: Float[Array, "b h w c"],
    draws: Float[Array, "b n"],
    magnitude: float,
    fill: Float[Array, " c"],
) -> Float[Array, "b h w c"]:
    """Applies n / 2 random operations, one after another (arXiv:1909.13719).

    Args:
      image: in [0, 1].
      draws: in [0, 1), for each layer the operation and the sign.
      magnitude: of all operations, in 0..MAX_MAGNITUDE.
      fill: colour of what a warp uncovers, in [0, 1].
    """
    strength = jnp.full(len(image), magnitude / MAX_MAGNITUDE)
    for layer in range(draws.shape[1] // 2):
        which, sign = draws[:, 2 * layer], _sign(draws[:, 2 * layer + 1])
        operation = augment_draws.integers(which, len(_RANDOM))
        image = augment_operations.apply(image, operation, strength, sign, fill)
    return image


def autoaugment(
    image: Float[Array, "b h w c"],
    draws: Float[Array, "b 5"],
    fill: Float[Array, " c"],
    policy=CIFAR10_POLICY,
) -> Float[Array, "b h w c"]:
    """Applies one of the sub-policies to each image (arXiv:1805.09501).

    Args:
      image: in [0, 1].
      draws: in [0, 1).
      fill: colour of what a warp uncovers, in [0, 1].
      policy: pairs of (operation, probability, magnitude of 0..9).
    """
    number = augment_operations.OPERATIONS.index
    table = jnp.array(
        [[(number(name), p, level / 9) for name, p, level in pair] for pair in policy]
    )
    chosen = table[augment_draws.integers(draws[:, 0], len(policy))]  # (b, 2, 3)
    for layer in range(2):
        operation, probability, strength = chosen[:, layer].T
        happens = draws[:, 1 + layer] < probability
        operation = jnp.where(happens, operation.astype(jnp.int32), 0)
        sign = _sign(draws[:, 3 + layer])
        image = augment_operations.apply(image, operation, strength, sign, fill)
    return image


def _sign(draw: Float[Array, " b"]) -> Float[Array, " b"]:
    return jnp.where(draw < 0.5, -1.0, 1.0)

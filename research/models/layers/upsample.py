"""Nearest-neighbour upsampling: every element of a map twice along each side."""

from collections.abc import Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float


def upsample(
    x: Float[Array, "b *sides c"], sides: Sequence[int] | None = None
) -> Float[Array, "b *doubled c"]:
    """Doubles the sides of a map, of one, two or more dimensions, by repetition.

    Args:
      x: the map.
      sides: of the result, twice those of x or less; what is beyond is cut off. None:
        twice those of x.
    """
    for axis in range(1, x.ndim - 1):
        x = jnp.repeat(x, 2, axis=axis)
        if sides is not None:
            x = lax.slice_in_dim(x, 0, sides[axis - 1], axis=axis)
    return x

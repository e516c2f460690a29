"""Doubling and halving of maps with the binomial filter (1, 3, 3, 1), per axis.

Zhang: Making Convolutional Networks Shift-Invariant Again, 2019,
https://arxiv.org/abs/1904.11486; padding and phases as StyleGAN2 has them (Karras et
al. 2020, https://arxiv.org/abs/1912.04958). Filters of four taps are four shifted
slices, which XLA fuses; zeros between pixels are never multiplied.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

_TAPS = (1 / 8, 3 / 8, 3 / 8, 1 / 8)


def blur(
    x: Float[Array, "b h w c"], before: int, after: int, gain: float = 1.0
) -> Float[Array, "b h2 w2 c"]:
    """Filters a map after padding it by zeros.

    Args:
      x: the map.
      before: rows and columns added before it.
      after: behind it.
      gain: factor of the result.

    Returns:
      Sides of h + before + after - 3.
    """
    x = jnp.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
    for axis in (1, 2):
        size = x.shape[axis] - len(_TAPS) + 1
        x = sum(
            tap * _slice(x, axis, start, start + size)
            for start, tap in enumerate(_TAPS)
        )
    return gain * x if gain != 1 else x


def double(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    """Puts zeros between pixels and filters: each output has two inputs per axis."""
    for axis in (1, 2):
        n = x.shape[axis]
        margins = [(1, 1) if i == axis else (0, 0) for i in range(4)]
        wide = jnp.pad(x, margins)
        near = 0.75 * _slice(wide, axis, 1, n + 1)
        even = near + 0.25 * _slice(wide, axis, 0, n)
        odd = near + 0.25 * _slice(wide, axis, 2, n + 2)
        x = jnp.stack([even, odd], axis=axis + 1)
        shape = list(x.shape)
        shape[axis : axis + 2] = [2 * n]
        x = x.reshape(shape)
    return x


def _slice(x, axis: int, start: int, stop: int):
    return x[:, start:stop] if axis == 1 else x[:, :, start:stop]

"""What models of time series share: instance normalisation, PyTorch's linear layers.

Axes: b batch, t time of the past, h of the future, c channels, q numbers per forecast.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from research.models.layers import plain

_EPSILON = 1e-5


def normalise(
    x: Float[Array, "b t c"],
) -> tuple[Float[Array, "b t c"], Float[Array, "b 1 c"], Float[Array, "b 1 c"]]:
    """Scales each channel of each example to mean 0 and variance 1 over its past.

    Kim et al.: Reversible Instance Normalization, 2022, Eq. (2), without the affine
    map; no gradient flows through the statistics.

    Returns:
      (scaled, mean, standard deviation), for `denormalise`.
    """
    mean = jax.lax.stop_gradient(x.mean(axis=1, keepdims=True))
    centred = x - mean
    variance = jnp.mean(centred**2, axis=1, keepdims=True)
    std = jax.lax.stop_gradient(jnp.sqrt(variance + _EPSILON))
    return centred / std, mean, std


def denormalise(
    y: Float[Array, "b h c q"], mean: Float[Array, "b 1 c"], std: Float[Array, "b 1 c"]
) -> Float[Array, "b h c q"]:
    """Gives forecasts the level and the spread of the past again, ibid. Eq. (3)."""
    return y * std[..., None] + mean[..., None]


def linear(kernels: str, fan_in: int, **fields: Any) -> Callable[..., nn.Dense]:
    """Binds a dense layer drawn as PyTorch draws it, U(+-1/sqrt(fan_in)) throughout.

    Args:
      kernels: "auto" or "native".
      fan_in: width of what it reads.
      **fields: further fields of `nn.Dense`.
    """
    init = plain.symmetric(fan_in**-0.5)
    return plain.dense(kernels, kernel_init=init, bias_init=init, **fields)

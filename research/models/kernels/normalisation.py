"""Normalisation over the batch, over a layer, over groups of channels.

The first has a form of its own; the other two are Flax's in every mode.

On CPU a sum over the rows of an image batch is made in two steps, per image and then
over the images: each step is spread over the cores and walks memory in order. The
gradient's sums follow, because the affine map's coefficients are spread in the same two
steps. The class keeps the fields, parameters and statistics of its Flax original.
"""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from research.models.kernels import choice


def batch_norm(kernels: str) -> Callable:
    """Chooses the class of batch normalisation, of the fields of `nn.BatchNorm`."""
    return choice.choose(kernels, nn.BatchNorm, BatchNorm)


def layer_norm(kernels: str) -> Callable:
    """Chooses the class of layer normalisation, of the fields of `nn.LayerNorm`."""
    return choice.choose(kernels, nn.LayerNorm, nn.LayerNorm)


def group_norm(kernels: str) -> Callable:
    """Chooses the class of group normalisation, of the fields of `nn.GroupNorm`."""
    return choice.choose(kernels, nn.GroupNorm, nn.GroupNorm)


class BatchNorm(nn.BatchNorm):
    """`nn.BatchNorm` whose sums are quicker on CPU."""

    @nn.compact
    def __call__(self, x, use_running_average: bool | None = None, *, mask=None):
        """Normalises over all axes but the last; see `nn.BatchNorm`."""
        covered = (
            x.ndim == 4
            and self.axis in (-1, 3)
            and mask is None
            and self.axis_name is None
            and self.use_fast_variance
            and self.force_float32_reductions
            and x.dtype in (jnp.float32, jnp.bfloat16, jnp.float16)
        )
        if not covered:
            return super().__call__(x, use_running_average, mask=mask)
        running = nn.merge_param(
            "use_running_average", self.use_running_average, use_running_average
        )
        shape = x.shape[-1:]
        mean = self.variable("batch_stats", "mean", jnp.zeros, shape, jnp.float32)
        var = self.variable("batch_stats", "var", jnp.ones, shape, jnp.float32)
        scale, bias = jnp.ones(shape), jnp.zeros(shape)
        operands = [x]
        if self.use_scale:
            scale = self.param("scale", self.scale_init, shape, self.param_dtype)
            operands.append(scale)
        if self.use_bias:
            bias = self.param("bias", self.bias_init, shape, self.param_dtype)
            operands.append(bias)
        dtype = nn.dtypes.canonicalize_dtype(*operands, dtype=self.dtype)
        if running:
            centre, spread = mean.value, var.value
        else:
            wide = x.astype(jnp.promote_types(self.dtype or x.dtype, jnp.float32))
            centre, spread = lax.platform_dependent(
                wide, cpu=_moments_by_image, default=_moments
            )
            if not self.is_initializing():
                kept = self.momentum
                mean.value = kept * mean.value + (1 - kept) * centre
                var.value = kept * var.value + (1 - kept) * spread
        factor = lax.rsqrt(spread + self.epsilon) * scale
        y = lax.platform_dependent(
            x, centre, factor, bias, cpu=_affine_by_image, default=_affine
        )
        return y.astype(dtype)


def _moments(x):
    mean = jnp.mean(x, axis=(0, 1, 2))
    return mean, _variance(mean, jnp.mean(lax.square(x), axis=(0, 1, 2)))


def _moments_by_image(x):
    images = lax.optimization_barrier(
        (jnp.sum(x, axis=(1, 2)), jnp.sum(lax.square(x), axis=(1, 2)))
    )
    mean, square = (jnp.sum(a, axis=0) / (x.size // x.shape[-1]) for a in images)
    return mean, _variance(mean, square)


def _variance(mean, square):
    return jnp.maximum(0.0, square - lax.square(mean))  # rounding may make it negative


def _affine(x, centre, factor, bias):
    centre, factor, bias = (a[None, None, None] for a in (centre, factor, bias))
    return (x.astype(factor.dtype) - centre) * factor + bias


def _affine_by_image(x, centre, factor, bias):
    shape = (x.shape[0], 1, 1, x.shape[-1])
    coefficients = (jnp.broadcast_to(a, shape) for a in (centre, factor, bias))
    centre, factor, bias = lax.optimization_barrier(tuple(coefficients))

    @jax.checkpoint  # saves x itself instead of x - centre, an array more per norm
    def affine(x, centre, factor, bias):
        return (x.astype(factor.dtype) - centre) * factor + bias

    return affine(x, centre, factor, bias)

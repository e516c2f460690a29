"""Plain Flax layers with the chosen kernels, dropout with a traced rate, `build`.

Each helper returns a plain Flax layer (or function) with its fields already bound, so
that a model reads like its paper:

    conv = layers.conv(self.kernels, dtype=self.dtype, param_dtype=self.param_dtype)
    x = conv(6, (5, 5), padding="VALID", name="C1")(x)
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from research.models import kernels as forms
from research.models.layers import checks


def dense(kernels: str, **fields: Any) -> Callable[..., nn.Dense]:
    """Binds `nn.Dense` to a matrix product; kernels is "auto" or "native"."""
    return partial(nn.Dense, dot_general=forms.dot_general(kernels), **fields)


def conv(kernels: str, **fields: Any) -> Callable[..., nn.Conv]:
    """Binds `nn.Conv` to a convolution; kernels is "auto" or "native"."""
    convolution = forms.conv_general_dilated(kernels)
    return partial(nn.Conv, conv_general_dilated=convolution, **fields)


def resize_conv(kernels: str, **fields: Any) -> Callable[..., nn.Conv]:
    """Binds `nn.Conv` to a map whose sides are doubled first, by nearest neighbours.

    Args:
      kernels: "auto" or "native".
      **fields: of `nn.Conv`.

    Returns:
      `nn.Conv`, padding "SAME", with one more field: sides, of the doubled map where
      it is cut; None: twice those of the input.
    """

    def bound(features: int, kernel_size, *, sides=None, **more: Any) -> nn.Conv:
        convolution = forms.resize_conv(kernels, sides)
        more = fields | more
        return nn.Conv(features, kernel_size, conv_general_dilated=convolution, **more)

    return bound


def batch_norm(kernels: str, **fields: Any) -> Callable[..., nn.BatchNorm]:
    """Binds `nn.BatchNorm` to its statistics; kernels is "auto" or "native"."""
    return partial(forms.batch_norm(kernels), **fields)


def layer_norm(kernels: str, **fields: Any) -> Callable[..., nn.LayerNorm]:
    """Binds `nn.LayerNorm`; kernels is "auto" or "native"."""
    return partial(forms.layer_norm(kernels), **fields)


def group_norm(kernels: str, **fields: Any) -> Callable[..., nn.GroupNorm]:
    """Binds `nn.GroupNorm`; kernels is "auto" or "native"."""
    return partial(forms.group_norm(kernels), **fields)


def max_pool(kernels: str) -> Callable[..., Any]:
    """Chooses a form of `nn.max_pool`; kernels is "auto" or "native"."""
    return forms.max_pool(kernels)


def avg_pool(kernels: str) -> Callable[..., Any]:
    """Chooses a form of `nn.avg_pool`; kernels is "auto" or "native"."""
    return forms.avg_pool(kernels)


def embed(kernels: str, **fields: Any) -> Callable[..., nn.Embed]:
    """Binds `nn.Embed`; kernels is "auto" or "native"."""
    return partial(forms.embed(kernels), **fields)


def held(kernels: str) -> Callable[[Any], Any]:
    """Chooses how an array that several operations read is kept; see `kernels`."""
    return forms.held(kernels)


def gelu(kernels: str, *, approximate: bool = False) -> Callable[..., Any]:
    """Chooses a form of gelu; kernels is "auto" or "native".

    Args:
      kernels: "auto" or "native".
      approximate: GPT-2's, by tanh (Hendrycks & Gimpel 2016, section 2), instead of the
        exact x Phi(x).
    """
    return forms.gelu(kernels, approximate)


def attention(kernels: str) -> Callable[..., Any]:
    """Chooses a form of scaled dot-product attention.

    Args:
      kernels: "auto", "native", or "flash": cuDNN's on GPU, else as "auto".

    Returns:
      attend(q, k, v, mask=None, causal=False, dropout=None): q (b, t, h, d); k, v
      (b, s, g, d), where g divides h and a key serves h/g queries; mask, broadcast to
      (b, h, t, s), is true where a query sees a key; where `causal`, query t sees no
      key behind t; dropout is (key, share of the probabilities set to zero). The
      result, softmax(q k^T / sqrt(d)) v, has the shape of q. A query that sees nothing
      gets some finite average of v.
    """
    return forms.attention(kernels)


# A number that may be traced, so that one program serves several values.
Rate = float | jax.Array


class Dropout(nn.Module):
    """`nn.Dropout`, but the rate may be traced.

    Attributes:
      rate: share of the units set to zero, in [0, 1).
      deterministic: pass the input on unchanged; said here or in the call.
      shared_axes: along which one draw serves all, such as time.
    """

    rate: Rate
    deterministic: bool | None = None
    shared_axes: Sequence[int] = ()

    @nn.compact
    def __call__(self, x, deterministic: bool | None = None):
        """Draws from the rng "dropout"."""
        rests = nn.merge_param("deterministic", self.deterministic, deterministic)
        traced = isinstance(self.rate, jax.Array)
        if rests or (not traced and self.rate == 0):
            return x
        keep = 1 - self.rate
        shape = [1 if i in self.shared_axes else n for i, n in enumerate(x.shape)]
        kept = jax.random.bernoulli(self.make_rng("dropout"), keep, shape)
        return jnp.where(kept, x / jnp.asarray(keep, x.dtype), jnp.zeros((), x.dtype))


def symmetric(limit: float) -> Callable:
    """Returns an initializer, uniform within +- limit."""

    def init(key, shape, dtype=jnp.float32):
        return jax.random.uniform(key, shape, dtype, -limit, limit)

    return init


def build(
    module: type[nn.Module],
    variants: Mapping[str, Mapping[str, Any]],
    variant: str,
    overrides: Mapping[str, Any],
) -> nn.Module:
    """Builds a module from a row of its VARIANTS table and overrides of its fields.

    Raises:
      ValueError: the variant, or the name of an override, is unknown.
    """
    if variant not in variants:
        raise ValueError(checks.unknown("variant", variant, variants))
    fields = [
        field.name
        for field in dataclasses.fields(module)
        if field.init and field.name not in ("parent", "name")
    ]
    for name in overrides:
        if name not in fields:
            raise ValueError(
                checks.unknown(f"field of {module.__name__}", name, fields)
            )
    return module(**{**variants[variant], **overrides})

"""PatchTST (Nie, Nguyen, Sinthong, Kalagnanam: A Time Series is Worth 64 Words, 2023,
https://arxiv.org/abs/2211.14730).

Axes: b batch, t time of the past, h of the future, c channels, n patches, p steps of a
patch, d width, k heads, q numbers per forecast.

Every channel is a sequence of its own, and all share the network (section 3.1): it is
scaled to mean 0 and variance 1, cut into patches of 16 steps that begin every 8, the
last value repeated at the end for one patch more, and read by a Transformer encoder
with batch normalisation behind each part; the flattened result is mapped to the future.
Each layer adds the attention scores of the one below to its own (He et al. 2021,
RealFormer), as the authors' code does and their paper does not mention.

Variants: "42" and "small-42" have look-back 336, hence 42 patches; "64" and "small-64"
look-back 512 (Table 3). The small ones are those of the authors' scripts for ETTh1,
https://github.com/yuqinie98/patchtst, PatchTST_supervised.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float

from research.models import layers
from research.models.layers import series

_SMALL = dict(width=16, heads=4, mlp_dim=128, dropout=0.3)
_LARGE = dict(width=128, heads=16, mlp_dim=256, dropout=0.2)
# Parameters for a horizon of 96.
VARIANTS = {
    "small-42": _SMALL | dict(length=336),  # 81,728
    "small-64": _SMALL | dict(length=512),  # 115,872
    "42": _LARGE | dict(length=336),  # 921,184
    "64": _LARGE | dict(length=512),  # 1,194,336
    "debug": dict(
        width=8,
        heads=2,
        mlp_dim=16,
        dropout=0.1,
        depth=2,
        patch=4,
        stride=2,
        length=12,
        horizon=4,
    ),
}


class Layer(nn.Module):
    """Self-attention and MLP, each with a residual connection and a batch norm.

    Attributes:
      heads: k; divides the width.
      mlp_dim: inner width of the MLP.
      dropout: share of units set to zero, in [0, 1).
      residual_attention: add the scores of the layer below.
      fields: dtype and param_dtype of every layer.
      kernels: "auto" or "native".
    """

    heads: int
    mlp_dim: int
    dropout: layers.Rate
    residual_attention: bool
    fields: Any
    kernels: str

    @nn.compact
    def __call__(
        self, z: Float[Array, "b n d"], below: Any, *, train: bool
    ) -> tuple[Float[Array, "b n d"], Any]:
        """Returns (z, scores (b, k, n, n)); `below` are those of the layer below."""
        width = z.shape[-1]
        drop = layers.Dropout(self.dropout, deterministic=not train)
        linear = series.linear(self.kernels, width, **self.fields)
        qkv = linear(3 * width, name="qkv")(z)
        q, k, v = rearrange(qkv, "b n (s k e) -> s b k n e", s=3, k=self.heads)
        scores = (q * q.shape[-1] ** -0.5) @ k.mT
        scores = scores.astype(jnp.promote_types(scores.dtype, jnp.float32))
        if self.residual_attention and below is not None:
            scores = scores + below
        y = jax.nn.softmax(scores, axis=-1).astype(v.dtype) @ v
        y = linear(width, name="out")(rearrange(y, "b k n e -> b n (k e)"))
        # The authors' code drops behind the projection and again before the sum.
        z = self._norm("norm1", train)(z + drop(drop(y)))

        y = layers.gelu(self.kernels)(linear(self.mlp_dim, name="mlp_in")(z))
        back = series.linear(self.kernels, self.mlp_dim, **self.fields)
        y = back(width, name="mlp_out")(drop(y))
        return self._norm("norm2", train)(z + drop(y)), scores

    def _norm(self, name: str, train: bool) -> nn.Module:
        norm = layers.batch_norm(self.kernels, momentum=0.9, epsilon=1e-5)
        return norm(use_running_average=not train, name=name, **self.fields)


class PatchTST(nn.Module):
    """Reads each channel's past as patches.

    Attributes:
      width: d.
      heads: k; divides the width.
      mlp_dim: inner width of the MLPs.
      dropout: share of units set to zero, in [0, 1).
      depth: layers.
      patch: p, steps of a patch.
      stride: steps from one patch to the next.
      padding: repeat the last value at the end for one patch more.
      residual_attention: add the scores of the layer below.
      length: steps that are read; follows the data.
      horizon: steps that are forecast; follows the data.
      outputs: q, numbers per step and channel: 1, or one for each quantile.
      dtype: of the computation; forecasts are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    width: int
    heads: int
    mlp_dim: int
    dropout: layers.Rate
    depth: int = 3
    patch: int = 16
    stride: int = 8
    padding: bool = True
    residual_attention: bool = True
    length: int = 336
    horizon: int = 96
    outputs: int = 1
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self, history: Float[Array, "b t c"], *, train: bool
    ) -> Float[Array, "b {self.horizon} c {self.outputs}"]:
        """Forecasts; dropout draws from the rng "dropout" when training."""
        fields = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x, mean, std = series.normalise(history)
        patches = self._patches(rearrange(x, "b t c -> (b c) t"))
        count = patches.shape[1]
        embed = series.linear(self.kernels, self.patch, **fields)
        z = embed(self.width, name="embedding")(patches)
        near_zero = layers.symmetric(0.02)
        position = self.param(
            "position", near_zero, (count, self.width), self.param_dtype
        )
        z = z + position.astype(z.dtype)[None]
        z = layers.Dropout(self.dropout, deterministic=not train)(z)
        scores = None
        for number in range(self.depth):
            z, scores = Layer(
                self.heads,
                self.mlp_dim,
                self.dropout,
                self.residual_attention,
                fields,
                self.kernels,
                name=f"layer{number}",
            )(z, scores, train=train)
        head = series.linear(self.kernels, count * self.width, **fields)
        z = rearrange(z, "(b c) n d -> b c (n d)", b=len(history))
        y = head(self.horizon * self.outputs, name="head")(z)
        y = rearrange(y, "b c (h q) -> b h c q", q=self.outputs)
        return series.denormalise(y.astype(jnp.float32), mean, std)

    def _patches(self, x: Float[Array, "m t"]) -> Float[Array, "m n p"]:
        """Cuts into (t - p) / stride + 1 patches, and one more where it is padded."""
        if self.padding:
            x = jnp.pad(x, ((0, 0), (0, self.stride)), mode="edge")
        starts = jnp.arange(0, x.shape[1] - self.patch + 1, self.stride)
        return x[:, starts[:, None] + jnp.arange(self.patch)[None]]


def build(variant: str, **overrides: Any) -> PatchTST:
    """Builds a variant of VARIANTS, with any field of `PatchTST` overridden.

    Raises:
      ValueError: the variant or a field is unknown, the heads do not divide the width,
        or a patch is longer than the past.
    """
    model = layers.build(PatchTST, VARIANTS, variant, overrides)
    layers.check_heads("patchtst", model.width, model.heads)
    if min(model.patch, model.stride) < 1 or model.patch > model.length:
        raise ValueError(
            f"patch and stride must be at least 1 and the patch at most the look-back, "
            f"got {model.patch}, {model.stride} and {model.length}; the paper's are 16 "
            "and 8"
        )
    return model

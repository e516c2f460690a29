"""iTransformer (Liu, Hu, Zhang, Wu, Wang, Ma, Long: Inverted Transformers Are Effective
for Time Series Forecasting, 2024, https://arxiv.org/abs/2310.06625, Algorithm 1).

Axes: b batch, t time of the past, h of the future, c channels, f calendar features, n
tokens, d width, q numbers per forecast.

A channel's whole past is one token, so that attention relates channels to one another;
features of the past's times, where they are given, are tokens as well. Each channel is
scaled to mean 0 and variance 1 before, and back after.

Variants: those of the authors' scripts for ETTh1, look-back 96:
https://github.com/thuml/iTransformer. "256" serves horizons 96 and 192, "512" 336 and
720. "128" is that of ETTm1.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float

from research.models import layers
from research.models.layers import series

# Parameters for a horizon of 96.
VARIANTS = {
    "128": dict(width=128),  # 224,224
    "256": dict(width=256),  # 841,568
    "512": dict(width=512),  # 3,255,904
    "debug": dict(width=16, heads=2, length=12, horizon=4),
}


class Layer(nn.Module):
    """Self-attention and MLP, each with a residual connection and a layer norm.

    Attributes:
      heads: of the attention; divides the width.
      dropout: share of units and of attention probabilities set to zero, in [0, 1).
      fields: dtype and param_dtype of every layer.
      kernels: "auto", "native" or "flash".
    """

    heads: int
    dropout: layers.Rate
    fields: Any
    kernels: str

    @nn.compact
    def __call__(
        self, z: Float[Array, "b n d"], *, train: bool
    ) -> Float[Array, "b n d"]:
        width = z.shape[-1]
        drop = layers.Dropout(self.dropout, deterministic=not train)
        linear = series.linear(self.kernels, width, **self.fields)
        norm = layers.layer_norm(self.kernels, epsilon=1e-5, **self.fields)
        y = layers.Attention(
            width,
            self.heads,
            linear,
            dropout=self.dropout,
            kernels=self.kernels,
            name="attention",
        )(z, train=train)
        z = norm(name="norm1")(z + drop(y))
        y = drop(layers.gelu(self.kernels)(linear(width, name="mlp_in")(z)))
        return norm(name="norm2")(z + drop(linear(width, name="mlp_out")(y)))


class ITransformer(nn.Module):
    """Relates the pasts of all channels.

    Attributes:
      width: d, also of the MLPs.
      heads: of the attention; divides the width.
      depth: layers.
      dropout: share of units and of attention probabilities set to zero, in [0, 1).
      length: steps that are read; follows the data.
      horizon: steps that are forecast; follows the data.
      outputs: q, numbers per step and channel: 1, or one for each quantile.
      dtype: of the computation; forecasts are float32 always.
      param_dtype: of the parameters.
      kernels: "auto", "native" or "flash".
    """

    width: int
    heads: int = 8
    depth: int = 2
    dropout: layers.Rate = 0.1
    length: int = 96
    horizon: int = 96
    outputs: int = 1
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self,
        history: Float[Array, "b t c"],
        times: tuple[Float[Array, "b t f"], Float[Array, "b h f"]] | None = None,
        *,
        train: bool,
    ) -> Float[Array, "b {self.horizon} c {self.outputs}"]:
        """Forecasts; dropout draws from the rng "dropout" when training.

        Args:
          history: the past.
          times: calendar features of the past and of the future; the latter are not
            read.
          train: apply dropout.
        """
        fields = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x, mean, std = series.normalise(history)
        channels = x.shape[-1]
        if times is not None:
            x = jnp.concatenate([x, times[0]], axis=-1)
        embed = series.linear(self.kernels, self.length, **fields)
        z = embed(self.width, name="embedding")(rearrange(x, "b t n -> b n t"))
        z = layers.Dropout(self.dropout, deterministic=not train)(z)
        for number in range(self.depth):
            name = f"layer{number}"
            layer = Layer(self.heads, self.dropout, fields, self.kernels, name=name)
            z = layer(z, train=train)
        norm = layers.layer_norm(self.kernels, epsilon=1e-5, **fields)
        z = norm(name="norm")(z)[:, :channels]
        head = series.linear(self.kernels, self.width, **fields)
        y = head(self.horizon * self.outputs, name="head")(z)
        y = rearrange(y, "b c (h q) -> b h c q", q=self.outputs)
        return series.denormalise(y.astype(jnp.float32), mean, std)


def build(variant: str, **overrides: Any) -> ITransformer:
    """Builds a variant of VARIANTS, with any field of `ITransformer` overridden.

    Raises:
      ValueError: the variant or a field is unknown, or the heads do not divide the
        width.
    """
    model = layers.build(ITransformer, VARIANTS, variant, overrides)
    layers.check_heads("itransformer", model.width, model.heads)
    return model

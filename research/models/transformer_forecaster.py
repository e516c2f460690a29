"""A Transformer whose tokens are time steps, to forecast in one pass.

The layers are those of Vaswani et al.: Attention Is All You Need, 2017,
https://arxiv.org/abs/1706.03762; the decoder is the generative one of Zhou et al.:
Informer, 2021, https://arxiv.org/abs/2012.07436, section 3.3 and Eq. (6): it reads the
last steps of the past and zeros in the place of the future, which it fills all at once.

Axes: b batch, t time of the past, h of the future, s steps of the decoder, c channels,
f calendar features, d width, q numbers per forecast.

Differences from Informer: full attention instead of ProbSparse, steps are embedded by a
linear map instead of a convolution, and each channel is scaled to mean 0 and variance 1
over its past before, and back after. The sizes are this project's own.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float

from research.models import layers
from research.models.layers import series

# Parameters for 7 channels without a calendar.
VARIANTS = {
    "64": dict(width=64),  # 168,199
    "debug": dict(width=16, heads=2, label=6, horizon=4, channels=3),
}


class Layer(nn.Module):
    """Self-attention, attention on a memory if there is one, and an MLP.

    Attributes:
      heads: of the attention; divides the width.
      causal: a step sees no later one.
      dropout: share of units and of attention probabilities set to zero, in [0, 1).
      fields: dtype and param_dtype of every layer.
      kernels: "auto", "native" or "flash".
    """

    heads: int
    causal: bool
    dropout: layers.Rate
    fields: Any
    kernels: str

    @nn.compact
    def __call__(
        self, z: Float[Array, "b n d"], memory: Any = None, *, train: bool
    ) -> Float[Array, "b n d"]:
        width = z.shape[-1]
        drop = layers.Dropout(self.dropout, deterministic=not train)
        linear = series.linear(self.kernels, width, **self.fields)
        norm = layers.layer_norm(self.kernels, epsilon=1e-5, **self.fields)

        def attention(name, causal=False):
            return layers.Attention(
                width,
                self.heads,
                linear,
                causal=causal,
                dropout=self.dropout,
                kernels=self.kernels,
                name=name,
            )

        y = attention("self_attention", self.causal)(z, train=train)
        z = norm(name="norm1")(z + drop(y))
        if memory is not None:
            y = attention("cross_attention")(z, memory, train=train)
            z = norm(name="norm2")(z + drop(y))
        y = layers.gelu(self.kernels)(linear(4 * width, name="mlp_in")(z))
        back = series.linear(self.kernels, 4 * width, **self.fields)
        return norm(name="norm3")(z + drop(back(width, name="mlp_out")(drop(y))))


class TransformerForecaster(nn.Module):
    """Encodes the past and fills in the future.

    Attributes:
      width: d; the MLPs are four times as wide.
      heads: of the attention; divides the width.
      depth: layers of the encoder.
      decoder_depth: layers of the decoder.
      label: last steps of the past that the decoder reads as well.
      dropout: share of units and of attention probabilities set to zero, in [0, 1).
      horizon: steps that are forecast; follows the data.
      channels: c; follows the data.
      outputs: q, numbers per step and channel: 1, or one for each quantile.
      dtype: of the computation; forecasts are float32 always.
      param_dtype: of the parameters.
      kernels: "auto", "native" or "flash".
    """

    width: int
    heads: int = 4
    depth: int = 2
    decoder_depth: int = 1
    label: int = 48
    dropout: layers.Rate = 0.1
    horizon: int = 96
    channels: int = 7
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
          times: calendar features of the past and of the future.
          train: apply dropout.

        Raises:
          ValueError: the decoder is to read more steps than the past has.
        """
        if self.label > history.shape[1]:
            raise ValueError(
                f"config.model.label={self.label} must be within the look-back of "
                f"{history.shape[1]} steps; lower it"
            )
        fields = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        shared = dict(dropout=self.dropout, fields=fields, kernels=self.kernels)
        layer = partial(Layer, self.heads, **shared)
        x, mean, std = series.normalise(history)
        # Eq. (6): the end of the past, then zeros.
        start = x.shape[1] - self.label
        known = jnp.pad(x[:, start:], ((0, 0), (0, self.horizon), (0, 0)))
        marks = known_marks = None
        if times is not None:
            marks = times[0]
            known_marks = jnp.concatenate([marks[:, start:], times[1]], axis=1)
        z = self._embed("encoder", x, marks, fields, train)
        for number in range(self.depth):
            z = layer(False, name=f"encoder{number}")(z, train=train)
        y = self._embed("decoder", known, known_marks, fields, train)
        for number in range(self.decoder_depth):
            y = layer(True, name=f"decoder{number}")(y, z, train=train)
        head = series.linear(self.kernels, self.width, **fields)
        y = head(self.channels * self.outputs, name="head")(y[:, self.label :])
        y = rearrange(y, "b h (c q) -> b h c q", q=self.outputs)
        return series.denormalise(y.astype(jnp.float32), mean, std)

    def _embed(self, side: str, x, marks, fields, train: bool) -> Float[Array, "b s d"]:
        """Adds values, positions and calendar."""

        def mapped(values, name):
            linear = series.linear(self.kernels, values.shape[-1], **fields)
            return linear(self.width, name=f"{side}_{name}")(values)

        z = mapped(x, "value")
        z = z + sinusoids(x.shape[1], self.width).astype(z.dtype)[None]
        if marks is not None:
            z = z + mapped(marks, "calendar")
        return layers.Dropout(self.dropout, deterministic=not train)(z)


def sinusoids(length: int, width: int) -> Float[Array, "{length} {width}"]:
    """Computes PE(pos, 2i), PE(pos, 2i + 1), Vaswani et al. 2017, section 3.5."""
    rate = 10_000.0 ** (-jnp.arange(0, width, 2) / width)
    angle = jnp.arange(length, dtype=jnp.float32)[:, None] * rate[None]
    pairs = jnp.stack([jnp.sin(angle), jnp.cos(angle)], axis=-1)
    return pairs.reshape(length, -1)[:, :width]


def build(variant: str, **overrides: Any) -> TransformerForecaster:
    """Builds a variant of VARIANTS, with any field of its class overridden.

    Raises:
      ValueError: the variant or a field is unknown, or the heads do not divide the
        width.
    """
    model = layers.build(TransformerForecaster, VARIANTS, variant, overrides)
    layers.check_heads("transformer_forecaster", model.width, model.heads)
    return model

"""A recurrent forecaster: an LSTM reads the past, all channels of a step together.

Hochreiter & Schmidhuber: Long Short-Term Memory, 1997,
https://doi.org/10.1162/neco.1997.9.8.1735; the cell's equations stand in
research/models/layers/recurrent.py. There is no agreed form of it for forecasting, so
that the sizes here are this project's own.

Axes: b batch, t time of the past, h of the future, c channels, f calendar features, d
width of the state, q numbers per forecast.

Variants: "direct" maps the last state to the whole future at once; "autoregressive"
(as Graves 2013, https://arxiv.org/abs/1308.0850, generates) forecasts one step, reads
its own forecast, and so on, in training as well. Each channel is scaled to mean 0 and
variance 1 over its past before, and back after.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float

from research.models import layers
from research.models.layers import recurrent, series

MODES = ("direct", "autoregressive")
# Parameters for 7 channels and a horizon of 96.
VARIANTS = {
    "direct": dict(mode="direct"),  # 62,112
    "autoregressive": dict(mode="autoregressive"),  # 18,887
    "debug": dict(mode="autoregressive", widths=(12,), horizon=4, channels=3),
}


class LSTMForecaster(nn.Module):
    """Reads step by step, then forecasts.

    Attributes:
      widths: d of each layer.
      mode: "direct" or "autoregressive".
      dropout: share of units between layers and before the head set to zero, in [0, 1).
      forget_bias: added to the initial bias of the forget gate.
      horizon: steps that are forecast; follows the data.
      channels: c; follows the data.
      outputs: q, numbers per step and channel: 1, or one for each quantile; the middle
        one is what "autoregressive" reads again.
      dtype: of the computation; states and forecasts are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    widths: Sequence[int] = (64,)
    mode: str = "direct"
    dropout: layers.Rate = 0.0
    forget_bias: float = 1.0
    horizon: int = 96
    channels: int = 7
    outputs: int = 1
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    def setup(self):
        """Names the recurrent layers and the head."""
        fields = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        self.lstm = recurrent.Stack(
            recurrent.Cell("lstm", forget_bias=self.forget_bias),
            self.widths,
            layers.dense(self.kernels, **fields),
            dropout=self.dropout,
            param_dtype=self.param_dtype,
            kernels=self.kernels,
        )
        steps = self.horizon if self.mode == "direct" else 1
        linear = series.linear(self.kernels, self.widths[-1], **fields)
        self.head = linear(steps * self.channels * self.outputs)
        self.drop = layers.Dropout(self.dropout)

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
          times: calendar features of the past, and of the future, which
            "autoregressive" reads beside its forecasts; None: there are none.
          train: apply dropout.
        """
        x, mean, std = series.normalise(history)
        if times is not None:
            x = jnp.concatenate([x, times[0]], axis=-1)
        y, carry = self.lstm(x, train=train)
        first = self._forecast(y[:, -1], train)
        if self.mode == "autoregressive" and self.horizon > 1:
            future = None if times is None else rearrange(times[1], "b h f -> h b f")
            rest = self._go_on(carry, first, future, train)
            first = jnp.concatenate([first, rest], axis=1)
        return series.denormalise(first, mean, std)

    def _forecast(self, state: Float[Array, "b d"], train: bool):
        """Maps a state to the steps behind it, (b, h or 1, c, q)."""
        y = self.head(self.drop(state, deterministic=not train))
        shape = dict(c=self.channels, q=self.outputs)
        return rearrange(y, "b (h c q) -> b h c q", **shape).astype(jnp.float32)

    def _go_on(self, carry, first, future, train: bool):
        """Reads each forecast in turn and makes the next, (b, h - 1, c, q)."""

        def step(model, state, marks):
            carry, latest = state
            x = latest[:, :, :, self.outputs // 2]
            if marks is not None:
                x = jnp.concatenate([x, marks[:, None]], axis=-1)
            y, carry = model.lstm(x, carry, train=train)
            made = model._forecast(y[:, -1], train)
            return (carry, made), made[:, 0]

        scan = nn.scan(
            step,
            variable_broadcast="params",
            split_rngs={"params": False, "dropout": True},
            length=self.horizon - 1,
        )
        marks = None if future is None else future[:-1]
        _, made = scan(self, (carry, first), marks)
        return rearrange(made, "h b c q -> b h c q")


def build(variant: str, **overrides: Any) -> LSTMForecaster:
    """Builds a variant of VARIANTS, with any field of `LSTMForecaster` overridden.

    Raises:
      ValueError: the variant, a field or the mode is unknown.
    """
    model = layers.build(LSTMForecaster, VARIANTS, variant, overrides)
    layers.check_choice("mode", model.mode, MODES)
    return model

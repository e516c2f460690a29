"""DLinear and NLinear (Zeng, Chen, Zhang, Xu: Are Transformers Effective for Time
Series Forecasting?, 2023, https://arxiv.org/abs/2205.13504, section 4).

Axes: b batch, t time of the past, h of the future, c channels, q numbers per forecast.

DLinear splits each channel into a trend, its moving average over 25 steps with the ends
repeated, and the rest; each has one linear map from the past to the future, which all
channels share. NLinear subtracts the last value, maps, and adds it again.

Variants: those of the authors' scripts for ETT, https://github.com/cure-lab/LTSF-Linear
(look-back 336), and the same with a look-back of 96.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float

from research.models import layers
from research.models.layers import series

KINDS = ("decomposition", "normalisation")
# Parameters for a horizon of 96: DLinear 2 (336 + 1) 96, NLinear (336 + 1) 96.
VARIANTS = {
    "dlinear": dict(kind="decomposition", length=336),  # 64,704
    "nlinear": dict(kind="normalisation", length=336),  # 32,352
    "dlinear-96": dict(kind="decomposition", length=96),  # 18,624
    "debug": dict(kind="decomposition", length=12, horizon=4, average=5),
}


class DLinear(nn.Module):
    """One or two linear maps from the past of each channel to its future.

    Attributes:
      length: steps that are read; follows the data.
      horizon: steps that are forecast; follows the data.
      kind: "decomposition" (DLinear) or "normalisation" (NLinear).
      average: steps of the moving average, odd.
      outputs: q, numbers per step and channel: 1, or one for each quantile.
      dtype: of the computation; forecasts are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    length: int = 336
    horizon: int = 96
    kind: str = "decomposition"
    average: int = 25
    outputs: int = 1
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self, history: Float[Array, "b t c"], *, train: bool
    ) -> Float[Array, "b {self.horizon} c {self.outputs}"]:
        """Forecasts; training and evaluation are alike."""
        del train
        x = rearrange(history, "b t c -> b c t")
        if self.kind == "normalisation":
            last = x[:, :, -1:]
            y = self._linear("linear")(x - last)
            return self._split(y) + last[..., None].swapaxes(1, 2)
        # Both maps and both gradients read the sum of 25 copies.
        trend = layers.held(self.kernels)(moving_average(x, self.average))
        return self._split(
            self._linear("seasonal")(x - trend) + self._linear("trend")(trend)
        )

    def _linear(self, name: str) -> nn.Module:
        fields = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        dense = series.linear(self.kernels, self.length, **fields)
        return dense(self.horizon * self.outputs, name=name)

    def _split(self, y: Float[Array, "b c n"]) -> Float[Array, "b h c q"]:
        y = rearrange(y, "b c (h q) -> b h c q", q=self.outputs)
        return y.astype(jnp.float32)


def moving_average(x: Float[Array, "b c t"], kernel: int) -> Float[Array, "b c t"]:
    """Averages over `kernel` steps around each, the first and last value repeated."""
    half = (kernel - 1) // 2
    ends = [(0, 0)] * (x.ndim - 1) + [(half, half)]
    padded = jnp.pad(x, ends, mode="edge")
    # A sum of shifted copies is exact to rounding; differences of a cumulative sum
    # would lose digits.
    total = sum(padded[..., k : k + x.shape[-1]] for k in range(kernel))
    return total / kernel


def build(variant: str, **overrides: Any) -> DLinear:
    """Builds a variant of VARIANTS, with any field of `DLinear` overridden.

    Raises:
      ValueError: the variant, a field or the kind is unknown, or the average is even.
    """
    model = layers.build(DLinear, VARIANTS, variant, overrides)
    layers.check_choice("kind", model.kind, KINDS)
    if model.average < 1 or model.average % 2 == 0:
        raise ValueError(
            f"the moving average needs an odd number of steps, got {model.average}; "
            "the paper's is 25"
        )
    return model

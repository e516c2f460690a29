"""Layers with equalised learning rate, and the modulated convolution of StyleGAN2.

Weights are drawn from N(0, 1) and scaled by 1 / sqrt(inputs) at run time, so that Adam
moves all of them alike (Karras et al. 2018, https://arxiv.org/abs/1710.10196, section
4.1). A convolution takes a style per image: its weights are scaled per input and then
to unit norm per output (Karras et al. 2020, https://arxiv.org/abs/1912.04958, section
2.2). Scaling the map before and behind one convolution of the whole batch is the same,
and needs no weights per image.
"""

import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from research.models import kernels as forms
from research.models.layers import resample

_SMALL = 1e-8


class Linear(nn.Module):
    """A dense layer with equalised learning rate.

    Attributes:
      features: width of the output.
      rate: factor of the learning rate, against the other layers'.
      start: value that the bias starts at.
      dtype, param_dtype, kernels: of the model.
    """

    features: int
    rate: float = 1.0
    start: float = 0.0
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(self, x: Float[Array, "b n"]) -> Float[Array, "b m"]:
        init = nn.initializers.normal(1 / self.rate)
        shape = (x.shape[-1], self.features)
        kernel = self.param("kernel", init, shape, self.param_dtype)
        kernel = kernel.astype(self.dtype) * (self.rate / math.sqrt(x.shape[-1]))
        start = nn.initializers.constant(self.start / self.rate)
        bias = self.param("bias", start, (self.features,), self.param_dtype)
        product = forms.dot_general(self.kernels)
        y = product(x.astype(self.dtype), kernel, (((1,), (0,)), ((), ())))
        return y + (self.rate * bias.astype(self.dtype))[None]


class Conv(nn.Module):
    """A convolution with equalised learning rate, perhaps modulated or resampling.

    Attributes:
      features: channels of the output.
      side: of the kernel, 1 or 3.
      resample: "none", "up" (doubles, then filters) or "down" (filters, then halves).
      demodulate: scale the weights of each output to unit norm.
      use_bias: add one.
      dtype, param_dtype, kernels: of the model.
    """

    features: int
    side: int = 3
    resample: str = "none"
    demodulate: bool = True
    use_bias: bool = True
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b h w c"],
        style: Float[Array, "b c"] | None = None,
        noise: Float[Array, "..."] | None = None,
    ) -> Float[Array, "b h2 w2 d"]:
        shape = (self.side, self.side, x.shape[-1], self.features)
        init = nn.initializers.normal(1.0)
        kernel = self.param("kernel", init, shape, self.param_dtype)
        kernel = kernel.astype(jnp.float32) / math.sqrt(math.prod(shape[:3]))
        if style is not None:
            x = x * style[:, None, None].astype(x.dtype)  # Eq. (1): w' = s w
        y = self._convolved(x.astype(self.dtype), kernel.astype(self.dtype))
        if style is not None and self.demodulate:
            # Eq. (3): w'' = w' / sqrt(sum w'^2 + eps), per output channel.
            squares = (style.astype(jnp.float32) ** 2) @ (kernel**2).sum((0, 1))
            y = y * jax.lax.rsqrt(squares + _SMALL)[:, None, None].astype(y.dtype)
        if noise is not None:
            zero = nn.initializers.zeros
            strength = self.param("noise", zero, (), self.param_dtype)
            y = y + (strength * noise).astype(y.dtype)
        if not self.use_bias:
            return y
        zeros = nn.initializers.zeros
        bias = self.param("bias", zeros, (self.features,), self.param_dtype)
        return y + bias.astype(y.dtype)[None, None, None]

    def _convolved(self, x, w):
        if self.resample == "up":
            # A 4x4 kernel with a row of zeros; its full result has 2h + 1 rows.
            x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
            w = jnp.pad(w, ((1, 0), (1, 0), (0, 0), (0, 0)))
            y = forms.conv_transpose(self.kernels)(x, w)[:, 1:-2, 1:-2]
            return resample.blur(y, 1, 1, gain=4.0)
        stride, margin = (1, 1), self.side // 2
        if self.resample == "down":
            x = resample.blur(x, margin + 1, margin + 1)
            stride, margin = (2, 2), 0
        return forms.conv_general_dilated(self.kernels)(
            x,
            w,
            window_strides=stride,
            padding=((margin, margin),) * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )

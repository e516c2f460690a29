"""Transposed convolution that doubles the sides of a map."""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from research.models import kernels as forms


class ConvTranspose(nn.Module):
    """A 4x4 kernel at stride 2: `nn.ConvTranspose` of these, padding "SAME".

    Attributes:
      features: channels of the output.
      kernels: "auto" or "native".
      use_bias: add one.
      kernel_init: of the kernel, (4, 4, inputs, features).
      dtype: of the computation.
      param_dtype: of the parameters.
    """

    features: int
    kernels: str = "auto"
    use_bias: bool = True
    kernel_init: Callable = nn.initializers.lecun_normal()
    dtype: Any = None
    param_dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 d"]:
        shape = (4, 4, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape, self.param_dtype)
        x, kernel = nn.dtypes.promote_dtype(x, kernel, dtype=self.dtype)
        y = forms.conv_transpose(self.kernels)(x, kernel)
        if not self.use_bias:
            return y
        zeros = nn.initializers.zeros
        bias = self.param("bias", zeros, (self.features,), self.param_dtype)
        return y + bias.astype(y.dtype).reshape(1, 1, 1, -1)


def conv_transpose(kernels: str, **fields: Any) -> Callable[..., ConvTranspose]:
    """Binds `ConvTranspose` to a form; kernels is "auto" or "native"."""
    return partial(ConvTranspose, kernels=kernels, **fields)

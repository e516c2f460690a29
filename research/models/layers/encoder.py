"""The pre-norm block of Transformer encoders: of images and of spectrograms.

Dosovitskiy et al.: An Image is Worth 16x16 Words, 2021,
https://arxiv.org/abs/2010.11929, section 3.1.

Axes: b batch, n tokens, d width.
"""

from functools import partial
from typing import Any

import flax.linen as nn
from jaxtyping import Array, Float

from research.models.layers import plain
from research.models.layers.attention import Attention


class EncoderBlock(nn.Module):
    """Pre-norm self-attention and MLP, each with a residual connection.

    Attributes:
      heads: of the attention; divides the width.
      mlp_dim: inner width of the MLP.
      dropout: share of units set to zero behind the attention and behind each layer of
        the MLP, in [0, 1).
      qkv_bias: query, key and value have biases.
      norm: a layer norm with its shared fields bound.
      dense: likewise.
      kernels: "auto", "native" or "flash".
    """

    heads: int
    mlp_dim: int
    dropout: plain.Rate
    qkv_bias: bool
    norm: Any
    dense: Any
    kernels: str

    @nn.compact
    def __call__(
        self, z: Float[Array, "b n d"], *, train: bool
    ) -> Float[Array, "b n d"]:
        """Draws from the rng "dropout" when training."""
        drop = plain.Dropout(self.dropout, deterministic=not train)
        width = z.shape[-1]

        y = self.norm(name="norm1")(z)
        y = Attention(
            width,
            self.heads,
            dense=partial(self.dense, use_bias=self.qkv_bias),
            dense_out=self.dense,
            kernels=self.kernels,
            name="attention",
        )(y, train=train)
        z = z + drop(y)  # Eq. (2)

        y = self.norm(name="norm2")(z)
        y = plain.gelu(self.kernels)(self.dense(self.mlp_dim, name="mlp_in")(y))
        return z + drop(self.dense(width, name="mlp_out")(drop(y)))  # Eq. (3)

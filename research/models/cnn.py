"""Small convolutional network: two 3x3 convolutions, one pool, one hidden layer.

"32-64-128" is the MNIST example of Keras (Chollet et al., 2015,
https://github.com/keras-team/keras, examples/mnist_cnn.py).

Axes: b batch, h w pixels, c channels, d width, k classes.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float

from research.models import layers

# Channels of the convolutions, width of the hidden layer; parameters with images of
# 28x28x1 and 10 classes.
VARIANTS = {
    "32-64-128": dict(features=(32, 64), hidden=128),  # 1,199,882
    "debug": dict(features=(4, 8), hidden=32, dropout=0.1, hidden_dropout=0.1),
}


class CNN(nn.Module):
    """Convolutions with ReLU, a 2x2 max-pool, a hidden layer and a linear head.

    Attributes:
      features: channels of each convolution.
      hidden: width of the hidden layer.
      num_classes: width of the head.
      dropout: share of the pooled maps' units set to zero in training, in [0, 1).
      hidden_dropout: the same, of the hidden layer.
      dtype: of the computation; the logits are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    features: Sequence[int]
    hidden: int
    num_classes: int = 10
    dropout: layers.Rate = 0.25
    hidden_dropout: layers.Rate = 0.5
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool
    ) -> Float[Array, "b {self.num_classes}"]:
        """Computes logits; dropout draws from the rng "dropout" when training.

        Raises:
          ValueError: the images are too small for the convolutions and the pool.
        """
        least = 2 * len(self.features) + 2
        if min(x.shape[1:3]) < least:
            raise ValueError(
                f"cnn needs images of at least {least}x{least}, got {x.shape[1:3]}; "
                "resize them"
            )
        shared = dict(
            dtype=self.dtype,
            param_dtype=self.param_dtype,
            kernel_init=nn.initializers.glorot_uniform(),
        )
        conv = layers.conv(self.kernels, padding="VALID", **shared)
        dense = layers.dense(self.kernels, **shared)

        for i, channels in enumerate(self.features):
            x = nn.relu(conv(channels, (3, 3), name=f"conv_{i}")(x))
        x = layers.max_pool(self.kernels)(x, (2, 2), (2, 2))
        x = layers.Dropout(self.dropout, deterministic=not train)(x)
        x = rearrange(x, "b h w c -> b (h w c)")
        x = nn.relu(dense(self.hidden, name="hidden")(x))
        x = layers.Dropout(self.hidden_dropout, deterministic=not train)(x)
        return dense(self.num_classes, name="head")(x).astype(jnp.float32)


def build(variant: str, **overrides: Any) -> CNN:
    """Builds a variant of VARIANTS, with any field of `CNN` overridden.

    Raises:
      ValueError: the variant or a field's name is unknown.
    """
    return layers.build(CNN, VARIANTS, variant, overrides)

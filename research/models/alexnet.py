"""AlexNet (Krizhevsky, Sutskever, Hinton: ImageNet Classification with Deep
Convolutional Neural Networks, 2012, https://doi.org/10.1145/3065386), in the form with
one column of Krizhevsky: One weird trick for parallelizing convolutional neural
networks (2014, https://arxiv.org/abs/1404.5997), whose weights are published.

Axes: b batch, h w pixels, c channels, k classes. Five convolutions with overlapping
max-pooling, then three dense layers, section 3.5.

Differences from the 2012 paper: one column, so no convolution is cut in two groups,
with 64, 192, 384, 256, 256 channels; no local response normalisation; He-normal
initial convolutions and biases of zero instead of N(0, 0.01) and some of one. Dropout
stands before the hidden dense layers, as in the published implementation.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float

from research.models import layers

# Kernel, stride, padding and whether max-pooling follows, of each convolution.
_CONVOLUTIONS = (
    (11, 4, 2, True),
    (5, 1, 2, True),
    (3, 1, 1, False),
    (3, 1, 1, False),
    (3, 1, 1, True),
)


class AlexNet(nn.Module):
    """Five convolutions and a perceptron of two hidden layers.

    Attributes:
      features: channels of each convolution.
      hidden: width of the two hidden dense layers.
      dropout: before the hidden dense layers, in [0, 1).
      num_classes: width of the head.
      dtype: of the computation; logits are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    features: tuple[int, ...] = (64, 192, 384, 256, 256)
    hidden: int = 4096
    dropout: layers.Rate = 0.5
    num_classes: int = 1000
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool
    ) -> Float[Array, "b k"]:
        """Computes logits; dropout draws from the rng "dropout" when training.

        Args:
          x: images, normalised per channel, of the size that it was initialised with,
            63 at least.
          train: apply dropout.

        Raises:
          ValueError: the images are smaller.
        """
        if min(x.shape[1:3]) < 63:
            raise ValueError(
                f"alexnet reads images of at least 63x63, got {x.shape[1:3]}; resize "
                "them, or use resnet 20 for small images"
            )
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        conv = layers.conv(
            self.kernels, kernel_init=nn.initializers.he_normal(), **shared
        )
        dense = layers.dense(self.kernels, **shared)
        for i, (size, stride, around, pooled) in enumerate(_CONVOLUTIONS):
            x = nn.relu(
                conv(
                    self.features[i],
                    (size, size),
                    strides=(stride, stride),
                    padding=[(around, around)] * 2,
                    name=f"conv{i + 1}",
                )(x)
            )
            if pooled:
                x = layers.max_pool(self.kernels)(x, (3, 3), (2, 2))
        x = rearrange(x, "b h w c -> b (h w c)")
        for name in ("hidden1", "hidden2"):
            x = layers.Dropout(self.dropout, deterministic=not train)(x)
            x = nn.relu(dense(self.hidden, name=name)(x))
        return dense(self.num_classes, name="head")(x).astype(jnp.float32)


# Parameters at 224x224.
VARIANTS = {
    "2014": dict(),  # 61,100,840
    "debug": dict(features=(4, 8, 8, 8, 8), hidden=16, num_classes=10),
}


def build(variant: str, **overrides: Any) -> AlexNet:
    """Builds a variant of VARIANTS, with any field of AlexNet overridden.

    Raises:
      ValueError: the variant or a field is unknown, or the features are not five.
    """
    model = layers.build(AlexNet, VARIANTS, variant, overrides)
    if len(model.features) != len(_CONVOLUTIONS):
        raise ValueError(
            f"alexnet features={tuple(model.features)} must give one width per "
            f"convolution; give {len(_CONVOLUTIONS)}"
        )
    return model

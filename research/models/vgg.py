"""VGG networks (Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale
Image Recognition, 2015, https://arxiv.org/abs/1409.1556).

Axes: b batch, h w pixels, c channels, d units, k classes. Five stages of 3x3
convolutions, each closed by 2x2 max-pooling, then three dense layers, section 2.1.

Variants: A, B, D, E of Table 1, named by their layers: "11", "13", "16", "19".

Differences from the paper: `norm="batch"` puts a batch norm behind each convolution,
as the published "_bn" weights have; He-normal initial weights instead of layers copied
from net A. Any image that can be halved once per stage fits, and makes the first dense
layer's size.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float

from research.models import layers

NORMS = ("none", "batch")

_HE_NORMAL = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class VGG(nn.Module):
    """Stages of 3x3 convolutions and a perceptron of two hidden layers.

    Attributes:
      stage_sizes: convolutions in each stage.
      features: channels of each stage.
      hidden: width of the two hidden dense layers.
      norm: "none", or "batch" behind each convolution.
      dropout: behind the hidden dense layers, in [0, 1).
      num_classes: width of the head.
      dtype: of the computation; logits are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    stage_sizes: tuple[int, ...] = (2, 2, 3, 3, 3)
    features: tuple[int, ...] = (64, 128, 256, 512, 512)
    hidden: int = 4096
    norm: str = "none"
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
          x: images, normalised per channel, of the size that it was initialised with.
          train: apply dropout, and normalise by the batch.

        Raises:
          ValueError: the images are too small to be halved once per stage.
        """
        least = 2 ** len(self.stage_sizes)
        if min(x.shape[1:3]) < least:
            raise ValueError(
                f"vgg halves images {len(self.stage_sizes)} times and needs at least "
                f"{least}x{least}, got {x.shape[1:3]}; resize them"
            )
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        conv = layers.conv(self.kernels, kernel_init=_HE_NORMAL, **shared)
        dense = layers.dense(self.kernels, **shared)
        norm = layers.batch_norm(
            self.kernels,
            use_running_average=not train,
            momentum=0.9,
            epsilon=1e-5,
            **shared,
        )
        stages = zip(self.stage_sizes, self.features, strict=True)
        for i, (convolutions, features) in enumerate(stages, 1):
            for j in range(1, convolutions + 1):
                x = conv(features, (3, 3), name=f"conv{i}_{j}")(x)
                if self.norm == "batch":
                    x = norm(name=f"norm{i}_{j}")(x)
                x = nn.relu(x)
            x = layers.max_pool(self.kernels)(x, (2, 2), (2, 2))
        x = rearrange(x, "b h w c -> b (h w c)")
        for name in ("hidden1", "hidden2"):
            x = nn.relu(dense(self.hidden, name=name)(x))
            x = layers.Dropout(self.dropout, deterministic=not train)(x)
        return dense(self.num_classes, name="head")(x).astype(jnp.float32)


# Table 1, and parameters at 224x224 without batch norm.
VARIANTS = {
    "11": dict(stage_sizes=(1, 1, 2, 2, 2)),  # 132,863,336
    "13": dict(stage_sizes=(2, 2, 2, 2, 2)),  # 133,047,848
    "16": dict(stage_sizes=(2, 2, 3, 3, 3)),  # 138,357,544
    "19": dict(stage_sizes=(2, 2, 4, 4, 4)),  # 143,667,240
    "debug": dict(stage_sizes=(1, 1), features=(4, 8), hidden=16, num_classes=10),
}


def build(variant: str, **overrides: Any) -> VGG:
    """Builds a variant of VARIANTS, with any field of VGG overridden.

    Raises:
      ValueError: the variant, a field or a field's value is unknown.
    """
    model = layers.build(VGG, VARIANTS, variant, overrides)
    layers.check_choice("norm", model.norm, NORMS)
    if len(model.features) != len(model.stage_sizes):
        raise ValueError(
            f"vgg features={tuple(model.features)} must give one width per stage of "
            f"stage_sizes={tuple(model.stage_sizes)}; give {len(model.stage_sizes)}"
        )
    return model

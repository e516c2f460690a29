"""CenterNet (Zhou, Wang & Krähenbühl: Objects as Points, 2019,
https://arxiv.org/abs/1904.07850), which finds objects as peaks of a heatmap.

Axes: b batch, h w pixels, c channels, k classes. A residual trunk reads the image; its
last map is brought back to a fourth of the image's side (R = 4, section 3), where
three heads tell per cell: how much it is the centre of an object of each class, the
object's size, and where in the cell its centre lies.

Differences from the paper: each of the three upsampling steps (section 5, "ResNet") is
a plain 3x3 convolution, norm, ReLU and a doubling by repetition, where the paper has a
deformable one and a transposed convolution; `lateral` adds the trunk's map of the same
size, as feature pyramids do (the paper's ResNets have no such path). The variant
"small" is ours, for CPUs.
"""

from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from research.models import layers

_PRIOR = -2.19  # logit of 0.1: at first nearly nothing is a centre, as in focal loss


class CenterNet(nn.Module):
    """A detector by centres.

    Attributes:
      num_classes: k.
      stage_sizes: blocks of the trunk in each of its four stages.
      features: channels that each stage gives.
      stem_features: channels of the first convolution.
      block: "basic" or "bottleneck".
      decoder: channels of the three upsampling steps.
      lateral: add the trunk's map to each of them.
      head_features: channels of the 3x3 convolution of each head.
      norm: "batch", or "frozen" running statistics, of the trunk.
      dtype: of the computation; outputs are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    num_classes: int = 80
    stage_sizes: tuple[int, ...] = (2, 2, 2, 2)
    features: tuple[int, ...] = (64, 128, 256, 512)
    stem_features: int = 64
    block: str = "basic"
    decoder: tuple[int, ...] = (256, 128, 64)
    lateral: bool = False
    head_features: int = 64
    norm: str = "batch"
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    trunk: ClassVar[str] = "resnet"  # whose weights fit `backbone`
    family: ClassVar[str] = "points"

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool
    ) -> dict[str, Float[Array, "b _ _ _"]]:
        """Computes what each cell says; batch statistics move in training.

        Args:
          x: images, normalised per channel; h and w multiples of 32.
          train: normalise by the batch instead of the running statistics.

        Returns:
          "logits" (b, h/4, w/4, k), of a centre; "size" (b, h/4, w/4, 2), width and
          height in cells; "offset" (b, h/4, w/4, 2), x and y in the cell, in [0, 1).

        Raises:
          ValueError: a side is no multiple of 32.
        """
        layers.check_halves("centernet", x)
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        conv = layers.conv(self.kernels, **shared)
        norm = layers.batch_norm(
            self.kernels,
            use_running_average=not train,
            momentum=0.9,
            epsilon=1e-5,
            **shared,
        )
        maps = layers.backbone(self, self.kernels, **shared)(x, train=train)
        y = maps[-1]
        for i, width in enumerate(self.decoder, 1):
            y = conv(width, (3, 3), use_bias=False, name=f"up{i}_conv")(y)
            y = nn.relu(norm(name=f"up{i}_norm")(y))
            y = layers.upsample(y)
            if self.lateral:
                y = y + conv(width, (1, 1), name=f"lateral{i}")(maps[-1 - i])

        def head(name: str, outputs: int, bias: float = 0.0):
            z = nn.relu(conv(self.head_features, (3, 3), name=f"{name}_conv")(y))
            start = nn.initializers.constant(bias)
            z = conv(outputs, (1, 1), bias_init=start, name=f"{name}_out")(z)
            return z.astype(jnp.float32)

        return {
            "logits": head("heatmap", self.num_classes, _PRIOR),
            "size": head("size", 2),
            "offset": head("offset", 2),
        }


# Section 5: ResNets, with the widths of their upsampling; parameters at 80 classes.
VARIANTS = {
    "resnet18": dict(),
    "resnet50": dict(
        stage_sizes=(3, 4, 6, 3),
        features=(256, 512, 1024, 2048),
        block="bottleneck",
    ),
    "small": dict(
        features=(32, 64, 128, 256),
        stem_features=32,
        decoder=(128, 64, 48),
        lateral=True,
        head_features=48,
    ),
    "debug": dict(
        num_classes=3,
        stage_sizes=(1, 1, 1, 1),
        features=(8, 8, 16, 16),
        stem_features=8,
        decoder=(16, 16, 16),
        lateral=True,
        head_features=16,
    ),
}


def build(variant: str, **overrides: Any) -> CenterNet:
    """Builds a variant of VARIANTS, with any field of CenterNet overridden.

    Raises:
      ValueError: the variant, a field or a field's value is unknown.
    """
    model = layers.build(CenterNet, VARIANTS, variant, overrides)
    layers.check_backbone("centernet", model)
    if len(model.decoder) != 3:
        raise ValueError(
            f"centernet needs three decoder widths, got {len(model.decoder)}; correct "
            "them"
        )
    return model

"""Residual networks (He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition,
2016, https://arxiv.org/abs/1512.03385).

Axes: b batch, h w pixels, c channels, k classes. A block computes y = ReLU(F(x) + x),
Eq. (1), or ReLU(F(x) + W_s x), Eq. (2), where the shape changes; F is conv-norm-ReLU
twice ("basic", Fig. 5 left) or three times ("bottleneck", right), the last time without
ReLU. Convolutions have no bias.

Variants: "18" ... "152" of Table 1 (ImageNet) and "20" ... "110" of section 4.2
(CIFAR-10: 6n + 2 layers and shortcuts without parameters, option A).

Differences from the paper: bottlenecks stride in their 3x3 convolution ("v1.5", as the
published weights of torchvision do, 0.5 % better than the paper's first 1x1); set
`stride_in="conv1"` for the paper's. Initial weights are He-normal over the outputs.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from research.models import layers


class ResNet(layers.Trunk):
    """A residual network for images; its trunk's fields are told there.

    Attributes:
      num_classes: width of the head; 0: no head, the call returns all stages' maps.
    """

    num_classes: int = 1000

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool
    ) -> Float[Array, "b k"] | tuple[Float[Array, "b _ _ _"], ...]:
        """Computes logits, float32; batch statistics move in training.

        Args:
          x: images, normalised per channel; h and w at least 32.
          train: normalise by the batch instead of the running statistics.
        """
        maps = self.maps(x, train=train)
        if not self.num_classes:
            return maps
        x = jnp.mean(maps[-1], axis=(1, 2))
        dense = layers.dense(
            self.kernels, dtype=self.dtype, param_dtype=self.param_dtype
        )
        return dense(self.num_classes, name="head")(x).astype(jnp.float32)


def _basic(*stage_sizes: int) -> dict[str, Any]:
    widths = (64, 128, 256, 512)
    return dict(stage_sizes=stage_sizes, features=widths, block="basic")


def _cifar(n: int) -> dict[str, Any]:
    """Section 4.2: 6n + 2 layers; 97,216 n - 21,926 parameters."""
    return dict(
        stage_sizes=(n, n, n),
        features=(16, 32, 64),
        stem_features=16,
        block="basic",
        stem="cifar",
        shortcut="padding",
        num_classes=10,
    )


# Table 1 and section 4.2, and the parameters of each.
VARIANTS = {
    "18": _basic(2, 2, 2, 2),  # 11,689,512
    "34": _basic(3, 4, 6, 3),  # 21,797,672
    "50": dict(stage_sizes=(3, 4, 6, 3)),  # 25,557,032
    "101": dict(stage_sizes=(3, 4, 23, 3)),  # 44,549,160
    "152": dict(stage_sizes=(3, 8, 36, 3)),  # 60,192,808
    "20": _cifar(3),  # 269,722
    "32": _cifar(5),  # 464,154
    "44": _cifar(7),  # 658,586
    "56": _cifar(9),  # 853,018
    "110": _cifar(18),  # 1,727,962
    "debug": dict(
        stage_sizes=(1, 1), features=(16, 32), stem_features=8, num_classes=10
    ),
}

_CHOICES = {
    "block": ("basic", "bottleneck"),
    "stem": ("imagenet", "cifar"),
    "shortcut": ("projection", "padding"),
    "stride_in": ("conv1", "conv2"),
    "norm": ("batch", "frozen"),
}


def build(variant: str, **overrides: Any) -> ResNet:
    """Builds a variant of VARIANTS, with any field of ResNet overridden.

    Raises:
      ValueError: the variant, a field or a field's value is unknown.
    """
    model = layers.build(ResNet, VARIANTS, variant, overrides)
    for field, choices in _CHOICES.items():
        layers.check_choice(field, getattr(model, field), choices)
    if len(model.features) != len(model.stage_sizes):
        raise ValueError(
            f"resnet features={model.features} must give one width per stage of "
            f"stage_sizes={model.stage_sizes}; give {len(model.stage_sizes)}"
        )
    return model

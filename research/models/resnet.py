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

EXPANSION = 4  # outputs of a bottleneck over its inner width, Table 1

_HE_NORMAL = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


class Block(nn.Module):
    """One residual block, basic or bottleneck.

    Attributes:
      features: channels of its output.
      stride: of the whole block.
      bottleneck: 1x1, 3x3, 1x1 instead of 3x3, 3x3.
      stride_in: the bottleneck's convolution that strides, "conv1" or "conv2".
      shortcut: "projection" or "padding", where the shape changes.
      zero_init: the last norm starts at zero, so that the block starts as identity.
      conv: a convolution with its shared fields bound.
      norm: likewise.
    """

    features: int
    stride: int
    bottleneck: bool
    stride_in: str
    shortcut: str
    zero_init: bool
    conv: Any
    norm: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c2"]:
        last = nn.initializers.zeros if self.zero_init else nn.initializers.ones
        stride = (self.stride, self.stride)

        def conv(features, size, strides=(1, 1), *, name):
            same = [(size // 2, size // 2)] * 2  # symmetric also where it strides
            return self.conv(
                features, (size, size), strides=strides, padding=same, name=name
            )

        if self.bottleneck:
            inner = self.features // EXPANSION
            early, late = (
                (stride, (1, 1)) if self.stride_in == "conv1" else ((1, 1), stride)
            )
            y = conv(inner, 1, early, name="conv1")(x)
            y = nn.relu(self.norm(name="norm1")(y))
            y = conv(inner, 3, late, name="conv2")(y)
            y = nn.relu(self.norm(name="norm2")(y))
            y = conv(self.features, 1, name="conv3")(y)
            y = self.norm(scale_init=last, name="norm3")(y)
        else:
            y = conv(self.features, 3, stride, name="conv1")(x)
            y = nn.relu(self.norm(name="norm1")(y))
            y = conv(self.features, 3, name="conv2")(y)
            y = self.norm(scale_init=last, name="norm2")(y)

        if self.stride != 1 or x.shape[-1] != self.features:
            if self.shortcut == "padding":  # option A, section 3.3
                x = x[:, :: self.stride, :: self.stride]
                missing = self.features - x.shape[-1]
                sides = (missing // 2, missing - missing // 2)
                x = jnp.pad(x, ((0, 0), (0, 0), (0, 0), sides))
            else:  # option B
                x = conv(self.features, 1, stride, name="shortcut_conv")(x)
                x = self.norm(name="shortcut_norm")(x)
        return nn.relu(y + x)


class ResNet(nn.Module):
    """A residual network for images.

    Attributes:
      stage_sizes: blocks in each stage.
      features: channels that each stage gives.
      stem_features: channels of the first convolution.
      block: "basic" or "bottleneck".
      stem: "imagenet" (7x7 stride 2, then 3x3 max-pooling) or "cifar" (3x3).
      shortcut: "projection" (option B) or "padding" (option A).
      stride_in: "conv2" (v1.5) or "conv1" (v1), for bottlenecks.
      downsample_first_stage: the first stage strides as well.
      zero_init: the last norm of each block starts at zero (Goyal et al. 2017).
      norm: "batch", or "frozen", which never leaves its running statistics.
      num_classes: width of the head; 0: no head, the call returns all stages' maps.
      dtype: of the computation; logits are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    stage_sizes: tuple[int, ...] = (3, 4, 6, 3)
    features: tuple[int, ...] = (256, 512, 1024, 2048)
    stem_features: int = 64
    block: str = "bottleneck"
    stem: str = "imagenet"
    shortcut: str = "projection"
    stride_in: str = "conv2"
    downsample_first_stage: bool = False
    zero_init: bool = False
    norm: str = "batch"
    num_classes: int = 1000
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool
    ) -> Float[Array, "b k"] | tuple[Float[Array, "b _ _ _"], ...]:
        """Computes logits; batch statistics move in training.

        Args:
          x: images, normalised per channel; h and w at least 32.
          train: normalise by the batch instead of the running statistics.
        """
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        conv = layers.conv(
            self.kernels, use_bias=False, kernel_init=_HE_NORMAL, **shared
        )
        norm = layers.batch_norm(
            self.kernels,
            use_running_average=not train or self.norm == "frozen",
            momentum=0.9,
            epsilon=1e-5,
            **shared,
        )
        if self.stem == "imagenet":
            around, strides, size = [(3, 3), (3, 3)], (2, 2), (7, 7)
        else:
            around, strides, size = [(1, 1), (1, 1)], (1, 1), (3, 3)
        x = conv(
            self.stem_features, size, strides=strides, padding=around, name="stem_conv"
        )(x)
        x = nn.relu(norm(name="stem_norm")(x))
        if self.stem == "imagenet":
            x = layers.max_pool(self.kernels)(x, (3, 3), (2, 2), ((1, 1), (1, 1)))

        maps = []
        for i, blocks in enumerate(self.stage_sizes):
            for j in range(blocks):
                strides_here = j == 0 and (i > 0 or self.downsample_first_stage)
                x = Block(
                    self.features[i],
                    stride=2 if strides_here else 1,
                    bottleneck=self.block == "bottleneck",
                    stride_in=self.stride_in,
                    shortcut=self.shortcut,
                    zero_init=self.zero_init,
                    conv=conv,
                    norm=norm,
                    name=f"stage{i + 1}_block{j + 1}",
                )(x)
            maps.append(x)
        if not self.num_classes:
            return tuple(maps)
        x = jnp.mean(x, axis=(1, 2))
        dense = layers.dense(self.kernels, **shared)
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

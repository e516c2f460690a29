"""The residual trunk that ResNets and detectors share: stem and stages, no head.

He, Zhang, Ren, Sun: Deep Residual Learning for Image Recognition, 2016,
https://arxiv.org/abs/1512.03385; what is computed is told in
`research/models/resnet.py`. Axes: b batch, h w pixels, c channels.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from research.models.layers import checks, plain

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


class Trunk(nn.Module):
    """Stem and stages of a residual network.

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
      dtype: of the computation.
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
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b _ _ _"], ...]:
        """Computes the map of every stage; batch statistics move in training."""
        return self.maps(x, train=train)

    def maps(self, x, *, train: bool) -> tuple:
        """Computes the maps within the compact method of a module that adds to them."""
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        conv = plain.conv(
            self.kernels, use_bias=False, kernel_init=_HE_NORMAL, **shared
        )
        norm = plain.batch_norm(
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
            x = plain.max_pool(self.kernels)(x, (3, 3), (2, 2), ((1, 1), (1, 1)))

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
        return tuple(maps)


def backbone(model: Any, kernels: str, **shared: Any) -> Trunk:
    """Builds the trunk that the fields of a detector describe, named "backbone".

    Args:
      model: has stage_sizes, features, stem_features, block and norm.
      kernels: "auto" or "native".
      **shared: dtype and param_dtype.
    """
    names = ("stage_sizes", "features", "stem_features", "block", "norm")
    fields = {name: getattr(model, name) for name in names}
    return Trunk(**fields, kernels=kernels, name="backbone", **shared)


def check_backbone(name: str, model: Any) -> None:
    """Checks what `backbone` reads of the detector `name`.

    Raises:
      ValueError: a choice is unknown, or there are not four stages.
    """
    checks.check_choice("block", model.block, ("basic", "bottleneck"))
    checks.check_choice("norm", model.norm, ("batch", "frozen"))
    lengths = len(model.stage_sizes), len(model.features)
    if lengths != (4, 4):
        raise ValueError(
            f"{name} needs four stage_sizes and features, got {lengths[0]} and "
            f"{lengths[1]}; correct them"
        )


def check_halves(name: str, x: Float[Array, "b h w c"]) -> None:
    """Checks that the detector `name` can halve images five times.

    Raises:
      ValueError: a side is no multiple of 32.
    """
    if x.shape[1] % 32 or x.shape[2] % 32:
        raise ValueError(
            f"{name} halves images five times, got {x.shape[1]} x {x.shape[2]} "
            "pixels; use multiples of 32 in config.data.image_size"
        )

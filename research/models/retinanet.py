"""RetinaNet (Lin, Goyal, Girshick, He & Dollár: Focal Loss for Dense Object Detection,
2017, https://arxiv.org/abs/1708.02002).

Axes: b batch, h w pixels, c channels, a anchors, k classes. A residual trunk and a
feature pyramid give maps P3 … P7 of strides 8 … 128; two small networks, shared by all
maps, tell of each of nine anchors per cell whether it is an object of each class and
how its box differs from the anchor (section 4).

Differences from the paper: P6 is made of P5, not of C5, as in torchvision's published
weights. The variant "small" is ours, for CPUs.
"""

import math
from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from research.models import layers

ANCHORS = 9  # three sizes by three aspect ratios, section 4
_PRIOR = 0.01  # pi, section 3.3: probability of an object at the start


class Head(nn.Module):
    """One of the two networks: 3x3 convolutions with ReLU, then one of the outputs.

    Attributes:
      depth: convolutions before the last.
      features: channels of each.
      outputs: numbers per anchor.
      bias: of the last convolution at the start.
      conv: a convolution with its shared fields bound.
    """

    depth: int
    features: int
    outputs: int
    bias: float
    conv: Any

    @nn.compact
    def __call__(
        self, maps: list[Float[Array, "b _ _ c"]]
    ) -> Float[Array, "b a {self.outputs}"]:
        """Reads all maps with the same parameters; anchors by map, row, column."""
        normal = nn.initializers.normal(0.01)  # section 4.1
        shared = dict(kernel_init=normal, padding=((1, 1), (1, 1)))
        steps = [
            self.conv(self.features, (3, 3), name=f"conv{i}", **shared)
            for i in range(1, self.depth + 1)
        ]
        last = self.conv(
            ANCHORS * self.outputs,
            (3, 3),
            bias_init=nn.initializers.constant(self.bias),
            name="out",
            **shared,
        )
        told = []
        for x in maps:
            for step in steps:
                x = nn.relu(step(x))
            told.append(last(x).reshape(len(x), -1, self.outputs))
        return jnp.concatenate(told, axis=1).astype(jnp.float32)


class RetinaNet(nn.Module):
    """A one-stage detector by anchors.

    Attributes:
      num_classes: k.
      stage_sizes: blocks of the trunk in each of its four stages.
      features: channels that each stage gives.
      stem_features: channels of the first convolution.
      block: "basic" or "bottleneck".
      pyramid: channels of the feature pyramid and of both heads.
      depth: convolutions of each head before its last.
      norm: "frozen" running statistics of the trunk, or "batch".
      dtype: of the computation; outputs are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    num_classes: int = 91
    stage_sizes: tuple[int, ...] = (3, 4, 6, 3)
    features: tuple[int, ...] = (256, 512, 1024, 2048)
    stem_features: int = 64
    block: str = "bottleneck"
    pyramid: int = 256
    depth: int = 4
    norm: str = "frozen"
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    trunk: ClassVar[str] = "resnet"  # whose weights fit `backbone`
    family: ClassVar[str] = "anchors"

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool
    ) -> dict[str, Float[Array, "b a _"]]:
        """Computes what each anchor says; batch statistics move in training.

        Args:
          x: images, normalised per channel; h and w multiples of 32.
          train: normalise by the batch, where norm is "batch".

        Returns:
          "logits" (b, a, k) and "deltas" (b, a, 4), in the order of
          `research/tasks/anchors.py`.

        Raises:
          ValueError: a side is no multiple of 32.
        """
        layers.check_halves("retinanet", x)
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        maps = layers.backbone(self, self.kernels, **shared)(x, train=train)
        maps = layers.Pyramid(
            self.pyramid, kernels=self.kernels, name="pyramid", **shared
        )(maps[1:])
        conv = layers.conv(self.kernels, **shared)
        width = (self.depth, self.pyramid)
        bias = -math.log((1 - _PRIOR) / _PRIOR)  # section 3.3
        classes = Head(*width, self.num_classes, bias, conv, name="class_head")
        deltas = Head(*width, 4, 0.0, conv, name="box_head")
        return {"logits": classes(maps), "deltas": deltas(maps)}


# Section 4; parameters at torchvision's 91 classes of COCO.
VARIANTS = {
    "resnet50": dict(),  # 34,068,119: 34,014,999 and scale and bias of resting norms
    "resnet18": dict(
        stage_sizes=(2, 2, 2, 2),
        features=(64, 128, 256, 512),
        block="basic",
    ),
    "small": dict(
        stage_sizes=(2, 2, 2, 2),
        features=(32, 64, 128, 256),
        stem_features=32,
        block="basic",
        pyramid=48,
        depth=2,
        norm="batch",
    ),
    "debug": dict(
        num_classes=3,
        stage_sizes=(1, 1, 1, 1),
        features=(8, 8, 16, 16),
        stem_features=8,
        block="basic",
        pyramid=16,
        depth=1,
        norm="batch",
    ),
}


def build(variant: str, **overrides: Any) -> RetinaNet:
    """Builds a variant of VARIANTS, with any field of RetinaNet overridden.

    Raises:
      ValueError: the variant, a field or a field's value is unknown.
    """
    model = layers.build(RetinaNet, VARIANTS, variant, overrides)
    layers.check_backbone("retinanet", model)
    return model

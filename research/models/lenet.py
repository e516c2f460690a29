"""LeNet-5 (LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to Document
Recognition, 1998, https://doi.org/10.1109/5.726791).

Axes: b batch, h w pixels, c maps, d units, k classes. Section II.B describes the net:
C1 S2 C3 S4 C5 F6 are its layers. The paper's images have white (background) at -0.1 and
black (foreground) at 1.175.

Variants: "1998" is the paper's net, 60,000 trainable parameters; "modern" is what is
called LeNet-5 today: C3 sees all maps of S2, ReLU, max-pooling without parameters and a
linear head, 61,706 parameters.

Differences from the paper ("1998"): the RBF codes stay fixed, as in section II.B, where
section III trains them later on; the initial weights of convolutions and F6 follow the
aim of appendix A rather than its formula (see `uniform`). Eq. (9) is the softmax
cross-entropy of the logits -y_i with a further constant logit -j: the classification
task's `rejection`. The optimizer of the paper is not part of the model.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jaxtyping import Array, Float

from research.models import kernels as forms
from research.models import layers

# Table I: the maps of S2 that feed each of the 16 maps of C3; 60 connections.
TABLE_I = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5)),
    *((0, 1, 2, 5), (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5)),
)

# Fig. 3: the target of F6 for each digit, a stylised drawing of 7x12 pixels.
DRAWINGS = """
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
..###.. ...##.. .#####. .#####. ....##. ####### ..####. ####### .#####. .#####.
.##.##. ..###.. ##...## ##...## ...###. ##..... .##.... ##...## ##...## ##...##
##...## .####.. ##...## .....## ..####. ##..... ##..... .....## ##...## ##...##
##...## ...##.. .....## .....## .##.##. ######. ##..... ....##. ##...## ##...##
##...## ...##.. ....##. ..####. ##..##. ##...## ######. ....##. .#####. ##...##
##...## ...##.. ...##.. .....## ####### .....## ##...## ...##.. ##...## .######
##...## ...##.. ..##... .....## ....##. .....## ##...## ...##.. ##...## .....##
##...## ...##.. .##.... .....## ....##. .....## ##...## ..##... ##...## .....##
.##.##. ...##.. ##..... ##...## ....##. ##...## ##...## ..##... ##...## ....##.
..###.. .###### ####### .#####. ....##. .#####. .#####. ..##... .#####. .####..
....... ....... ....... ....... ....... ....... ....... ....... ....... .......
"""


def bitmaps() -> np.ndarray:
    """Reads DRAWINGS as the (10, 84) codes of the digits: +1 is ink, -1 paper."""
    pixels = np.array(
        [list(row.replace(" ", "")) for row in DRAWINGS.split("\n")[1:-1]]
    )
    return rearrange(np.where(pixels == "#", 1, -1), "h (k w) -> k (h w)", k=10)


def squash(a: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Computes the squashing function f(a) = A tanh(S a), Eq. (6), appendix A."""
    return 1.7159 * jnp.tanh((2 / 3) * a)


def uniform(fan_in: int | np.ndarray) -> Callable:
    """Draws weights from +-2.4 / sqrt(fan_in); an array is per last axis.

    Appendix A prints 2.4 / F_i but asks that all units start with sums of the same
    standard deviation, which the root gives; without it, two images differ by 2e-4 in
    F6 and the net learns several times slower.
    """

    def init(key, shape, dtype):
        bound = jnp.asarray(np.broadcast_to(2.4 / np.sqrt(fan_in), shape), dtype)
        return jax.random.uniform(key, shape, dtype, -1, 1) * bound

    return init


class Subsampling(nn.Module):
    """S2, S4: the sum of 2x2 inputs times a coefficient, plus a bias, per map."""

    dtype: Any
    param_dtype: Any
    kernels: str

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h/2 w/2 c"]:
        # Four neighbours are nearly equal, so their sum grows like F_i: +-2.4 / 4.
        shape, init = x.shape[-1:], uniform(4**2)
        coefficient = self.param("coefficient", init, shape, self.param_dtype)
        bias = self.param("bias", init, shape, self.param_dtype)
        total = 4 * layers.avg_pool(self.kernels)(x, (2, 2), (2, 2))
        coefficient, bias = (
            rearrange(a.astype(self.dtype), "c -> 1 1 1 c") for a in (coefficient, bias)
        )
        return coefficient * total + bias


class SparseConv(nn.Module):
    """C3: each map sees only the input maps that its row of the table names.

    One 5x5 kernel per connection of the table is stored, so that exactly the paper's
    weights are parameters; at the call they are spread over a dense kernel whose other
    entries are zero, because one dense convolution is faster than 16 small ones.
    """

    table: tuple[tuple[int, ...], ...]
    dtype: Any
    param_dtype: Any
    kernels: str

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b h-4 w-4 k"]:
        sources = np.concatenate([np.array(row) for row in self.table])
        targets = np.repeat(np.arange(len(self.table)), [len(r) for r in self.table])
        fan_in = 25 * np.array([len(row) for row in self.table])
        kernel = self.param(
            "kernel", uniform(fan_in[targets]), (5, 5, len(sources)), self.param_dtype
        )
        bias = self.param("bias", uniform(fan_in), fan_in.shape, self.param_dtype)
        dense = jnp.zeros((5, 5, x.shape[-1], len(self.table)), self.dtype)
        dense = dense.at[:, :, sources, targets].set(
            kernel.astype(self.dtype), unique_indices=True
        )
        y = forms.conv_general_dilated(self.kernels)(
            x, dense, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        return y + rearrange(bias.astype(self.dtype), "k -> 1 1 1 k")


class LeNet1998(nn.Module):
    """LeNet-5 as published; the logits are -y_i, minus the outputs of its RBF units.

    Attributes:
      num_classes: 10, because the codes of the output are drawings of digits.
      dtype: of the computation; the RBF units compute in float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    num_classes: int = 10
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool
    ) -> Float[Array, "b 10"]:
        """Computes logits; nothing in the net differs in training."""
        del train
        _check_image(x, 1)
        shared = dict(
            dtype=self.dtype, param_dtype=self.param_dtype, kernels=self.kernels
        )
        conv = layers.conv(padding="VALID", **shared)
        dense = layers.dense(**shared)

        def init(fan_in):
            return dict(kernel_init=uniform(fan_in), bias_init=uniform(fan_in))

        x = squash(conv(6, (5, 5), name="C1", **init(25))(x))
        x = squash(Subsampling(name="S2", **shared)(x))
        x = squash(SparseConv(TABLE_I, name="C3", **shared)(x))
        x = squash(Subsampling(name="S4", **shared)(x))
        x = squash(conv(120, (5, 5), name="C5", **init(400))(x))
        x = rearrange(x, "b 1 1 d -> b d")
        x = squash(dense(84, name="F6", **init(120))(x)).astype(jnp.float32)
        codes = jnp.asarray(bitmaps(), jnp.float32)
        return -jnp.sum((x[:, None] - codes[None]) ** 2, axis=-1)  # Eq. (7)


ACTIVATIONS: dict[str, Callable] = {"relu": jax.nn.relu, "tanh": jnp.tanh}
POOLS: dict[str, Callable] = {"max": layers.max_pool, "average": layers.avg_pool}


class LeNet(nn.Module):
    """LeNet-5 as it is built today: dense C3, plain pooling, linear head.

    Attributes:
      features: widths of C1, C3, C5 and F6.
      num_classes: width of the head.
      activation: "relu" or "tanh".
      pool: "max" or "average".
      dtype: of the computation; the logits are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    features: tuple[int, ...] = (6, 16, 120, 84)
    num_classes: int = 10
    activation: str = "relu"
    pool: str = "max"
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool
    ) -> Float[Array, "b {self.num_classes}"]:
        """Computes logits; nothing in the net differs in training."""
        del train
        _check_image(x, x.shape[-1])
        shared = dict(
            dtype=self.dtype, param_dtype=self.param_dtype, kernels=self.kernels
        )
        conv = layers.conv(padding="VALID", **shared)
        dense = layers.dense(**shared)
        activation = ACTIVATIONS[self.activation]
        pool = POOLS[self.pool](self.kernels)
        c1, c3, c5, f6 = self.features

        x = activation(conv(c1, (5, 5), name="C1")(x))
        x = pool(x, (2, 2), (2, 2))  # S2
        x = activation(conv(c3, (5, 5), name="C3")(x))
        x = pool(x, (2, 2), (2, 2))  # S4
        x = activation(conv(c5, (5, 5), name="C5")(x))
        x = rearrange(x, "b 1 1 d -> b d")
        x = activation(dense(f6, name="F6")(x))
        return dense(self.num_classes, name="head")(x).astype(jnp.float32)


# Published: the paper's net and today's. "modern" is counted for one input channel.
VARIANTS = {
    "1998": dict(),  # 60,000 parameters, section II.B
    "modern": dict(),  # 61,706
    "debug": dict(features=(4, 6, 16, 12)),
}


def build(variant: str, **overrides: Any) -> LeNet1998 | LeNet:
    """Builds a variant of VARIANTS, with any field of its module overridden.

    Raises:
      ValueError: the variant, a field or a field's value is unknown.
    """
    module = LeNet1998 if variant == "1998" else LeNet
    model = layers.build(module, VARIANTS, variant, overrides)
    if isinstance(model, LeNet):
        layers.check_choice("activation", model.activation, ACTIVATIONS)
        layers.check_choice("pool", model.pool, POOLS)
        if len(model.features) != 4:
            raise ValueError(
                f"lenet features={tuple(model.features)} must give the widths of C1, "
                "C3, C5 and F6; give 4"
            )
    elif model.num_classes != 10:
        raise ValueError(
            "lenet 1998 has codes for the ten digits only, got num_classes="
            f"{model.num_classes}; use variant 'modern' for other classes"
        )
    return model


def _check_image(x: Array, channels: int) -> None:
    if x.shape[1:] != (32, 32, channels):
        raise ValueError(
            f"lenet reads images of shape (32, 32, {channels}), got {x.shape[1:]}; "
            "pad or resize them"
        )

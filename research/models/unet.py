"""U-Net of denoising diffusion (Ho, Jain & Abbeel: Denoising Diffusion Probabilistic
Models, 2020, https://arxiv.org/abs/2006.11239, appendix B).

Axes: b batch, h w pixels, c channels, d width of the time embedding. Level i works on
the image halved i times; its blocks go down on the left of the U, up on the right,
where each reads what its mirror image left behind. What the output means (noise,
image, ...) is the task's.

"cifar10" is the paper's net; "mnist" is ours, for 28x28 images and a CPU. Differences
from the paper, both off in its net: with `classes` an embedded label is added to the
embedded time, as in Dhariwal & Nichol 2021 (https://arxiv.org/abs/2105.05233), whose
table starts at unit variance, and one more row, the last, stands for no label (Ho &
Salimans 2022, https://arxiv.org/abs/2207.12598). With `patch` squares of pixels are
moved into the channels first and back at the end, as in Luhman & Luhman 2022
(https://arxiv.org/abs/2207.04316): fewer pixels of more channels, which is quicker.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float, Int

from research.models import layers

# Appendix B; parameters with 32x32x3 (mnist: 28x28x1) images.
VARIANTS = {
    "cifar10": dict(channels=128, multipliers=(1, 2, 2, 2), dropout=0.1),  # 35,746,307
    "mnist": dict(
        **dict(patch=2, channels=32, multipliers=(1, 2), blocks=1, attention=(7,)),
        **dict(groups=8, classes=10),
    ),  # 704,484
    "debug": dict(
        **dict(channels=8, multipliers=(1, 2), blocks=1, attention=(4,)),
        **dict(groups=4, dropout=0.1, classes=3),
    ),
}

# Of all kernels whose outputs do not start at zero.
_DRAWN = nn.initializers.variance_scaling(1.0, "fan_avg", "uniform")


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, the embedded time added between them.

    Attributes:
      channels: of the result.
      dropout: share of units set to zero before the second convolution, in [0, 1).
      norm: a group norm with its shared fields bound.
      dense: a dense layer, likewise.
      conv: a convolution, likewise.
    """

    channels: int
    dropout: layers.Rate
    norm: Any
    dense: Any
    conv: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], time: Float[Array, "b d"], *, train: bool
    ) -> Float[Array, "b h w e"]:
        y = jax.nn.silu(self.norm(name="norm1")(x))
        y = self.conv(self.channels, (3, 3), name="conv1")(y)
        shift = self.dense(self.channels, name="time")(jax.nn.silu(time))
        y = y + shift[:, None, None]
        y = jax.nn.silu(self.norm(name="norm2")(y))
        y = layers.Dropout(self.dropout, deterministic=not train)(y)
        zeros = nn.initializers.zeros
        y = self.conv(self.channels, (3, 3), kernel_init=zeros, name="conv2")(y)
        if x.shape[-1] != self.channels:
            x = self.conv(self.channels, (1, 1), name="shortcut")(x)
        return x + y


class AttentionBlock(nn.Module):
    """Self-attention of all pixels, with one head and a residual connection.

    Attributes:
      norm, dense: with their shared fields bound.
      kernels: "auto" or "native".
    """

    norm: Any
    dense: Any
    kernels: str

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool
    ) -> Float[Array, "b h w c"]:
        height, width, channels = x.shape[1:]
        y = rearrange(self.norm(name="norm")(x), "b h w c -> b (h w) c")
        y = layers.Attention(
            channels,
            1,
            dense=self.dense,
            dense_out=_starting_at_zero(self.dense),
            kernels=self.kernels,
            name="attention",
        )(y, train=train)
        return x + rearrange(y, "b (h w) c -> b h w c", h=height, w=width)


class UNet(nn.Module):
    """A U-Net whose layers know the time, and the label where there are classes.

    Attributes:
      channels: of level 0; the embedded time has 4 times as many.
      multipliers: channels of each level, as multiples of these.
      blocks: residual blocks of a level on the way down; one more on the way up.
      attention: sides of the maps (in their pixels) whose blocks have attention behind.
      groups: of every group norm; divides the channels of each level.
      dropout: in residual blocks, in [0, 1).
      classes: of labels that are drawn or given; 0: the network reads no label.
      outputs: channels of the result; 0: as many as the image has.
      patch: side in pixels of the squares that become channels; 1: the image as it is.
      dtype: of the computation; the result is float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    channels: int = 128
    multipliers: Sequence[int] = (1, 2, 2, 2)
    blocks: int = 2
    attention: Sequence[int] = (16,)
    groups: int = 32
    dropout: layers.Rate = 0.0
    classes: int = 0
    outputs: int = 0
    patch: int = 1
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b h w c"],
        time: Float[Array, " b"],
        label: Int[Array, " b"] | None = None,
        *,
        train: bool,
    ) -> Float[Array, "b h w e"]:
        """Computes the prediction; dropout draws from the rng "dropout" when training.

        Args:
          x: noisy images; the patch and a halving per level but the first divide them.
          time: of the noise, 0 to about 1,000.
          label: in [0, classes), or `classes` for none; needed where there are classes.
          train: apply dropout.

        Raises:
          ValueError: a side cannot be halved so often, or a label is missing.
        """
        _check_image(x, self.patch, len(self.multipliers) - 1)
        outputs = (self.outputs or x.shape[-1]) * self.patch**2
        squares = dict(p=self.patch, q=self.patch)
        x = rearrange(x, "b (h p) (w q) c -> b h w (p q c)", **squares)
        bound = self._layers()
        at = self._embedded(bound["dense"], time, label)
        block = partial(self._block, bound, at, train)
        conv, zeros = bound["conv"], nn.initializers.zeros
        double = layers.resize_conv(self.kernels, kernel_init=_DRAWN, **self._dtypes())

        widths = [multiple * self.channels for multiple in self.multipliers]
        y = conv(self.channels, (3, 3), name="conv_in")(x.astype(self.dtype))
        left = [y]
        for i, width in enumerate(widths):
            for j in range(self.blocks):
                y = block(y, width, f"down{i}_{j}", self._attends(y))
                left.append(y)
            if i < len(widths) - 1:
                y = conv(width, (3, 3), strides=2, name=f"down{i}_halve")(y)
                left.append(y)
        y = block(y, widths[-1], "middle_0", True)
        y = block(y, widths[-1], "middle_1", False)
        for i, width in reversed(list(enumerate(widths))):
            for j in range(self.blocks + 1):
                y = jnp.concatenate([y, left.pop()], axis=-1)
                y = block(y, width, f"up{i}_{j}", self._attends(y))
            if i:
                y = double(width, (3, 3), name=f"up{i}_double")(y)
        y = jax.nn.silu(bound["norm"](name="norm_out")(y))
        y = conv(outputs, (3, 3), kernel_init=zeros, name="conv_out")(y)
        y = rearrange(y, "b h w (p q c) -> b (h p) (w q) c", **squares)
        return y.astype(jnp.float32)

    def _dtypes(self) -> dict[str, Any]:
        return dict(dtype=self.dtype, param_dtype=self.param_dtype)

    def _layers(self) -> dict[str, Any]:
        """Binds what all blocks share."""
        shared = self._dtypes()
        return {
            "norm": layers.group_norm(
                self.kernels, num_groups=self.groups, epsilon=1e-6, **shared
            ),
            "dense": layers.dense(self.kernels, kernel_init=_DRAWN, **shared),
            "conv": layers.conv(self.kernels, kernel_init=_DRAWN, **shared),
        }

    def _attends(self, y) -> bool:
        return y.shape[1] in self.attention

    def _block(self, bound, at, train: bool, y, channels: int, name: str, attend: bool):
        """Applies a residual block, and attention behind it."""
        y = ResidualBlock(channels, self.dropout, **bound, name=name)(
            y, at, train=train
        )
        if not attend:
            return y
        attention = AttentionBlock(
            bound["norm"], bound["dense"], self.kernels, name=f"{name}_attention"
        )
        return attention(y, train=train)

    def _embedded(self, dense, time, label) -> Float[Array, "b d"]:
        """Embeds time, and label where there are classes."""
        width = 4 * self.channels
        y = sinusoids(time, self.channels).astype(self.dtype)
        y = jax.nn.silu(dense(width, name="time_in")(y))
        y = dense(width, name="time_out")(y)
        if not self.classes:
            return y
        if label is None:
            raise ValueError(
                f"unet classes={self.classes} needs a label per image, got none; give "
                f"labels, {self.classes} for no label"
            )
        table = layers.embed(
            self.kernels,
            dtype=self.dtype,
            param_dtype=self.param_dtype,
            embedding_init=nn.initializers.normal(1.0),
        )
        return y + table(self.classes + 1, width, name="label")(label)


def sinusoids(time: Float[Array, " b"], channels: int) -> Float[Array, "b d"]:
    """Embeds times as Vaswani et al. 2017 do positions: sines, then cosines."""
    half = channels // 2
    rate = jnp.exp(-math.log(10_000) * jnp.arange(half) / max(half - 1, 1))
    angle = time.astype(jnp.float32)[:, None] * rate[None]
    return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)


def _starting_at_zero(dense):
    return partial(dense, kernel_init=nn.initializers.zeros)


def build(variant: str, **overrides: Any) -> UNet:
    """Builds a variant of VARIANTS, with any field of UNet overridden.

    Raises:
      ValueError: the variant or a field is unknown, the groups do not divide the
        channels, or the patch is below 1.
    """
    model = layers.build(UNet, VARIANTS, variant, overrides)
    if model.patch < 1:
        raise ValueError(
            f"unet patch must be at least 1, got {model.patch}; 1 takes the image as "
            "it is"
        )
    for multiple in (1, *model.multipliers):
        if multiple * model.channels % model.groups or model.channels % 2:
            raise ValueError(
                f"unet groups={model.groups} must divide the channels of each level, "
                f"{multiple} x {model.channels}, which must be even; change one of them"
            )
    return model


def _check_image(x: Array, patch: int, halvings: int) -> None:
    factor = patch * 2**halvings
    cuts = f"cuts patches of {patch} and " if patch > 1 else ""
    for side in x.shape[1:3]:
        if side % factor:
            larger = side + -side % factor
            raise ValueError(
                f"unet {cuts}halves the image {halvings} times, so {factor} must "
                f"divide its sides, got {side}; pad to {larger} (config.data.pad), or "
                "give fewer multipliers"
            )

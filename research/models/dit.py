"""Diffusion Transformer (Peebles & Xie: Scalable Diffusion Models with Transformers,
2023, https://arxiv.org/abs/2212.09748).

Axes: b batch, y x pixels, c channels, n tokens, d width. What the output means (noise,
velocity, ...) is the task's. Label and time shift and scale every norm and gate every
branch (section 3.2, adaLN-Zero); the row behind the last class stands for no label.

Variants: Table 1 with patches of 2, as its authors publish them: images are the latent
maps (32x32x4) of an autoencoder, whose noise and its variance the net predicts, which
makes 8 channels. Positions are fixed and no parameters. "cifar10" is ours: the S net
on pixels of 32x32x3, which predicts no variance.
"""

import math
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jaxtyping import Array, Float, Int

from research.models import layers


class Block(nn.Module):
    """Self-attention and MLP, each in an adaptive norm and behind a gate.

    Attributes:
      heads: of the attention; divides the width.
      mlp_dim: inner width of the MLP.
      dropout: share of units set to zero behind each of the two, in [0, 1).
      norm: a layer norm without parameters, its shared fields bound.
      dense: a dense layer, likewise.
      kernels: "auto", "native" or "flash".
    """

    heads: int
    mlp_dim: int
    dropout: layers.Rate
    norm: Any
    dense: Any
    kernels: str

    @nn.compact
    def __call__(
        self, x: Float[Array, "b n d"], condition: Float[Array, "b d"], *, train: bool
    ) -> Float[Array, "b n d"]:
        width = x.shape[-1]
        drop = layers.Dropout(self.dropout, deterministic=not train)
        zero = _starting_at_zero(self.dense)
        changes = zero(6 * width, name="modulation")(jax.nn.silu(condition))
        shift1, scale1, gate1, shift2, scale2, gate2 = jnp.split(
            changes[:, None], 6, axis=-1
        )
        y = modulate(self.norm(name="norm1")(x), shift1, scale1)
        y = layers.Attention(
            width,
            self.heads,
            dense=self.dense,
            kernels=self.kernels,
            name="attention",
        )(y, train=train)
        x = x + gate1 * drop(y)
        y = modulate(self.norm(name="norm2")(x), shift2, scale2)
        act = layers.gelu(self.kernels, approximate=True)
        y = act(self.dense(self.mlp_dim, name="mlp_in")(y))
        return x + gate2 * drop(self.dense(width, name="mlp_out")(y))


class DiT(nn.Module):
    """A Transformer on the patches of a noisy image.

    Attributes:
      patch: side of a patch in pixels; divides the image.
      width: D of a token.
      depth: blocks.
      heads: of each attention; divides the width.
      mlp_ratio: inner width of each MLP over D.
      dropout: in [0, 1), behind attention and MLP.
      classes: of labels that are drawn or given; 0: the network reads no label.
      outputs: channels of the result; 0: as many as the image has.
      dtype: of the computation; the result is float32 always.
      param_dtype: of the parameters.
      kernels: "auto", "native" or "flash".
    """

    patch: int = 2
    width: int = 384
    depth: int = 12
    heads: int = 6
    mlp_ratio: int = 4
    dropout: layers.Rate = 0.0
    classes: int = 0
    outputs: int = 0
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b y x c"],
        time: Float[Array, " b"],
        label: Int[Array, " b"] | None = None,
        *,
        train: bool,
    ) -> Float[Array, "b y x e"]:
        """Computes the prediction; dropout draws from the rng "dropout" when training.

        Args:
          x: noisy images.
          time: of the noise, 0 to about 1,000.
          label: in [0, classes), or `classes` for none; needed where there are classes.
          train: apply dropout.

        Raises:
          ValueError: the patches do not tile the image, or a label is missing.
        """
        layers.check_patches("dit", x, self.patch)
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        xavier = nn.initializers.xavier_uniform()
        dense = layers.dense(self.kernels, kernel_init=xavier, **shared)
        norm = layers.layer_norm(
            self.kernels, epsilon=1e-6, use_scale=False, use_bias=False, **shared
        )
        side = (self.patch, self.patch)
        conv = layers.conv(
            self.kernels, strides=side, padding="VALID", kernel_init=_patches, **shared
        )
        condition = self._condition(dense, time, label)

        y = conv(self.width, side, name="patch_embedding")(x)
        height, width = y.shape[1:3]
        positions = jnp.asarray(grid(height, width, self.width), self.dtype)
        y = rearrange(y, "b y x d -> b (y x) d") + positions[None]
        for i in range(self.depth):
            y = Block(
                self.heads,
                self.mlp_ratio * self.width,
                self.dropout,
                norm=norm,
                dense=dense,
                kernels=self.kernels,
                name=f"block{i + 1}",
            )(y, condition, train=train)
        zero = _starting_at_zero(dense)
        changes = zero(2 * self.width, name="modulation")(jax.nn.silu(condition))
        shift, scale = jnp.split(changes[:, None], 2, axis=-1)
        y = modulate(norm(name="norm")(y), shift, scale)
        outputs = self.outputs or x.shape[-1]
        y = zero(self.patch**2 * outputs, name="head")(y)
        sizes = dict(y=height, x=width, p=self.patch, q=self.patch)
        y = rearrange(y, "b (y x) (p q c) -> b (y p) (x q) c", **sizes)
        return y.astype(jnp.float32)

    def _condition(self, dense, time, label) -> Float[Array, "b d"]:
        """Embeds time, and label where there are classes."""
        normal = nn.initializers.normal(0.02)
        dense = partial(dense, kernel_init=normal)
        y = sinusoids(time).astype(self.dtype)
        y = jax.nn.silu(dense(self.width, name="time_in")(y))
        y = dense(self.width, name="time_out")(y)
        if not self.classes:
            return y
        if label is None:
            raise ValueError(
                f"dit classes={self.classes} needs a label per image, got none; give "
                f"labels, {self.classes} for no label"
            )
        table = layers.embed(
            self.kernels,
            dtype=self.dtype,
            param_dtype=self.param_dtype,
            embedding_init=normal,
        )
        return y + table(self.classes + 1, self.width, name="label")(label)


def modulate(x, shift, scale):
    """Returns x, a normalised token, scaled and shifted."""
    return x * (1 + scale) + shift


def sinusoids(time: Float[Array, " b"], channels: int = 256) -> Float[Array, "b d"]:
    """Embeds times: cosines, then sines."""
    half = channels // 2
    rate = jnp.exp(-math.log(10_000) * jnp.arange(half) / half)
    angle = time.astype(jnp.float32)[:, None] * rate[None]
    return jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=-1)


def grid(height: int, width: int, channels: int) -> np.ndarray:
    """Embeds places on a grid, (height * width, channels): half for x, half for y."""
    quarter = channels // 4
    rate = 10_000.0 ** (-np.arange(quarter) / quarter)
    rows, columns = np.mgrid[:height, :width].reshape(2, -1, 1)
    angles = (columns * rate, rows * rate)
    return np.concatenate([f(a) for a in angles for f in (np.sin, np.cos)], axis=-1)


def _patches(key, shape, dtype=jnp.float32):
    """Draws the patches' kernel as that of a dense layer on their pixels."""
    drawn = nn.initializers.xavier_uniform()(key, (math.prod(shape[:-1]), shape[-1]))
    return drawn.reshape(shape).astype(dtype)


def _starting_at_zero(dense):
    return partial(dense, kernel_init=nn.initializers.zeros)


def _row(width: int, depth: int, heads: int):
    return dict(patch=2, width=width, depth=depth, heads=heads, classes=1000, outputs=8)


# Table 1; parameters with 32x32x4 (cifar10: 32x32x3) images.
VARIANTS = {
    "S/2": _row(384, 12, 6),  # 32,865,056
    "B/2": _row(768, 12, 12),  # 130,315,808
    "L/2": _row(1024, 24, 16),  # 457,840,672
    "XL/2": _row(1152, 28, 16),  # 674,834,720
    "cifar10": _row(384, 12, 6) | dict(classes=10, outputs=0),  # 32,475,660
    "debug": dict(patch=2, width=16, depth=2, heads=2, dropout=0.1, classes=3),
}


def build(variant: str, **overrides: Any) -> DiT:
    """Builds a variant of VARIANTS, with any field of DiT overridden.

    Raises:
      ValueError: the variant or a field is unknown, the heads do not divide the width,
        or 4 does not.
    """
    model = layers.build(DiT, VARIANTS, variant, overrides)
    if model.width % model.heads or model.width % 4:
        raise ValueError(
            f"dit heads={model.heads} and 4 must divide width={model.width}; choose "
            "another number of heads or width"
        )
    return model

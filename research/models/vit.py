"""Vision Transformer (Dosovitskiy et al.: An Image is Worth 16x16 Words, 2021,
https://arxiv.org/abs/2010.11929).

Axes: b batch, y x pixels, c channels, n tokens, d width, k classes. The call follows
the paper's section 3.1: z_0 is Eq. (1), a block of `layers/encoder.py` is Eq. (2) and
(3), the head reads Eq. (4).

Variants: B, L, H of Table 1; Ti, S of Touvron et al. 2021 (DeiT,
https://arxiv.org/abs/2012.12877), Table 1; the suffix is the patch size. "cifar" is the
net for 32x32 images of https://github.com/omihub777/ViT-CIFAR.

Differences from the paper: the head is one linear layer from the start, as for its
fine-tuning; the paper's pre-training puts a tanh layer before it. `pool="mean"` takes
the mean before the last norm, as timm's weights do. "cifar" has no GELU behind the
second layer of its MLP, where the repository has one.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float

from research.models import layers

POOLS = ("token", "mean")


class ViT(nn.Module):
    """A Transformer encoder on the patches of an image.

    Attributes:
      patch: side of a patch in pixels; divides the image.
      width: D of a token.
      depth: blocks.
      heads: of each attention; divides the width.
      mlp_dim: inner width of each MLP.
      pool: what the head reads: "token" (a class token) or "mean" (no class token).
      dropout: in [0, 1), behind the embedding, each attention and each layer of an MLP.
      qkv_bias: query, key and value have biases.
      norm_epsilon: of every layer norm.
      num_classes: width of the head; 0: no head, the call returns what it would read.
      dtype: of the computation; logits are float32 always.
      param_dtype: of the parameters.
      kernels: "auto", "native" or "flash".
    """

    patch: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp_dim: int = 3072
    pool: str = "token"
    dropout: layers.Rate = 0.0
    qkv_bias: bool = True
    norm_epsilon: float = 1e-6
    num_classes: int = 1000
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self, x: Float[Array, "b y x c"], *, train: bool
    ) -> Float[Array, "b k"]:
        """Computes logits; dropout draws from the rng "dropout" when training.

        Args:
          x: images, normalised per channel, of the size that it was initialised with:
            `research.weights.resize_positions` fits the parameters to another.
          train: apply dropout.

        Raises:
          ValueError: the patches do not tile the image.
        """
        layers.check_patches("vit", x, self.patch)
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        norm = layers.layer_norm(self.kernels, epsilon=self.norm_epsilon, **shared)
        dense = layers.dense(
            self.kernels,
            kernel_init=nn.initializers.xavier_uniform(),
            bias_init=nn.initializers.normal(1e-6),
            **shared,
        )
        side = (self.patch, self.patch)
        conv = layers.conv(self.kernels, strides=side, padding="VALID", **shared)
        z = conv(self.width, side, name="patch_embedding")(x)
        z = rearrange(z, "b y x d -> b (y x) d")

        if self.pool == "token":
            token = self._table("class_token", nn.initializers.zeros, 1)
            token = jnp.broadcast_to(token, (z.shape[0], *token.shape[1:]))
            z = jnp.concatenate([token, z], axis=1)
        z = z + self._table(
            "position_embedding", nn.initializers.normal(0.02), z.shape[1]
        )
        z = layers.Dropout(self.dropout, deterministic=not train)(z)  # Eq. (1)
        for i in range(self.depth):
            z = layers.EncoderBlock(
                self.heads,
                self.mlp_dim,
                self.dropout,
                self.qkv_bias,
                norm=norm,
                dense=dense,
                kernels=self.kernels,
                name=f"block{i + 1}",
            )(z, train=train)
        # Eq. (4), whose norm only the token that is read needs.
        y = norm(name="norm")(z[:, 0] if self.pool == "token" else jnp.mean(z, axis=1))
        if not self.num_classes:
            return y.astype(jnp.float32)
        zeros = dict(kernel_init=nn.initializers.zeros, bias_init=nn.initializers.zeros)
        return dense(self.num_classes, name="head", **zeros)(y).astype(jnp.float32)

    def _table(self, name, init, count: int) -> Float[Array, "1 n d"]:
        table = self.param(name, init, (1, count, self.width), self.param_dtype)
        return table.astype(self.dtype)


def _row(patch: int, width: int, depth: int, heads: int, mlp_dim: int):
    return dict(patch=patch, width=width, depth=depth, heads=heads, mlp_dim=mlp_dim)


# Table 1, and parameters at 224x224 (cifar: 32x32).
VARIANTS = {
    "Ti/16": _row(16, 192, 12, 3, 768),  # 5,717,416
    "S/16": _row(16, 384, 12, 6, 1536),  # 22,050,664
    "S/32": _row(32, 384, 12, 6, 1536),  # 22,878,952
    "B/16": _row(16, 768, 12, 12, 3072),  # 86,567,656
    "B/32": _row(32, 768, 12, 12, 3072),  # 88,224,232
    "L/16": _row(16, 1024, 24, 16, 4096),  # 304,326,632
    "L/32": _row(32, 1024, 24, 16, 4096),  # 306,535,400
    "H/14": _row(14, 1280, 32, 16, 5120),  # 632,045,800
    "cifar": _row(4, 384, 7, 12, 384) | dict(num_classes=10),  # 6,268,810
    "debug": _row(8, 16, 2, 2, 32) | dict(num_classes=10, dropout=0.1),
}


def build(variant: str, **overrides: Any) -> ViT:
    """Builds a variant of VARIANTS, with any field of ViT overridden.

    Raises:
      ValueError: the variant, a field or a field's value is unknown, or the heads do
        not divide the width.
    """
    model = layers.build(ViT, VARIANTS, variant, overrides)
    layers.check_choice("pool", model.pool, POOLS)
    layers.check_heads("vit", model.width, model.heads)
    return model

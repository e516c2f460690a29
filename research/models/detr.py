"""DETR (Carion, Massa, Synnaeve, Usunier, Kirillov & Zagoruyko: End-to-End Object
Detection with Transformers, 2020, https://arxiv.org/abs/2005.12872).

Axes: b batch, h w pixels, c channels, n places of the map, q queries, l decoder layers,
d width, k classes. A residual trunk reads the image; a Transformer's encoder works on
its last map, and its decoder turns learned queries into one object or nothing each,
all at once (section 3.2). Every decoder layer tells its boxes through the same heads,
for the auxiliary losses.

Differences from the paper: pictures are fitted into images of one shape, and the
filling is read like the rest of the image, where the paper masks it.
"""

import math
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float

from research.models import layers

_XAVIER = nn.initializers.xavier_uniform()


class Attention(nn.Module):
    """Multi-head attention whose queries, keys and values come from three places.

    Positions are added to queries and keys but not to values (appendix A.3), which the
    shared attention of this package cannot tell apart.

    Attributes:
      width: d.
      heads: divides the width.
      dense: a dense layer with its shared fields bound.
      dropout: share of the probabilities set to zero.
      kernels: "auto", "native" or "flash".
    """

    width: int
    heads: int
    dense: Any
    dropout: layers.Rate
    kernels: str

    @nn.compact
    def __call__(
        self,
        query: Float[Array, "b t d"],
        key: Float[Array, "b s d"],
        value: Float[Array, "b s d"],
        *,
        train: bool,
    ) -> Float[Array, "b t d"]:
        q, k, v = (
            rearrange(
                self.dense(self.width, name=name)(x),
                "b t (h e) -> b t h e",
                h=self.heads,
            )
            for name, x in (("query", query), ("key", key), ("value", value))
        )
        dropout = None
        if train and (isinstance(self.dropout, jax.Array) or self.dropout):
            dropout = (self.make_rng("dropout"), self.dropout)
        y = layers.attention(self.kernels)(q, k, v, dropout=dropout)
        y = rearrange(y, "b t h e -> b t (h e)")
        return self.dense(self.width, name="out")(y)


class Layer(nn.Module):
    """A layer of the encoder, or, where it is called with a memory, of the decoder.

    Attributes:
      width, heads, dropout, kernels: as of `Attention`.
      mlp_dim: inner width of the feed-forward network.
      dense: a dense layer with its shared fields bound.
      norm: a layer norm with its shared fields bound.
    """

    width: int
    heads: int
    mlp_dim: int
    dropout: layers.Rate
    dense: Any
    norm: Any
    kernels: str

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "b t d"],
        place: Float[Array, "_ t d"],
        memory: Float[Array, "b s d"] | None = None,
        memory_place: Float[Array, "_ s d"] | None = None,
        *,
        train: bool,
    ) -> Float[Array, "b t d"]:
        """Attends, each time adding the places to queries and keys (figure 10)."""
        drop = layers.Dropout(self.dropout, deterministic=not train)
        shared = (self.width, self.heads, self.dense, self.dropout, self.kernels)
        at = x + place
        y = Attention(*shared, name="self_attention")(at, at, x, train=train)
        x = self.norm(name="norm1")(x + drop(y))
        if memory is not None:
            cross = Attention(*shared, name="cross_attention")
            y = cross(x + place, memory + memory_place, memory, train=train)
            x = self.norm(name="norm2")(x + drop(y))
        y = nn.relu(self.dense(self.mlp_dim, name="mlp_in")(x))
        y = self.dense(self.width, name="mlp_out")(drop(y))
        last = "norm2" if memory is None else "norm3"
        return self.norm(name=last)(x + drop(y))


class DETR(nn.Module):
    """A detector that tells a set of objects.

    Attributes:
      num_classes: k, without "nothing".
      stage_sizes: blocks of the trunk in each of its four stages.
      features: channels that each stage gives.
      stem_features: channels of the first convolution.
      block: "basic" or "bottleneck".
      depth: layers of the encoder, and of the decoder.
      width: d; even in each of two directions.
      heads: of each attention; divides the width.
      mlp_dim: inner width of the feed-forward networks.
      queries: q, most objects of an image.
      dropout: in [0, 1), of the Transformer.
      norm: "frozen" running statistics of the trunk, or "batch".
      dtype: of the computation; outputs are float32 always.
      param_dtype: of the parameters.
      kernels: "auto", "native" or "flash".
    """

    num_classes: int = 91
    stage_sizes: tuple[int, ...] = (3, 4, 6, 3)
    features: tuple[int, ...] = (256, 512, 1024, 2048)
    stem_features: int = 64
    block: str = "bottleneck"
    depth: int = 6
    width: int = 256
    heads: int = 8
    mlp_dim: int = 2048
    queries: int = 100
    dropout: layers.Rate = 0.1
    norm: str = "frozen"
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    trunk: ClassVar[str] = "resnet"  # whose weights fit `backbone`
    family: ClassVar[str] = "queries"

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool
    ) -> dict[str, Float[Array, "b ..."]]:
        """Computes what each query says after each decoder layer.

        Args:
          x: images, normalised per channel; h and w at least 32.
          train: apply dropout, and normalise by the batch where norm is "batch".

        Returns:
          "logits" (b, l, q, k) of the classes and "nothing" (b, l, q), the logit of no
          object, of one softmax; "boxes" (b, l, q, 4), centre x, centre y, width and
          height as shares of the image.
        """
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        x = layers.backbone(self, self.kernels, **shared)(x, train=train)[-1]
        conv = layers.conv(self.kernels, **shared)
        x = conv(self.width, (1, 1), name="input_projection")(x)
        place = sine_positions(*x.shape[1:3], self.width).astype(x.dtype)[None]
        x = rearrange(x, "b h w d -> b (h w) d")
        dense = layers.dense(self.kernels, kernel_init=_XAVIER, **shared)
        norm = layers.layer_norm(self.kernels, epsilon=1e-5, **shared)
        sizes = (self.width, self.heads, self.mlp_dim, self.dropout, dense, norm)
        for i in range(1, self.depth + 1):
            layer = Layer(*sizes, self.kernels, name=f"encoder{i}")
            x = layer(x, place, train=train)
        table = self.param(
            "queries",
            nn.initializers.normal(1.0),
            (self.queries, self.width),
            self.param_dtype,
        )
        query = table.astype(x.dtype)[None]
        y = jnp.zeros((len(x), self.queries, self.width), x.dtype)
        told, last = [], norm(name="decoder_norm")
        for i in range(1, self.depth + 1):
            layer = Layer(*sizes, self.kernels, name=f"decoder{i}")
            y = layer(y, query, x, place, train=train)
            told.append(last(y))
        y = jnp.stack(told, axis=1)
        logits = dense(self.num_classes + 1, name="class_head")(y).astype(jnp.float32)
        for i in (1, 2):
            y = nn.relu(dense(self.width, name=f"box_head{i}")(y))
        boxes = dense(4, name="box_head3")(y).astype(jnp.float32)
        return {
            "logits": logits[..., :-1],
            "nothing": logits[..., -1],
            "boxes": jax.nn.sigmoid(boxes),
        }


def sine_positions(height: int, width: int, features: int) -> Float[Array, "n d"]:
    """Tells places by sines and cosines of y and of x (appendix A.4).

    Half of the features are of y, half of x; both run from above 0 to 2 pi.
    """
    half = features // 2
    rate = 10_000.0 ** (-2 * (jnp.arange(half) // 2) / half)

    def waves(count):
        share = jnp.arange(1, count + 1) / (count + 1e-6)
        angle = (2 * math.pi * share)[:, None] * rate[None]
        even = jnp.arange(half)[None] % 2 == 0
        return jnp.where(even, jnp.sin(angle), jnp.cos(angle))

    down = jnp.broadcast_to(waves(height)[:, None], (height, width, half))
    across = jnp.broadcast_to(waves(width)[None], (height, width, half))
    return jnp.concatenate([down, across], axis=-1).reshape(height * width, -1)


# Section 4 and table 1; parameters at COCO's 91 classes.
VARIANTS = {
    "resnet50": dict(),  # 41,577,888: 41,302,368 + 222,400 frozen + 53,120 of norms
    "debug": dict(
        num_classes=3,
        stage_sizes=(1, 1, 1, 1),
        features=(8, 8, 16, 16),
        stem_features=8,
        block="basic",
        depth=2,
        width=16,
        heads=2,
        mlp_dim=32,
        queries=8,
        dropout=0.0,
        norm="batch",
    ),
}


def build(variant: str, **overrides: Any) -> DETR:
    """Builds a variant of VARIANTS, with any field of DETR overridden.

    Raises:
      ValueError: the variant, a field or a field's value is unknown.
    """
    model = layers.build(DETR, VARIANTS, variant, overrides)
    layers.check_backbone("detr", model)
    if model.width % 4 or model.width % model.heads:
        raise ValueError(
            f"detr width={model.width} must be a multiple of 4 and of heads="
            f"{model.heads}; choose another"
        )
    return model

"""Transformer (Vaswani et al.: Attention Is All You Need, 2017,
https://arxiv.org/abs/1706.03762), encoder and decoder.

Axes: b batch, s source tokens, t target tokens, d width, h heads, v vocabulary.
Eq. (1), attention, is in `layers/attention.py`; Eq. (3), the learning rate, is the
schedule "inverse_sqrt".

Variants: "base" and "big" of Table 3 with the 37,000 tokens of section 5.1; "multi30k"
of https://github.com/bentrevett/pytorch-seq2seq, notebook 6 (learned positions, nothing
tied); "tiny" of Wu et al. 2021 (https://aclanthology.org/2021.acl-long.480), section 4.

Differences from the paper: none in "base" and "big". `norm="pre"` normalises the input
of a sublayer instead of its sum with the output, and once more at the end (Xiong et al.
2020, https://arxiv.org/abs/2002.04745, Fig. 1b). How tables start, the paper does not
say: at N(0, 1 / d) beside sinusoids, as in the authors' code, by Xavier's rule beside
learned positions, as in the notebook.
"""

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from research.models import layers

NORMS = ("post", "pre")
POSITIONS = ("sinusoidal", "learned")
PADDING = 0  # in a source


class Encoded(NamedTuple):
    """What the decoder looks at.

    Attributes:
      mask: (b, s) bool, true at tokens.
      layers: for each layer of the decoder, keys and values of the source.
    """

    mask: Array
    layers: tuple[layers.Memory, ...]


class FeedForward(nn.Module):
    """FFN(x) = max(0, x W_1 + b_1) W_2 + b_2, Eq. (2).

    Attributes:
      mlp_dim: d_ff, the inner width.
      dropout: share of the inner units set to zero, in [0, 1).
      dense: a dense layer with its shared fields bound.
    """

    mlp_dim: int
    dropout: layers.Rate
    dense: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b t d"], *, train: bool
    ) -> Float[Array, "b t d"]:
        y = nn.relu(self.dense(self.mlp_dim, name="inner")(x))
        y = layers.Dropout(self.dropout, deterministic=not train)(y)
        return self.dense(x.shape[-1], name="outer")(y)


class _Layer(nn.Module):
    """What layers of both kinds share.

    Attributes:
      attention: an Attention with its shared fields bound.
      feed_forward: a FeedForward likewise.
      layer_norm: a layer norm likewise.
      norm: where it stands, see NORMS.
      dropout: share of a sublayer's output set to zero, in [0, 1) (section 5.4).
    """

    attention: Any
    feed_forward: Any
    layer_norm: Any
    norm: str
    dropout: layers.Rate

    def enter(self, norm, x):
        """Computes what a sublayer reads."""
        return norm(x) if self.norm == "pre" else x

    def leave(self, norm, x, y, train: bool):
        """Computes LayerNorm(x + Sublayer(x)), section 3.1, or x + Sublayer(...)."""
        x = x + self.drop(y, deterministic=not train)
        return x if self.norm == "pre" else norm(x)


class EncoderLayer(_Layer):
    """Self-attention and a feed-forward network."""

    def setup(self):
        """Names the sublayers."""
        self.self_attention = self.attention()
        self.mlp = self.feed_forward()
        self.norm1, self.norm2 = self.layer_norm(), self.layer_norm()
        self.drop = layers.Dropout(self.dropout)

    def __call__(
        self, x: Float[Array, "b s d"], mask: Bool[Array, "b s"], *, train: bool
    ) -> Float[Array, "b s d"]:
        y = self.self_attention(self.enter(self.norm1, x), mask=mask, train=train)
        x = self.leave(self.norm1, x, y, train)
        y = self.mlp(self.enter(self.norm2, x), train=train)
        return self.leave(self.norm2, x, y, train)


class DecoderLayer(_Layer):
    """Self-attention on what is written, attention on the source, feed-forward."""

    def setup(self):
        """Names the sublayers."""
        self.self_attention = self.attention(causal=True)
        self.cross_attention = self.attention()
        self.mlp = self.feed_forward()
        self.norm1, self.norm2 = self.layer_norm(), self.layer_norm()
        self.norm3 = self.layer_norm()
        self.drop = layers.Dropout(self.dropout)

    def __call__(
        self,
        x: Float[Array, "b t d"],
        memory: layers.Memory,
        mask: Bool[Array, "b s"],
        cache: layers.Cache | None,
        *,
        train: bool,
    ) -> tuple[Float[Array, "b t d"], layers.Cache | None]:
        """Returns the layer's output, and the cache with these tokens added."""
        y = self.enter(self.norm1, x)
        if cache is None:
            y = self.self_attention(y, train=train)
        else:
            y, cache = self.self_attention(y, cache=cache, train=train)
        x = self.leave(self.norm1, x, y, train)
        y = self.enter(self.norm2, x)
        if self.is_mutable_collection("intermediates"):
            weights = self.cross_attention.weights(y, memory, mask)
            self.sow("intermediates", "attention", weights)
        y = self.cross_attention(y, memory, mask=mask, train=train)
        x = self.leave(self.norm2, x, y, train)
        y = self.mlp(self.enter(self.norm3, x), train=train)
        return self.leave(self.norm3, x, y, train), cache

    def remember(self, memory: Float[Array, "b s d"]) -> layers.Memory:
        """Computes keys and values of the source, once for all tokens."""
        return self.cross_attention.remember(memory)


class Transformer(nn.Module):
    """An encoder of the source, and a decoder that writes the target.

    With `mutable="intermediates"`, `decode` and the call also give what each layer's
    attention on the source looked at: decoder_<i>/attention, ((b, h, t, s),).

    Attributes:
      depth: N, layers of the encoder, and of the decoder.
      width: d_model.
      heads: of each attention; divides the width.
      mlp_dim: d_ff, inner width of the feed-forward networks.
      norm: "post" (section 3.1) or "pre".
      positions: "sinusoidal" (section 3.5) or "learned".
      max_length: most tokens of a sequence with learned positions.
      tied: one table for both embeddings and the output (section 3.4), which then has
        no bias; the vocabularies must be one.
      dropout: in [0, 1), behind sublayers and embeddings (section 5.4).
      attention_dropout: likewise, of attention probabilities.
      activation_dropout: likewise, inside the feed-forward networks.
      norm_epsilon: of every layer norm.
      source_vocab_size: tokens of the source, PADDING among them.
      target_vocab_size: v.
      dtype: of the computation; logits are float32 always.
      param_dtype: of the parameters.
      kernels: "auto", "native" or "flash".
    """

    depth: int = 6
    width: int = 512
    heads: int = 8
    mlp_dim: int = 2048
    norm: str = "post"
    positions: str = "sinusoidal"
    max_length: int = 0
    tied: bool = True
    dropout: layers.Rate = 0.1
    attention_dropout: layers.Rate = 0.0
    activation_dropout: layers.Rate = 0.0
    norm_epsilon: float = 1e-6
    source_vocab_size: int = 37_000
    target_vocab_size: int = 37_000
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    def setup(self):
        """Names the layers: encoder_0, …, decoder_0, …"""
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        xavier = nn.initializers.xavier_uniform()
        dense = layers.dense(self.kernels, kernel_init=xavier, **shared)
        # Xavier's bound for each square block of a projection, sqrt(6 / 2 d).
        square = nn.initializers.variance_scaling(1.0, "fan_in", "uniform")
        attention = partial(
            layers.Attention,
            self.width,
            self.heads,
            dense=partial(dense, kernel_init=square),
            dropout=self.attention_dropout,
            kernels=self.kernels,
        )
        mlp = partial(FeedForward, self.mlp_dim, self.activation_dropout, dense)
        layer_norm = layers.layer_norm(
            self.kernels, epsilon=self.norm_epsilon, **shared
        )
        parts = (attention, mlp, layer_norm, self.norm, self.dropout)
        self.encoder = [EncoderLayer(*parts) for _ in range(self.depth)]
        self.decoder = [DecoderLayer(*parts) for _ in range(self.depth)]
        if self.norm == "pre":
            self.encoder_norm, self.decoder_norm = layer_norm(), layer_norm()

        learned = self.positions == "learned"
        init = xavier if learned else nn.initializers.normal(self.width**-0.5)
        embed = layers.embed(
            self.kernels, features=self.width, embedding_init=init, **shared
        )
        if self.tied:
            self.embedding = embed(self.target_vocab_size)
        else:
            self.source_embedding = embed(self.source_vocab_size)
            self.target_embedding = embed(self.target_vocab_size)
            self.head = dense(self.target_vocab_size)
        if learned:
            shape = (self.max_length, self.width)
            self.source_positions = self.param(
                "source_positions", init, shape, self.param_dtype
            )
            self.target_positions = self.param(
                "target_positions", init, shape, self.param_dtype
            )
        self.drop = layers.Dropout(self.dropout)

    def __call__(
        self,
        source: Int[Array, "b s"],
        target_in: Int[Array, "b t"],
        *,
        train: bool,
    ) -> Float[Array, "b t {self.target_vocab_size}"]:
        """Computes logits; dropout draws from the rng "dropout" when training.

        Args:
          source: token ids, PADDING behind their end.
          target_in: token ids; logits at a position see those up to it.
          train: apply dropout.
        """
        return self.decode(
            target_in, None, self.encode(source, train=train), train=train
        )[0]

    def encode(self, source: Int[Array, "b s"], *, train: bool) -> Encoded:
        """Reads the source, once for all tokens that `decode` will write."""
        mask = source != PADDING
        x = self._embed("source", source, 0, train)
        for layer in self.encoder:
            x = layer(x, mask, train=train)
        if self.norm == "pre":
            x = self.encoder_norm(x)
        return Encoded(mask, tuple(layer.remember(x) for layer in self.decoder))

    def initial_carry(self, memory: Encoded, length: int) -> tuple[layers.Cache, ...]:
        """Makes the key-value caches of `length` tokens, one for each layer."""
        self._check_length(length)
        sizes = (len(memory.mask), length, self.heads, self.width // self.heads)
        return (layers.empty_cache(*sizes, dtype=self.dtype),) * self.depth

    def decode(
        self,
        tokens: Int[Array, "b t"],
        carry: tuple[layers.Cache, ...] | None,
        memory: Encoded,
        *,
        train: bool,
    ) -> tuple[Float[Array, "b t {self.target_vocab_size}"], Any]:
        """Goes on writing.

        Args:
          tokens: those after the ones in the carry; None in its place: from the start.
          carry: of `initial_carry`, or returned before.
          memory: of `encode`.
          train: apply dropout.

        Returns:
          (logits of the token after each, the carry after them)
        """
        start = 0 if carry is None else carry[0].filled[0]
        x = self._embed("target", tokens, start, train)
        after = []
        for layer, keys, cache in zip(
            self.decoder, memory.layers, carry or (None,) * self.depth, strict=True
        ):
            x, cache = layer(x, keys, memory.mask, cache, train=train)
            after.append(cache)
        if self.norm == "pre":
            x = self.decoder_norm(x)
        return self._logits(x), None if carry is None else tuple(after)

    def _embed(self, side: str, tokens, start, train: bool):
        """Adds positions to scaled embeddings (sections 3.4 and 3.5)."""
        self._check_length(tokens.shape[1])
        table = self.embedding if self.tied else getattr(self, f"{side}_embedding")
        x = table(tokens) * jnp.asarray(self.width**0.5, self.dtype)
        positions = start + jnp.arange(tokens.shape[1])
        if self.positions == "learned":
            positions = getattr(self, f"{side}_positions")[positions]
        else:
            positions = sinusoids(positions, self.width)
        x = x + positions[None].astype(self.dtype)
        return self.drop(x, deterministic=not train)

    def _logits(self, x):
        logits = self.embedding.attend(x) if self.tied else self.head(x)
        return logits.astype(jnp.float32)

    def _check_length(self, length: int) -> None:
        if self.positions == "learned" and length > self.max_length:
            raise ValueError(
                f"a sequence has {length} tokens, more than the max_length="
                f"{self.max_length} learned positions; shorten it or raise max_length"
            )


def sinusoids(positions: Int[Array, " t"], width: int) -> Float[Array, "t {width}"]:
    """Computes PE(pos, 2i), PE(pos, 2i + 1) = sin, cos(pos / 10000^(2i / d))."""
    rate = 10_000.0 ** (-jnp.arange(0, width, 2) / width)
    angle = positions[:, None].astype(jnp.float32) * rate[None]
    pairs = jnp.stack([jnp.sin(angle), jnp.cos(angle)], axis=-1)
    return pairs.reshape(len(positions), -1)[:, :width]


# Table 3 (base, big), and parameters.
VARIANTS = {
    "base": dict(),  # 63,082,496
    "big": dict(width=1024, heads=16, mlp_dim=4096, dropout=0.3),  # 214,245,376
    # 9,038,341 with the notebook's vocabularies
    "multi30k": dict(
        **dict(depth=3, width=256, heads=8, mlp_dim=512, norm_epsilon=1e-5),
        **dict(positions="learned", max_length=100, tied=False),
        **dict(attention_dropout=0.1, activation_dropout=0.1),
        **dict(source_vocab_size=7_853, target_vocab_size=5_893),
    ),
    # 2,568,192 with 9,712 tokens
    "tiny": dict(
        **dict(depth=4, width=128, heads=4, mlp_dim=256, dropout=0.3),
        **dict(source_vocab_size=9_712, target_vocab_size=9_712),
    ),
    "debug": dict(
        **dict(depth=1, width=16, heads=2, mlp_dim=32),
        **dict(source_vocab_size=11, target_vocab_size=11),
    ),
}


def build(variant: str, **overrides: Any) -> Transformer:
    """Builds a variant of VARIANTS, with any field of Transformer overridden.

    Raises:
      ValueError: the variant, a field or a field's value is unknown; the heads do not
        divide the width; or tied vocabularies differ.
    """
    model = layers.build(Transformer, VARIANTS, variant, overrides)
    layers.check_choice("norm", model.norm, NORMS)
    layers.check_choice("positions", model.positions, POSITIONS)
    layers.check_heads("transformer", model.width, model.heads)
    if model.tied and model.source_vocab_size != model.target_vocab_size:
        raise ValueError(
            f"tied embeddings need one vocabulary, got {model.source_vocab_size} "
            f"source and {model.target_vocab_size} target tokens; train one joint "
            "tokenizer or set tied=False"
        )
    return model

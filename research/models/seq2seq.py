"""Recurrent encoder and decoder, with and without attention.

Axes: b batch, s source tokens, t target tokens, e width of an embedding, h width of a
state, m width of an annotation, a width of a score's hidden layer, v vocabulary.

By `attention`, which names what the decoder sees of the source:
  none      the encoder's last state, as its own first one (Sutskever et al.: Sequence
            to Sequence Learning with Neural Networks, 2014,
            https://arxiv.org/abs/1409.3215)
  context   that state at every step and in the output as well (Cho et al.: Learning
            Phrase Representations using RNN Encoder-Decoder, 2014,
            https://arxiv.org/abs/1406.1078)
  additive  a mixture of all annotations, before each step (Bahdanau et al.: Neural
            Machine Translation by Jointly Learning to Align and Translate, 2015,
            https://arxiv.org/abs/1409.0473, section 3 and appendix A)
  dot, general, concat   the same after each step (Luong et al.: Effective Approaches to
            Attention-based Neural Machine Translation, 2015,
            https://arxiv.org/abs/1508.04025, section 3.1)

Variants: "sutskever", section 3.4 there; "lstm", "gru" and "bahdanau" as notebooks 1, 2
and 3 of https://github.com/bentrevett/pytorch-seq2seq build them for Multi30k; "luong",
"lstm" with attention.

Differences from the papers: outputs are linear, where Cho and Bahdanau have a maxout
layer; a GRU resets after the product with U and has two biases, as in PyTorch; behind a
bidirectional encoder the decoder's first state is made of both its ends, Bahdanau's of
the backward one. Luong's decoders have no input feeding and attend globally.
"""

from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Bool, Float, Int

from research.models import layers
from research.models.layers import recurrent

ATTENTIONS = ("none", "context", "additive", "dot", "general", "concat")
PADDING = 0  # in a source


class Encoded(NamedTuple):
    """What the decoder looks at.

    Attributes:
      mask: (b, s) bool, true at tokens.
      annotations: (b, s, m), outputs of the encoder, in the order of the tokens.
      keys: what each step needs of them: (b, s, a) for scores; (b, h), the last state,
        for "context"; None for "none".
      state: the decoder's first.
    """

    mask: Array
    annotations: Array
    keys: Array | None
    state: recurrent.Carry


class Encoder(nn.Module):
    """Reads the source.

    Attributes:
      embed: an embedding with all fields bound.
      stack: a Stack likewise.
      dense: a dense layer with its shared fields bound.
      reverse: read from the last token to the first (Sutskever et al., section 3.3).
      dropout: share of the embedding set to zero, in [0, 1).
    """

    embed: Any
    stack: Any
    dense: Any
    reverse: bool
    dropout: layers.Rate

    @nn.compact
    def __call__(
        self, source: Int[Array, "b s"], *, train: bool
    ) -> tuple[Float[Array, "b s m"], recurrent.Carry]:
        """Returns the annotations and the first state of the decoder."""
        mask = source != PADDING
        x = self.embed(name="embedding")(source)
        x = layers.Dropout(self.dropout, deterministic=not train)(x)
        stack = self.stack(name="rnn")
        y, carry = stack(
            _turned(x, mask) if self.reverse else x, mask=mask, train=train
        )
        y = _turned(y, mask) if self.reverse else y
        if not stack.bidirectional:
            return y, carry
        merged = []
        for i, pair in enumerate(zip(carry[0::2], carry[1::2], strict=True), 1):
            state = []
            for name, ends in zip("hc", zip(*pair, strict=True), strict=False):
                bridge = self.dense(ends[0].shape[-1], name=f"bridge{i}_{name}")
                end = bridge(jnp.concatenate(ends, axis=-1))
                state.append(jnp.tanh(end).astype(jnp.float32))
            merged.append(tuple(state))
        return y, tuple(merged)


def _turned(x: Float[Array, "b s d"], mask: Bool[Array, "b s"]):
    """Turns the order of the real steps round; padding stays behind them."""
    place, count = jnp.arange(x.shape[1])[None], mask.sum(1, keepdims=True)
    place = jnp.where(place < count, count - 1 - place, place)
    return jnp.take_along_axis(x, place[:, :, None], axis=1)


def _shares(scores: Float[Array, "b *t s"], mask: Bool[Array, "b s"]):
    """Computes the softmax over tokens, of Bahdanau's Eq. (6) and Luong's Eq. (7)."""
    # Never NaN: a source without any token gets equal shares of its padding.
    mask = mask | ~mask.any(1, keepdims=True)
    mask = mask.reshape(len(mask), *(1,) * (scores.ndim - 2), -1)
    lowest = jnp.finfo(jnp.float32).min
    return jax.nn.softmax(jnp.where(mask, scores.astype(jnp.float32), lowest))


class Decoder(nn.Module):
    """What all decoders share; a decoder gives logits and its carry.

    Attributes:
      embed: an embedding with all fields bound.
      stack: a Stack likewise.
      dense: a dense layer with its shared fields bound.
      vocab_size: v.
      dropout: share of the embedding set to zero, in [0, 1).
    """

    embed: Any
    stack: Any
    dense: Any
    vocab_size: int
    dropout: layers.Rate

    def setup(self):
        """Names the layers that every decoder has."""
        self.embedding = self.embed()
        self.head = self.dense(self.vocab_size)
        self.drop = layers.Dropout(self.dropout)

    def remember(self, annotations, state: recurrent.Carry) -> Array | None:
        """Computes the keys of `Encoded`, once for all steps."""
        return None

    def read(self, tokens: Int[Array, "b t"], train: bool) -> Float[Array, "b t e"]:
        """Embeds what was written."""
        return self.drop(self.embedding(tokens), deterministic=not train)


class StateDecoder(Decoder):
    """A decoder that sees the last state of the encoder, at first only or always.

    Attributes:
      always: at every step, and in the output (Cho et al., appendix A.1).
    """

    always: bool = False

    def setup(self):
        """Names the layers."""
        super().setup()
        self.rnn = self.stack()

    def remember(self, annotations, state: recurrent.Carry) -> Array | None:
        """Keeps the last layer's state."""
        return state[-1][0].astype(annotations.dtype) if self.always else None

    def __call__(self, tokens, carry, memory: Encoded, *, train: bool):
        """Goes on writing; see `Seq2Seq.decode`."""
        x = self.read(tokens, train)
        if not self.always:
            y, carry = self.rnn(x, carry, train=train)
            return self.head(y), carry
        context = jnp.broadcast_to(
            memory.keys[:, None], (*x.shape[:2], memory.keys.shape[-1])
        )
        y, carry = self.rnn(jnp.concatenate([x, context], -1), carry, train=train)
        return self.head(jnp.concatenate([x, y, context], -1)), carry


class AdditiveDecoder(Decoder):
    """Bahdanau's: a GRU whose every step begins by looking at the source.

    Attributes:
      cell: its parameters' start and count; a "gru" that resets "after".
      width: h, and of the scores' hidden layer.
      source_width: m.
      param_dtype: of the parameters.
    """

    cell: recurrent.Cell = recurrent.Cell("gru")
    width: int = 512
    source_width: int = 1024
    param_dtype: Any = jnp.float32

    def setup(self):
        """Names the layers."""
        super().setup()
        w, u, b = self.cell.initializers(self.width)
        h, m = self.width, self.source_width
        self.input = self.dense(3 * h, kernel_init=w, bias_init=b)
        self.key = self.dense(h)  # U_a
        self.query = self._weight(
            "query_kernel", nn.initializers.lecun_normal(), (h, h)
        )
        self.energy = self._weight("energy_kernel", layers.symmetric(h**-0.5), (h,))
        self.context = self._weight("context_kernel", w, (m, 3 * h))
        self.recurrent = self._weight("recurrent_kernel", u, (h, 3 * h))
        biased = self.cell.biases == 2
        self.bias = self._weight("recurrent_bias", b, (3 * h,)) if biased else None

    def _weight(self, name: str, init, shape) -> Array:
        return self.param(name, init, shape, self.param_dtype)

    def remember(self, annotations, state: recurrent.Carry) -> Array:
        """Computes U_a h_j of appendix A.1.2."""
        return self.key(annotations)

    def __call__(self, tokens, carry, memory: Encoded, *, train: bool):
        """Goes on writing; see `Seq2Seq.decode`."""
        x = self.read(tokens, train)
        kernels = (self.query, self.energy, self.context, self.recurrent)
        query, energy, context, u = (kernel.astype(x.dtype) for kernel in kernels)
        bias = jnp.zeros(u.shape[1:]) if self.bias is None else self.bias
        bias = bias.astype(jnp.float32)[None]
        keys, annotations = memory.keys, memory.annotations

        # Its inner layer is computed again for the gradient: storing it takes longer.
        @jax.checkpoint
        def look(s, keys, annotations):
            inner = jnp.tanh((s @ query)[:, None] + keys)
            alpha = _shares(inner @ energy, memory.mask)
            seen = jnp.einsum("bs,bsm->bm", alpha.astype(x.dtype), annotations)  # (5)
            return seen, alpha

        def step(carry, z):
            ((s,),) = carry
            low = s.astype(x.dtype)
            seen, alpha = look(low, keys, annotations)
            z = z + (seen @ context).astype(jnp.float32)
            s = _gru(z, (low @ u).astype(jnp.float32) + bias, s)
            return ((s,),), (s.astype(x.dtype), seen, alpha)

        z = rearrange(self.input(x).astype(jnp.float32), "b t g -> t b g")
        carry, outputs = jax.lax.scan(step, carry, z)
        s, seen, alpha = (rearrange(each, "t b d -> b t d") for each in outputs)
        self.sow("intermediates", "attention", alpha)
        return self.head(jnp.concatenate([s, seen, x], -1)), carry  # Eq. (4)


def _gru(z: Float[Array, "b g"], product: Float[Array, "b g"], s: Float[Array, "b h"]):
    """Makes a step of a GRU that resets after the product U s + b."""
    (r, u, n), (r_s, u_s, n_s) = (jnp.split(each, 3, -1) for each in (z, product))
    r, u = jax.nn.sigmoid(r + r_s), jax.nn.sigmoid(u + u_s)
    n = jnp.tanh(n + r * n_s)
    return (1 - u) * n + u * s


class LuongDecoder(Decoder):
    """Luong's: each state looks at the source once it is made.

    Attributes:
      score: "dot", "general" or "concat".
      width: h.
    """

    score: str = "general"
    width: int = 512

    def setup(self):
        """Names the layers."""
        super().setup()
        self.rnn = self.stack()
        self.attentional = self.dense(self.width, use_bias=False)  # W_c
        if self.score != "dot":
            self.key = self.dense(self.width, use_bias=False)  # W_a, or its half
        if self.score == "concat":
            self.query = self.dense(self.width, use_bias=False)  # the other half
            self.energy = self.dense(1, use_bias=False)  # v_a

    def remember(self, annotations, state: recurrent.Carry) -> Array:
        """Computes the part of the scores that all steps share."""
        return annotations if self.score == "dot" else self.key(annotations)

    def __call__(self, tokens, carry, memory: Encoded, *, train: bool):
        """Goes on writing; see `Seq2Seq.decode`."""
        y, carry = self.rnn(self.read(tokens, train), carry, train=train)
        alpha = _shares(self._scores(y, memory.keys), memory.mask)
        self.sow("intermediates", "attention", alpha)
        context = jnp.einsum("bts,bsm->btm", alpha.astype(y.dtype), memory.annotations)
        y = jnp.tanh(self.attentional(jnp.concatenate([context, y], -1)))  # Eq. (5)
        return self.head(y), carry  # Eq. (6)

    def _scores(self, y, keys):
        """Computes Eq. (8)."""
        if self.score != "concat":
            return jnp.einsum("bta,bsa->bts", y, keys)
        inner = jnp.tanh(self.query(y)[:, :, None] + keys[:, None])
        return self.energy(inner)[..., 0]


class Seq2Seq(nn.Module):
    """An encoder of the source, and a decoder that writes the target.

    With `mutable="intermediates"`, `decode` and the call also give what attention
    looked at: decoder/attention, ((b, t, s),).

    Attributes:
      attention: see above.
      cell: "lstm" or "gru"; "additive" is for "gru".
      depth: layers of the encoder, and of the decoder; 1 for "additive".
      embedding: e.
      width: h, and a.
      bidirectional: the encoder reads in both directions, which makes m = 2 h.
      reverse: the encoder reads from the last token to the first.
      biases: of a cell, 1 or 2; 2 is what PyTorch has.
      init_range: of the cells' parameters, +- this; 0: 1 / sqrt(h).
      dropout: in [0, 1), of embeddings and between layers.
      source_vocab_size: tokens of the source, PADDING among them.
      target_vocab_size: v.
      dtype: of the computation; states and logits are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    attention: str = "none"
    cell: str = "lstm"
    depth: int = 1
    embedding: int = 256
    width: int = 512
    bidirectional: bool = False
    reverse: bool = False
    biases: int = 2
    init_range: float = 0.0
    dropout: layers.Rate = 0.5
    source_vocab_size: int = 7_853
    target_vocab_size: int = 5_893
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    def setup(self):
        """Names encoder and decoder."""
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        dense = layers.dense(self.kernels, **shared)
        embed = layers.embed(self.kernels, features=self.embedding, **shared)
        cell = recurrent.Cell(self.cell, biases=self.biases, init_range=self.init_range)
        stack = partial(
            recurrent.Stack,
            cell,
            (self.width,) * self.depth,
            dense,
            dropout=self.dropout,
            param_dtype=self.param_dtype,
            kernels=self.kernels,
        )
        self.encoder = Encoder(
            partial(embed, self.source_vocab_size),
            partial(stack, bidirectional=self.bidirectional),
            dense,
            self.reverse,
            self.dropout,
        )
        embed = partial(embed, self.target_vocab_size)
        parts = (embed, stack, dense, self.target_vocab_size, self.dropout)
        if self.attention in ("none", "context"):
            self.decoder = StateDecoder(*parts, always=self.attention == "context")
        elif self.attention == "additive":
            m = self.width * (1 + self.bidirectional)
            self.decoder = AdditiveDecoder(
                *parts, cell, self.width, m, self.param_dtype
            )
        else:
            self.decoder = LuongDecoder(*parts, self.attention, self.width)

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
        memory = self.encode(source, train=train)
        return self.decode(target_in, memory.state, memory, train=train)[0]

    def encode(self, source: Int[Array, "b s"], *, train: bool) -> Encoded:
        """Reads the source, once for all tokens that `decode` will write."""
        annotations, state = self.encoder(source, train=train)
        keys = self.decoder.remember(annotations, state)
        return Encoded(source != PADDING, annotations, keys, state)

    def initial_carry(self, memory: Encoded, length: int) -> recurrent.Carry:
        """Returns the decoder's first state; any `length` will do."""
        return memory.state

    def decode(
        self,
        tokens: Int[Array, "b t"],
        carry: recurrent.Carry,
        memory: Encoded,
        *,
        train: bool,
    ) -> tuple[Float[Array, "b t {self.target_vocab_size}"], recurrent.Carry]:
        """Goes on writing.

        Args:
          tokens: those after the ones that the carry has seen.
          carry: of `initial_carry`, or returned before.
          memory: of `encode`.
          train: apply dropout.

        Returns:
          (logits of the token after each, the carry after them)
        """
        logits, carry = self.decoder(tokens, carry, memory, train=train)
        return logits.astype(jnp.float32), carry


# Parameters with the vocabularies of the sources.
VARIANTS = {
    # 384,112,000; section 3.4: 384M, of which 64M are recurrent
    "sutskever": dict(
        **dict(depth=4, embedding=1000, width=1000, biases=1, init_range=0.08),
        **dict(reverse=True, dropout=0.0),
        **dict(source_vocab_size=160_000, target_vocab_size=80_000),
    ),
    "lstm": dict(depth=2, init_range=0.08, reverse=True),  # 13,898,501
    "gru": dict(attention="context", cell="gru"),  # 14,219,781
    "bahdanau": dict(
        attention="additive", cell="gru", bidirectional=True
    ),  # 20,518,405
    "luong": dict(attention="general", depth=2, reverse=True),  # 14,684,933
    "debug": dict(
        **dict(attention="additive", cell="gru", bidirectional=True),
        **dict(embedding=8, width=12, dropout=0.1),
        **dict(source_vocab_size=11, target_vocab_size=11),
    ),
}


def build(variant: str, **overrides: Any) -> Seq2Seq:
    """Builds a variant of VARIANTS, with any field of Seq2Seq overridden.

    Raises:
      ValueError: the variant, a field or a field's value is unknown, or the fields do
        not go together.
    """
    model = layers.build(Seq2Seq, VARIANTS, variant, overrides)
    layers.check_choice("attention", model.attention, ATTENTIONS)
    layers.check_choice("cell", model.cell, ("lstm", "gru"))
    if model.attention == "additive" and (model.cell, model.depth) != ("gru", 1):
        raise ValueError(
            "attention='additive' is for a decoder of one GRU, got cell="
            f"{model.cell!r} and depth={model.depth}; use cell='gru' and depth=1, or "
            "attention='general'"
        )
    if model.attention == "dot" and model.bidirectional:
        raise ValueError(
            "attention='dot' needs annotations as wide as the decoder's states, got "
            "bidirectional=True, which doubles them; use attention='general'"
        )
    return model

"""Recurrent networks that read a sequence: language models, and classifiers.

Axes: b batch, t time, e width of an embedding, h width of a state, y x pixels, c
channels, k classes or other outputs, v vocabulary. The cells' equations and papers
stand in research/models/layers/recurrent.py.

Variants that are language models:
  ptb_small, ptb_medium, ptb_large   Zaremba, Sutskever & Vinyals: Recurrent Neural
      Network Regularization, 2014, https://arxiv.org/abs/1409.2329, section 4.1
  awd        Merity, Keskar & Socher: Regularizing and Optimizing LSTM Language Models,
      2018, https://arxiv.org/abs/1708.02182, section 5, for the Penn Treebank
  shakespeare   characters, as in https://github.com/karpathy/char-rnn, with 512 units
and classifiers:
  mnist_lstm, mnist_gru, mnist_elman, adding_lstm, adding_gru, adding_elman   the
      baselines of about 70,000 parameters in Bai, Kolter & Koltun: An Empirical
      Evaluation of Generic Convolutional and Recurrent Networks, 2018,
      https://arxiv.org/abs/1803.01271, Table 1
  sst2, sst2_attention   https://github.com/google/flax, examples/sst2, as its README
      describes the network and as its code builds it today

Differences from the sources: characters have an embedding, where char-rnn reads one-hot
vectors; the baselines of Bai et al. have one bias per gate; the last two draw their
parameters as PyTorch does, and have an output for each class, where one logit serves
for two.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jaxtyping import Array, Bool, Float, Int, Num

from research.models import layers
from research.models.layers import recurrent

POOLS = ("last", "mean", "max", "attention", "none")
PADDING, UNKNOWN = 0, 1  # among the tokens that a classifier reads


class RNN(nn.Module):
    """The fields that both kinds of network have; see below for the networks.

    Attributes:
      cell: "elman", "lstm" or "gru".
      widths: h of each layer.
      activation: of "elman": "tanh" or "relu".
      reset: of "gru", "after" the recurrent product or "before" it.
      biases: 0, 1 or 2 per gate.
      forget_bias: added to the initial bias of the forget gate of "lstm".
      recurrent_init: "uniform" or "orthogonal"; see `recurrent.Cell`.
      init_range: of all parameters, uniform within +- this; 0: 1 / sqrt(h) in recurrent
        layers, 0.1 and biases of zero elsewhere.
      dropout: share of the units set to zero behind embedding, layers and hidden
        layer, never between two steps; in [0, 1).
      vocab_size: v.
      embedding: e.
      dtype: of the computation; states and outputs are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    cell: str = "lstm"
    widths: Sequence[int] = (200, 200)
    activation: str = "tanh"
    reset: str = "after"
    biases: int = 1
    forget_bias: float = 0.0
    recurrent_init: str = "uniform"
    init_range: float = 0.0
    dropout: layers.Rate = 0.0
    vocab_size: int = 10_000
    embedding: int = 200
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    def _cell(self) -> recurrent.Cell:
        return recurrent.Cell(
            self.cell,
            self.activation,
            self.reset,
            self.biases,
            self.forget_bias,
            self.recurrent_init,
            self.init_range,
        )

    def _stack(self, **fields) -> recurrent.Stack:
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        return recurrent.Stack(
            self._cell(),
            self.widths,
            layers.dense(self.kernels, **shared),
            param_dtype=self.param_dtype,
            kernels=self.kernels,
            **fields,
        )

    def _embed(self, name: str) -> nn.Module:
        init = layers.symmetric(self.init_range or 0.1)
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        embed = layers.embed(self.kernels, embedding_init=init, **shared)
        return embed(self.vocab_size, self.embedding, name=name)

    def _dense(self, width: int, name: str, **fields) -> nn.Module:
        init = layers.symmetric(self.init_range or 0.1)
        dense = layers.dense(
            self.kernels,
            dtype=self.dtype,
            param_dtype=self.param_dtype,
            kernel_init=init,
            bias_init=init if self.init_range else nn.initializers.zeros,
        )
        return dense(width, name=name, **fields)


class LanguageModel(RNN):
    """Predicts each token from those before it.

    Attributes:
      tied: the head is the embedding's transpose, with a bias; the last layer is then
        as wide as the embedding.
      input_dropout: that behind the embedding; None: as `dropout`.
      hidden_dropout: that between layers; None: as `dropout`.
      embedding_dropout: share of the words that are left out everywhere in a batch.
      weight_drop: share of each recurrent matrix set to zero; see `Recurrent`.
      variational: what is dropped stays the same for all steps of a sequence.
    """

    tied: bool = False
    input_dropout: layers.Rate | None = None
    hidden_dropout: layers.Rate | None = None
    embedding_dropout: layers.Rate = 0.0
    weight_drop: layers.Rate = 0.0
    variational: bool = False

    @nn.compact
    def __call__(
        self,
        token: Int[Array, "b t"],
        *,
        carry: recurrent.Carry | None = None,
        mask: Bool[Array, "b t"] | None = None,
        train: bool,
    ) -> Any:
        """Computes logits; dropout draws from the rng "dropout" when training.

        Args:
          token: in [0, v).
          carry: of `initial_carry` or an earlier call, whose text goes on; None: zeros.
          mask: true at real tokens; what is padded leaves the states as they are.
          train: apply dropout.

        Returns:
          logits (b, t, v) of the token behind each; with a carry, (logits, carry).
        """

        def drop(x, rate, *shared_axes):
            rate = self.dropout if rate is None else rate
            return layers.Dropout(rate, not train, shared_axes)(x)

        steps = (1,) if self.variational else ()
        embedding = self._embed("embedding")
        x = embedding(token)
        if train:
            words = drop(jnp.ones((self.vocab_size,), x.dtype), self.embedding_dropout)
            x = x * words[token][..., None]
        x = drop(x, self.input_dropout, *steps)
        hidden = self.hidden_dropout
        stack = self._stack(
            dropout=self.dropout if hidden is None else hidden,
            variational=self.variational,
            weight_drop=self.weight_drop,
            name="rnn",
        )
        y, last = stack(x, carry, mask, train=train)
        self.sow("intermediates", "output", y)  # what activation penalties read
        y = drop(y, None, *steps)
        self.sow("intermediates", "dropped_output", y)
        if self.tied:
            init = nn.initializers.zeros
            bias = self.param("head_bias", init, (self.vocab_size,), self.param_dtype)
            logits = embedding.attend(y) + bias.astype(y.dtype)[None, None]
        else:
            logits = self._dense(self.vocab_size, "head")(y)
        logits = logits.astype(jnp.float32)
        return logits if carry is None else (logits, last)

    @nn.nowrap
    def initial_carry(
        self, batch_size: int, length: int | None = None
    ) -> recurrent.Carry:
        """Makes the states before the first token; a text may be of any length."""
        del length
        return recurrent.zeros(self._cell(), self.widths, batch_size)


class Classifier(RNN):
    """Reads a sequence and gives it, or each of its steps, k outputs.

    Attributes:
      num_classes: k; 0: no head, the call returns what it would read.
      pool: what the head reads: "last" (the states at the end), the "mean" or "max" of
        all steps, their mixture by learnt "attention", or each step ("none").
      hidden: width of a tanh layer before the head; 0: none.
      bidirectional: each layer runs forwards and backwards.
      word_dropout: share of the tokens that are read as UNKNOWN, in [0, 1).
      permutation: seed of a fixed order in which an image's pixels are read; 0: row
        by row.
    """

    num_classes: int = 10
    pool: str = "last"
    hidden: int = 0
    bidirectional: bool = False
    word_dropout: layers.Rate = 0.0
    permutation: int = 0

    @nn.compact
    def __call__(
        self,
        x: Num[Array, "b ..."],
        *,
        carry: recurrent.Carry | None = None,
        mask: Bool[Array, "b t"] | None = None,
        train: bool,
    ) -> Any:
        """Computes outputs; dropout draws from the rng "dropout" when training.

        Args:
          x: tokens (b, t) of an integer type, with PADDING behind or before the real
            ones; values (b, t, d); or images (b, y, x, c), read pixel by pixel.
          carry: states to go on from; None: zeros.
          mask: true at real steps; None: tokens that are not PADDING, or all steps.
          train: apply dropout.

        Returns:
          (b, k), or (b, t, k) of pool "none"; with a carry, (outputs, carry).
        """
        drop = layers.Dropout(self.dropout, deterministic=not train)
        if jnp.issubdtype(x.dtype, jnp.integer):
            mask = x != PADDING if mask is None else mask
            x = drop(self._embed("embedding")(self._without_some(x, train)))
        elif x.ndim == 4:
            x = pixels(x, self.permutation)
        stack = self._stack(
            bidirectional=self.bidirectional, dropout=self.dropout, name="rnn"
        )
        y, last = stack(x.astype(self.dtype), carry, mask, train=train)
        y = self._pooled(drop(y), last, mask)
        y = y if self.pool == "none" else drop(y)  # dropped already
        if self.hidden and self.num_classes:
            y = drop(jnp.tanh(self._dense(self.hidden, "hidden")(y)))
        if self.num_classes:
            y = self._dense(self.num_classes, "head")(y)
        y = y.astype(jnp.float32)
        return y if carry is None else (y, last)

    def _without_some(self, token, train: bool):
        """Replaces some of the words by UNKNOWN."""
        words = jnp.ones(token.shape, jnp.float32)
        kept = layers.Dropout(self.word_dropout, not train)(words) > 0
        return jnp.where(kept | (token == PADDING), token, UNKNOWN)

    def _pooled(self, y, last: recurrent.Carry, mask):
        if self.pool == "none":
            return y
        if self.pool == "last":
            ends = last[-2:] if self.bidirectional else last[-1:]
            return jnp.concatenate([h for h, *_ in ends], axis=-1).astype(y.dtype)
        real = jnp.ones(y.shape[:2], bool) if mask is None else mask
        if self.pool == "max":
            least = jnp.finfo(y.dtype).min
            most = jnp.where(real[..., None], y, least).max(axis=1)
            return most * real.any(axis=1)[:, None]
        scores = jnp.zeros(y.shape[:2])
        if self.pool == "attention":  # by the outputs alone, without a query
            keys = jnp.tanh(self._dense(self.widths[-1], "keys", use_bias=False)(y))
            scores = self._dense(1, "energy", use_bias=False)(keys)[..., 0]
        weight = jax.nn.softmax(scores.astype(jnp.float32), axis=1, where=real)
        return jnp.einsum("bt,btd->bd", weight.astype(y.dtype), y)

    @nn.nowrap
    def initial_carry(self, batch_size: int) -> recurrent.Carry:
        """Makes the states before the first step."""
        return recurrent.zeros(
            self._cell(), self.widths, batch_size, self.bidirectional
        )


def pixels(
    image: Float[Array, "b y x c"], permutation: int = 0
) -> Float[Array, "b t c"]:
    """Lists an image's pixels row by row, or in the order that a seed > 0 draws."""
    sequence = rearrange(image, "b y x c -> b (y x) c")
    if not permutation:
        return sequence
    order = np.random.default_rng(permutation).permutation(sequence.shape[1])
    return sequence[:, order]


def _zaremba(width: int, dropout: float, init_range: float) -> dict[str, Any]:
    widths = dict(widths=(width, width), embedding=width)
    return widths | dict(dropout=dropout, init_range=init_range)


def _bai(cell: str, width: int, outputs: int) -> dict[str, Any]:
    return dict(cell=cell, widths=(width,), num_classes=outputs)


_SST2 = dict(
    widths=(256,),
    embedding=300,
    hidden=256,
    num_classes=2,
    dropout=0.5,
    word_dropout=0.1,
)

LANGUAGE_MODELS = {
    "ptb_small": _zaremba(200, 0.0, 0.1),  # 4,651,600
    "ptb_medium": _zaremba(650, 0.5, 0.05),  # 19,775,200
    "ptb_large": _zaremba(1500, 0.65, 0.04),  # 66,022,000
    "awd": dict(  # 24,221,600
        widths=(1150, 1150, 400),
        embedding=400,
        tied=True,
        biases=2,
        dropout=0.4,
        input_dropout=0.4,
        hidden_dropout=0.25,
        embedding_dropout=0.1,
        weight_drop=0.5,
        variational=True,
    ),
    "shakespeare": dict(  # 3,318,401
        widths=(512, 512), embedding=64, vocab_size=65, dropout=0.2, forget_bias=1.0
    ),
    "debug": dict(widths=(16, 12), embedding=12, vocab_size=11, tied=True, dropout=0.1),
}
CLASSIFIERS = {
    "mnist_lstm": _bai("lstm", 130, 10),  # 69,950
    "mnist_gru": _bai("gru", 150, 10),  # 69,910
    "mnist_elman": _bai("elman", 258, 10),  # 69,670
    "adding_lstm": _bai("lstm", 130, 1),  # 69,291
    "adding_gru": _bai("gru", 150, 1),  # 69,001
    "adding_elman": _bai("elman", 258, 1),  # 67,597
    "sst2": _SST2,  # 3,636,674
    "sst2_attention": _SST2 | dict(bidirectional=True, pool="attention"),  # 4,403,906
    "debug_classifier": dict(
        widths=(12, 12), embedding=8, vocab_size=11, bidirectional=True, dropout=0.1
    ),
}
# Parameters with 10,000 words, 28x28 pixels, or the two values of the adding problem.
VARIANTS = LANGUAGE_MODELS | CLASSIFIERS


def build(variant: str, **overrides: Any) -> RNN:
    """Builds a variant of VARIANTS, with any field of its class overridden.

    Raises:
      ValueError: the variant, a field or a field's value is unknown, or a tied head
        does not fit the last layer.
    """
    module = Classifier if variant in CLASSIFIERS else LanguageModel
    model = layers.build(module, VARIANTS, variant, overrides)
    model._cell()  # checks its fields
    if module is Classifier:
        layers.check_choice("pool", model.pool, POOLS)
    elif model.tied and model.widths[-1] != model.embedding:
        raise ValueError(
            f"a tied head needs a last layer as wide as the embedding, got widths "
            f"{tuple(model.widths)} and embedding={model.embedding}; make them equal"
        )
    return model

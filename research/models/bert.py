"""BERT (Devlin, Chang, Lee & Toutanova: Pre-training of Deep Bidirectional Transformers
for Language Understanding, 2019, https://arxiv.org/abs/1810.04805).

Axes: b batch, t tokens, p predicted tokens, h heads, d width, v vocabulary, k classes.
The embedding is Fig. 2's sum of three; a Layer is that of Vaswani et al. (2017), which
normalises behind each residual sum; the heads are those of section 3.1 (MLM, NSP) and
3.2 (classifier).

The paper's layers and the published networks agree on: the exact gelu, a layer norm of
the embedding's sum, epsilon 1e-12, an MLM head with one more layer whose output matrix
is the token embedding, and the hidden state of the first token as what a tanh layer
(the pooler) makes of it.

Hidden states of every layer: `model.apply(…, capture_intermediates=lambda module, _:
isinstance(module, bert.Layer), mutable=["intermediates"])`.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float, Int

from research.models import layers


class Layer(nn.Module):
    """Self-attention and MLP, each behind a residual sum that is normalised.

    Attributes:
      heads: of the attention; divides the width.
      mlp_dim: inner width of the MLP.
      dropout: of attention probabilities and both outputs, in [0, 1).
      norm: a layer norm with its shared fields bound.
      dense: likewise.
      kernels: as the model's.
    """

    heads: int
    mlp_dim: int
    dropout: layers.Rate
    norm: Any
    dense: Any
    kernels: str

    @nn.compact
    def __call__(
        self, x: Float[Array, "b t d"], mask: Bool[Array, "b t"] | None, *, train: bool
    ) -> Float[Array, "b t d"]:
        drop = layers.Dropout(self.dropout, deterministic=not train)
        width = x.shape[-1]
        y = layers.Attention(
            width,
            self.heads,
            dense=self.dense,
            dropout=self.dropout,
            kernels=self.kernels,
            name="attention",
        )(x, mask=mask, train=train)
        x = self.norm(name="attention_norm")(x + drop(y))
        y = layers.gelu(self.kernels)(self.dense(self.mlp_dim, name="mlp_in")(x))
        y = self.dense(width, name="mlp_out")(y)
        return self.norm(name="mlp_norm")(x + drop(y))


class BERT(nn.Module):
    """A bidirectional Transformer encoder with the heads that are asked for.

    Attributes:
      vocab_size: tokens that it knows.
      width: d of a token; the paper's H.
      depth: layers; the paper's L.
      heads: of each attention; divides the width; the paper's A.
      mlp_dim: inner width of each MLP.
      max_length: positions that it knows.
      types: segments that it tells apart.
      dropout: everywhere, in [0, 1).
      norm_epsilon: of every layer norm.
      pooler: whether the first token's hidden state is pooled.
      mlm_head: the masked language model's head.
      nsp_head: next sentence prediction's head; needs the pooler.
      num_classes: width of a classifier (1: a score); 0: none; needs the pooler.
      dtype: of the computation; results are float32 always.
      param_dtype: of the parameters.
      kernels: "auto", "native" or "flash".
    """

    vocab_size: int = 30522
    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp_dim: int = 3072
    max_length: int = 512
    types: int = 2
    dropout: layers.Rate = 0.1
    norm_epsilon: float = 1e-12
    pooler: bool = True
    mlm_head: bool = False
    nsp_head: bool = False
    num_classes: int = 0
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self,
        input_ids: Int[ArrayLike, "b t"],
        *,
        token_type_ids: Int[ArrayLike, "b t"] | None = None,
        attention_mask: ArrayLike | None = None,
        mlm_positions: Int[ArrayLike, "b p"] | None = None,
        train: bool,
    ) -> dict[str, Float[Array, "b ..."]]:
        """Encodes tokens; dropout draws from the rng "dropout" when training.

        Args:
          input_ids: tokens in [0, v).
          token_type_ids: segment of each token; None: all 0.
          attention_mask: (b, t), true or nonzero at real tokens; None: all are.
          mlm_positions: of the tokens that the MLM head predicts; None: all of them.
          train: apply dropout.

        Returns:
          "hidden" (b, t, d), the last layer's; "pooled" (b, d) where there is a pooler;
          and of the heads that there are "mlm_logits" (b, t, v) or (b, p, v),
          "nsp_logits" (b, 2), whose class 0 says that the second segment follows the
          first, and "logits" (b, k).

        Raises:
          ValueError: more tokens than positions.
        """
        if input_ids.shape[1] > self.max_length:
            raise ValueError(
                f"bert reads at most {self.max_length} tokens (max_length), got "
                f"{input_ids.shape[1]}; cut the text"
            )
        norm, dense, embed = self._kinds()
        drop = layers.Dropout(self.dropout, deterministic=not train)

        tokens = embed(self.vocab_size, self.width, name="token_embedding")
        x = tokens(input_ids) + self._places(input_ids, token_type_ids, embed)
        x = drop(norm(name="embedding_norm")(x))
        inside = dict(norm=norm, dense=dense, kernels=self.kernels)
        inside |= dict(heads=self.heads, mlp_dim=self.mlp_dim, dropout=self.dropout)
        mask = None if attention_mask is None else jnp.asarray(attention_mask, bool)
        for i in range(self.depth):
            x = Layer(**inside, name=f"layer{i + 1}")(x, mask, train=train)

        found = {"hidden": x}
        if self.pooler:
            found["pooled"] = jnp.tanh(dense(self.width, name="pooler")(x[:, 0]))
        if self.mlm_head:
            if mlm_positions is not None:
                x = jnp.take_along_axis(x, mlm_positions[..., None], axis=1)
            found["mlm_logits"] = self._predict_tokens(x, tokens, norm, dense)
        if self.nsp_head:
            found["nsp_logits"] = dense(2, name="nsp_head")(found["pooled"])
        if self.num_classes:
            y = drop(found["pooled"])
            found["logits"] = dense(self.num_classes, name="head")(y)
        return {name: value.astype(jnp.float32) for name, value in found.items()}

    def _kinds(self):
        """Binds the shared fields of layer norms, dense layers and embeddings."""
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        init = nn.initializers.truncated_normal(0.02)
        norm = layers.layer_norm(self.kernels, epsilon=self.norm_epsilon, **shared)
        dense = layers.dense(self.kernels, kernel_init=init, **shared)
        return norm, dense, layers.embed(self.kernels, embedding_init=init, **shared)

    def _places(self, input_ids, token_type_ids, embed):
        """Embeds segment and position of each token."""
        types = embed(self.types, self.width, name="type_embedding")
        positions = embed(self.max_length, self.width, name="position_embedding")
        if token_type_ids is None:
            token_type_ids = jnp.zeros_like(input_ids)
        return types(token_type_ids) + positions(jnp.arange(input_ids.shape[1]))[None]

    def _predict_tokens(self, x, tokens, norm, dense):
        """The MLM head: a layer, and the embedding as the output matrix."""
        y = layers.gelu(self.kernels)(dense(self.width, name="mlm_dense")(x))
        y = norm(name="mlm_norm")(y)
        bias = self.param(
            "mlm_bias", nn.initializers.zeros, (self.vocab_size,), self.param_dtype
        )
        return tokens.attend(y) + bias.astype(self.dtype)[None, None]


def _row(width: int, depth: int, heads: int, **fields):
    return dict(width=width, depth=depth, heads=heads, mlp_dim=4 * width, **fields)


# Section 3, "BERT_BASE" and "BERT_LARGE"; the smaller ones are those of Turc et al.
# 2019 (https://arxiv.org/abs/1908.08962), Table 1 and github.com/google-research/bert.
# Parameters without heads.
VARIANTS = {
    "tiny": _row(128, 2, 2),  # 4,385,920
    "mini": _row(256, 4, 4),  # 11,170,560
    "small": _row(512, 4, 8),  # 28,763,648
    "medium": _row(512, 8, 8),  # 41,373,184
    "base": _row(768, 12, 12),  # 109,482,240
    "base-cased": _row(768, 12, 12, vocab_size=28996),  # 108,310,272
    "large": _row(1024, 24, 16),  # 335,141,888
    "debug": _row(32, 2, 2, vocab_size=64, max_length=64)
    | dict(mlm_head=True, nsp_head=True, num_classes=2),
}


def build(variant: str, **overrides: Any) -> BERT:
    """Builds a variant of VARIANTS, with any field of BERT overridden.

    Raises:
      ValueError: the variant or a field is unknown, the heads do not divide the width,
        or a head needs the pooler that is left out.
    """
    model = layers.build(BERT, VARIANTS, variant, overrides)
    layers.check_heads("bert", model.width, model.heads)
    if not model.pooler and (model.nsp_head or model.num_classes):
        raise ValueError(
            f"bert nsp_head={model.nsp_head} and num_classes={model.num_classes} read "
            "the pooled state, got pooler=False; set pooler to True"
        )
    return model

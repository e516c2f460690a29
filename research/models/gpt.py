"""GPT-2 (Radford et al.: Language Models are Unsupervised Multitask Learners, 2019,
https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf).

Axes: b batch, t time, d width, v vocabulary. A Block is a Transformer decoder's of
Radford et al. 2018 (https://cdn.openai.com/research-covers/language-unsupervised/
language_understanding_paper.pdf), Eq. (2), without cross-attention; as section 2.3 of
the paper says, the norms stand before each part and one more behind the last block,
and projections onto the residual path start smaller by the root of their number.

Variants: "124M" to "1558M" of Table 2 (which counts 117M, 345M, 762M and 1542M);
"char" and "char-cpu" are the networks that https://github.com/karpathy/nanoGPT trains
on characters.

Parameters v d + t d + l (12 d^2 + 13 d) + 2 d where the head is the embedding's.

To split it over devices (`config.mesh.tensor`), as configs/gpt2_124m.py does: `qkv` and
`mlp_in` by their outputs, `attention/out` and `mlp_out` by their inputs. All that the
devices then exchange in a block are the queries, keys and values, and one sum behind
each of its two parts.

Differences from the paper: dropout and the initial scale follow nanoGPT, for the paper
does not give them.
"""

from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from research.models import layers


class Block(nn.Module):
    """Causal self-attention and MLP, each behind a norm and with a residual path.

    Attributes:
      heads: of the attention; divides the width.
      mlp_dim: inner width of the MLP.
      dropout: in [0, 1), of the attention's probabilities and behind each part.
      norm: a layer norm with its shared fields bound.
      dense: likewise.
      dense_out: likewise, for projections onto the residual path.
      kernels: "auto", "native" or "flash".
    """

    heads: int
    mlp_dim: int
    dropout: layers.Rate
    norm: Any
    dense: Any
    dense_out: Any
    kernels: str

    @nn.compact
    def __call__(self, z: Float[Array, "b t d"], cache, *, mask, train: bool):
        """Returns (z, cache); without a cache, (z, None)."""
        drop = layers.Dropout(self.dropout, deterministic=not train)
        width = z.shape[-1]

        y = layers.Attention(
            width,
            self.heads,
            dense=self.dense,
            dense_out=self.dense_out,
            causal=True,
            dropout=self.dropout,
            kernels=self.kernels,
            name="attention",
        )(self.norm(name="norm1")(z), mask=mask, cache=cache, train=train)
        y, cache = (y, None) if cache is None else y
        z = z + drop(y)

        y = self.dense(self.mlp_dim, name="mlp_in")(self.norm(name="norm2")(z))
        y = layers.gelu(self.kernels, approximate=True)(y)
        return z + drop(self.dense_out(width, name="mlp_out")(y)), cache


class GPT(nn.Module):
    """A Transformer that predicts each token from those before it.

    Attributes:
      context: t, the most tokens that it can look at: length of the position table.
      width: d of a token.
      depth: blocks.
      heads: of each attention; divides the width.
      mlp_dim: inner width of each MLP.
      bias: dense layers and norms have biases.
      tied: the head is the token embedding's transpose; else a matrix of its own.
      dropout: in [0, 1), behind embeddings, attention and MLP, and of the attention's
        probabilities.
      norm_epsilon: of every layer norm.
      vocab_size: v.
      dtype: of the computation; logits are float32 always.
      param_dtype: of the parameters.
      kernels: "auto", "native" or "flash".
    """

    context: int = 1024
    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp_dim: int = 3072
    bias: bool = True
    tied: bool = True
    dropout: layers.Rate = 0.0
    norm_epsilon: float = 1e-5
    vocab_size: int = 50_257
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self,
        token: Int[Array, "b t"],
        *,
        carry: tuple[layers.Cache, ...] | None = None,
        mask: Bool[Array, "b t"] | None = None,
        train: bool,
    ) -> Any:
        """Computes logits; dropout draws from the rng "dropout" when training.

        Args:
          token: in [0, v).
          carry: of `initial_carry` or an earlier call; these tokens come behind those.
          mask: true at real tokens; prompts are padded on the left. None: all.
          train: apply dropout.

        Returns:
          logits (b, t, v) of the token behind each; with a carry, (logits, carry).

        Raises:
          ValueError: more tokens than the context holds.
        """
        self._check_length(token.shape[1])
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        norm = layers.layer_norm(
            self.kernels, epsilon=self.norm_epsilon, use_bias=self.bias, **shared
        )
        normal = nn.initializers.normal
        dense = partial(
            layers.dense(self.kernels, use_bias=self.bias, **shared),
            kernel_init=normal(0.02),
        )
        # Section 2.3: 1 / sqrt(N) for N residual layers, two in a block.
        scaled = partial(dense, kernel_init=normal(0.02 * (2 * self.depth) ** -0.5))
        embed = layers.embed(
            self.kernels, features=self.width, embedding_init=normal(0.02), **shared
        )
        embedding = embed(self.vocab_size, name="token_embedding")
        position = jnp.arange(token.shape[1])[None]
        if carry is not None or mask is not None:
            position = layers.token_positions(*token.shape, mask, carry and carry[0])
        z = embedding(token) + embed(self.context, name="position_embedding")(position)
        z = layers.Dropout(self.dropout, deterministic=not train)(z)
        caches = []
        for i in range(self.depth):
            z, cache = Block(
                self.heads,
                self.mlp_dim,
                self.dropout,
                norm=norm,
                dense=dense,
                dense_out=scaled,
                kernels=self.kernels,
                name=f"block{i + 1}",
            )(z, None if carry is None else carry[i], mask=mask, train=train)
            caches.append(cache)
        z = norm(name="norm")(z)
        head = dense(self.vocab_size, use_bias=False, name="head")
        logits = (embedding.attend if self.tied else head)(z).astype(jnp.float32)
        return logits if carry is None else (logits, tuple(caches))

    def initial_carry(
        self, batch_size: int, length: int | None = None
    ) -> tuple[layers.Cache, ...]:
        """Makes empty key-value caches, one per block.

        Args:
          batch_size: rows.
          length: tokens to make room for; None: the whole context.

        Raises:
          ValueError: the context holds fewer.
        """
        length = self.context if length is None else length
        self._check_length(length)
        shape = (batch_size, length, self.heads, self.width // self.heads)
        return tuple(layers.empty_cache(*shape, self.dtype) for _ in range(self.depth))

    def _check_length(self, length: int) -> None:
        if length > self.context:
            raise ValueError(
                f"gpt has positions for {self.context} tokens, got a text of {length}; "
                f"shorten it, or build the model with context={length}"
            )


def _row(width: int, depth: int, heads: int) -> dict[str, Any]:
    return dict(width=width, depth=depth, heads=heads, mlp_dim=4 * width)


_CHARACTERS = dict(vocab_size=65, bias=False)

# Table 2, parameters with tied embeddings; then nanoGPT's two for 65 characters.
VARIANTS = {
    "124M": _row(768, 12, 12),  # 124,439,808
    "355M": _row(1024, 24, 16),  # 354,823,168
    "774M": _row(1280, 36, 20),  # 774,030,080
    "1558M": _row(1600, 48, 25),  # 1,557,611,200
    "char": _row(384, 6, 6) | dict(context=256, **_CHARACTERS),  # 10,745,088
    "char-cpu": _row(128, 4, 4) | dict(context=64, **_CHARACTERS),  # 804,096
    "debug": _row(16, 2, 2) | dict(context=32, vocab_size=11, dropout=0.1),
}


def build(variant: str, **overrides: Any) -> GPT:
    """Builds a variant of VARIANTS, with any field of GPT overridden.

    Raises:
      ValueError: the variant, a field or a field's value is unknown, or the heads do
        not divide the width.
    """
    model = layers.build(GPT, VARIANTS, variant, overrides)
    layers.check_heads("gpt", model.width, model.heads)
    return model

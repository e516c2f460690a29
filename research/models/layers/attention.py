"""Multi-head attention (Vaswani et al. 2017, section 3.2), for every Transformer here.

Axes: b batch, t queries, s keys, h heads, d width of a head, w width of the model.

    y = Attention(w, h, dense=dense)(x, train=train)                  # a ViT, BERT
    y = Attention(w, h, dense=dense, causal=True)(x, mask=mask, ...)  # GPT
    y = Attention(w, h, dense=dense)(x, memory, mask=mask, ...)       # on an encoder
    y, cache = Attention(...)(x, mask=mask, cache=cache, train=False)  # step by step

A mask is true at what is real. What sees nothing real gets zeros, never NaN.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from research.models.layers import plain


class Cache(NamedTuple):
    """Keys and values of the tokens so far, in slots that fill from the left.

    Every leaf has the batch in front, so that rows can be gathered and sharded; but all
    rows fill at one pace: prompts of different lengths are padded on the left.

    Attributes:
      key: (b, h, s, d).
      value: (b, h, s, d); heads stand before slots, as a step reads them.
      mask: (b, s) bool, true at slots with a real token.
      filled: (b,) int32, slots used, the same in every row.
    """

    key: Array
    value: Array
    mask: Array
    filled: Array


class Memory(NamedTuple):
    """Keys and values, (b, h, s, d) each, of what cross-attention looks at."""

    key: Array
    value: Array


def empty_cache(
    batch_size: int, length: int, heads: int, head_dim: int, dtype: Any = jnp.float32
) -> Cache:
    """Makes the cache of one layer: `length` empty slots of `heads` keys and values."""
    shape = (batch_size, heads, length, head_dim)
    return Cache(
        key=jnp.zeros(shape, dtype),
        value=jnp.zeros(shape, dtype),
        mask=jnp.zeros((batch_size, length), bool),
        filled=jnp.zeros((batch_size,), jnp.int32),
    )


def token_positions(
    batch_size: int,
    time: int,
    mask: Bool[Array, "b t"] | None = None,
    cache: Cache | None = None,
) -> Int[Array, "b t"]:
    """Counts the real tokens before each one, in the cache as well; padding has 0 up.

    Args:
      batch_size: rows.
      time: tokens that come now.
      mask: true at the real ones of these; None: all.
      cache: of the tokens before, as it was before these came.
    """
    if mask is None:
        counted = jnp.broadcast_to(
            jnp.arange(time, dtype=jnp.int32), (batch_size, time)
        )
    else:
        counted = jnp.maximum(jnp.cumsum(mask, axis=1, dtype=jnp.int32) - 1, 0)
    if cache is None:
        return counted
    return counted + jnp.sum(cache.mask, axis=1, dtype=jnp.int32, keepdims=True)


class Attention(nn.Module):
    """softmax(q k^T / sqrt(d)) v in several heads, projected in and out.

    Parameters: `qkv` of self-attention, one layer of width 3 w in the order
    query, key, value; `query` and `key_value` of cross-attention; `out`.

    Attributes:
      width: of the result, and of all queries together.
      heads: of the queries; divides the width.
      dense: a dense layer with its shared fields bound, for every projection.
      dense_out: the same for the last projection; None: as `dense`.
      causal: a query sees no later key.
      dropout: share of the attention probabilities set to zero, in [0, 1).
      kernels: "auto", "native" or "flash".
    """

    width: int
    heads: int
    dense: Any
    dense_out: Any = None
    causal: bool = False
    dropout: plain.Rate = 0.0
    kernels: str = "auto"

    def setup(self):
        """Names the projections; those that are never called have no parameters."""
        if self.width % self.heads:
            raise ValueError(
                f"attention heads={self.heads} must divide width={self.width}; choose "
                "another number of heads"
            )
        self.head_dim = self.width // self.heads
        self.qkv = self.dense(3 * self.width)
        self.query = self.dense(self.width)
        self.key_value = self.dense(2 * self.width)
        self.out = (self.dense_out or self.dense)(self.width)

    def __call__(
        self,
        x: Float[Array, "b t w"],
        memory: Float[Array, "b s e"] | Memory | None = None,
        *,
        mask: Bool[Array, "b s"] | Bool[Array, "b t s"] | None = None,
        cache: Cache | None = None,
        train: bool,
    ) -> Any:
        """Attends; dropout draws from the rng "dropout" when training.

        Args:
          x: what asks.
          memory: what is looked at, or what `remember` made of it; None: x itself.
          mask: keys that are real, for all queries (b, s) or for each (b, t, s).
          cache: of earlier tokens, with room for x; x then sees those and, of itself,
            what is not later. The mask is (b, t), of x alone.
          train: apply dropout.

        Returns:
          (b, t, w); with a cache, that and the new cache.
        """
        if memory is not None:
            q = self._heads(self.query(x))
            memory = memory if isinstance(memory, Memory) else self.remember(memory)
            k, v = map(_slots_first, memory)
            return self._project(q, k, v, mask, self.causal, train)
        q, k, v = map(self._heads, jnp.split(self.qkv(x), 3, axis=-1))
        if cache is None:
            return self._project(q, k, v, mask, self.causal, train)
        cache, seen = _extend(cache, k, v, mask)
        k, v = (_slots_first(a).astype(q.dtype) for a in (cache.key, cache.value))
        return self._project(q, k, v, seen, False, train), cache

    def remember(self, memory: Float[Array, "b s e"]) -> Memory:
        """Computes the keys and values of cross-attention, once for many steps."""
        key, value = jnp.split(self.key_value(memory), 2, axis=-1)
        return Memory(_heads_first(self._heads(key)), _heads_first(self._heads(value)))

    def weights(
        self, x: Float[Array, "b t w"], memory: Memory, mask: Bool[Array, "b s"]
    ) -> Float[Array, "b h t s"]:
        """Computes the probabilities of cross-attention, to be looked at."""
        q = self._heads(self.query(x)).astype(jnp.float32)
        scores = jnp.einsum("bthd,bhsd->bhts", q, memory.key.astype(jnp.float32))
        scores = scores * self.head_dim**-0.5
        return jax.nn.softmax(scores, where=mask[:, None, None])

    def _heads(self, x):
        return rearrange(x, "b t (h d) -> b t h d", d=self.head_dim)

    def _project(self, q, k, v, mask, causal: bool, train: bool):
        dropout = None
        traced = isinstance(self.dropout, jax.Array)
        if train and (traced or self.dropout):
            dropout = (self.make_rng("dropout"), self.dropout)
        attend = plain.attention(self.kernels)
        if mask is None:
            y = attend(q, k, v, causal=causal, dropout=dropout)
            return self.out(rearrange(y, "b t h d -> b t (h d)"))
        mask = mask[:, None] if mask.ndim == 2 else mask
        y = attend(q, k, v, mask[:, None], causal=causal, dropout=dropout)
        y = rearrange(y, "b t h d -> b t (h d)")
        # Softmax gives its weight to masked keys where there are no others.
        if causal:
            mask = mask & jnp.tri(q.shape[1], k.shape[1], dtype=bool)[None]
        some = jnp.any(mask, axis=-1)[..., None]
        return self.out(jnp.where(some, y, jnp.zeros((), y.dtype)))


def _heads_first(x):
    return rearrange(x, "b s h d -> b h s d")


def _slots_first(x):
    return rearrange(x, "b h s d -> b s h d")


def _extend(cache: Cache, key, value, mask):
    """Writes new tokens behind the old ones; returns (cache, seen (b, t, s))."""
    batch, time = key.shape[:2]
    start = cache.filled[0]
    mask = jnp.ones((batch, time), bool) if mask is None else mask

    def write(slots, new):
        new = _heads_first(new).astype(slots.dtype)
        return lax.dynamic_update_slice_in_dim(slots, new, start, axis=2)

    known = lax.dynamic_update_slice_in_dim(cache.mask, mask, start, axis=1)
    query = start + jnp.arange(time)[:, None]
    seen = known[:, None] & (jnp.arange(known.shape[1])[None] <= query)[None]
    keys, values = write(cache.key, key), write(cache.value, value)
    return Cache(keys, values, known, cache.filled + time), seen

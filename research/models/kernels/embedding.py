"""Embedding table: its rows by number, and the logits of a head that is its transpose.

On CPU the gradient of a small table is a product with one-hot rows: XLA's scatter adds
row after row on one core. The head's product has the barriers of any other.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from research.models.kernels import choice, product

# Rows of a table up to which the product is the quicker gradient.
_SMALL = 1024


def embed(kernels: str) -> Callable:
    """Chooses the class of embedding tables, of the fields of `Embed`."""
    return choice.choose(kernels, nn.Embed, Embed)


class Embed(nn.Module):
    """`nn.Embed` whose products and gradients are quicker on CPU.

    Attributes:
      num_embeddings: rows of the table.
      features: its columns.
      dtype: of the result; None: the table's.
      param_dtype: of the table.
      embedding_init: draws it.
    """

    num_embeddings: int
    features: int
    dtype: Any = None
    param_dtype: Any = jnp.float32
    embedding_init: Callable = nn.linear.default_embed_init

    def setup(self):
        """Makes the table, "embedding"."""
        shape = (self.num_embeddings, self.features)
        self.embedding = self.param(
            "embedding", self.embedding_init, shape, self.param_dtype
        )

    def __call__(self, inputs):
        """Looks up the rows of integers; see `nn.Embed`."""
        (table,) = nn.dtypes.promote_dtype(self.embedding, dtype=self.dtype)
        rows = partial(jnp.take, axis=0)
        on_cpu = _rows if self.num_embeddings <= _SMALL else rows
        return lax.platform_dependent(table, inputs, cpu=on_cpu, default=rows)

    def attend(self, query):
        """Multiplies by the transposed table; see `nn.Embed`."""
        query, table = nn.dtypes.promote_dtype(query, self.embedding, dtype=self.dtype)
        contracted = (((query.ndim - 1,), (1,)), ((), ()))
        return product.dot_general("auto")(query, table, contracted)


@jax.custom_jvp
def _rows(table, index):
    return jnp.take(table, index, axis=0)


@_rows.defjvp
def _rows_jvp(primals, tangents):
    (table, index), (tangent, _) = primals, tangents
    hot = jax.nn.one_hot(index, len(table), dtype=table.dtype)
    hot, tangent = hot.reshape(-1, len(table)), lax.optimization_barrier(tangent)
    moved = lax.optimization_barrier(hot @ tangent)
    return _rows(table, index), moved.reshape(*index.shape, -1)

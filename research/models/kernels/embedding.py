"""Embedding table: its rows by number, and the logits of a head that is its transpose.

On CPU the gradient of a small table is a product with one-hot rows: XLA's scatter adds
row after row on one core. The head's product has the barriers of any other.
"""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from research.models.kernels import choice, product

# Rows of a table up to which the product is the quicker gradient.
_SMALL = 1024


def embed(kernels: str) -> Callable:
    """Chooses the class of embedding tables, of the fields of `nn.Embed`."""
    return choice.choose(kernels, nn.Embed, Embed)


class Embed(nn.Embed):
    """`nn.Embed` whose products and gradients are quicker on CPU."""

    def __call__(self, inputs):
        """Looks rows up; see `nn.Embed`."""
        if self.num_embeddings == 1 or not jnp.issubdtype(inputs.dtype, jnp.integer):
            return super().__call__(inputs)
        (table,) = nn.dtypes.promote_dtype(
            self.embedding, dtype=self.dtype, inexact=False
        )
        small = self.num_embeddings <= _SMALL
        rows = partial(jnp.take, axis=0)
        on_cpu = _rows if small else rows
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

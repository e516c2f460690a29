"""Matrix product of numbers rounded to bfloat16, summed in float32.

JAX asks for it by `jax.default_matmul_precision("BF16_BF16_F32")`. XLA obeys on GPU and
TPU; on CPU it multiplies in float32 all the same, although processors with matrix units
(AMX) multiply bfloat16 several times faster. Facts about XLA:CPU that decide the form:
  - Quick are products of two bfloat16 arrays into float32, whichever axes they contract
    but for the left side's first; into bfloat16 the same takes five times as long.
  - A transposition that is fused into the product makes it slow, so it is held.
  - A few rows are slower than in float32, for each number of w is converted again.
  - Attention's small products gain nothing; they stay float32 there.
Only reverse-mode derivatives: transposing a product would mix the two types.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from research.models.kernels import choice

PRECISION = "BF16_BF16_F32"  # as JAX names it
_FEW = 16  # rows for which float32 is as quick


def wanted(x, w, precision=None) -> bool:
    """Tells, while a product is traced, whether it is to be made so.

    Args:
      x: (m, k).
      w: (k, n) or its transpose.
      precision: of this product alone; None: the default, see
        `jax.default_matmul_precision`.
    """
    asked = jax.config.jax_default_matmul_precision
    known = isinstance(x.shape[0], int)  # exported programs leave the batch open
    return (
        asked == PRECISION
        and precision is None
        and x.dtype == w.dtype == jnp.float32
        and known
        and x.shape[0] > _FEW
    )


@partial(jax.custom_vjp, nondiff_argnums=(2,))
def product(x, w, transposed: bool = False):
    """Multiplies (m, k) and (k, n) float32 into (m, n) float32.

    Where `transposed`, w is (n, k).
    """
    return _dot(_round(x), _round(w), int(transposed))


def _forward(x, w, transposed):
    x, w = _round(x), _round(w)
    return _dot(x, w, int(transposed)), (x, w)


def _backward(transposed, saved, dy):
    (x, w), dy = saved, _round(dy)
    dx = _dot(dy, w, int(not transposed))
    first, second = (dy, x) if transposed else (x, dy)
    dw = _dot(choice.hold(first.T), second, 0)
    return lax.optimization_barrier((dx, dw))


product.defvjp(_forward, _backward)


def _round(x):
    return lax.optimization_barrier(x.astype(jnp.bfloat16))


def _dot(x, w, axis: int):
    """Contracts the last axis of x and one of w."""
    axes = ((1,), (axis,))
    return lax.dot_general(x, w, (axes, ((), ())), preferred_element_type=jnp.float32)

"""Matrix product whose weight gradient multiplies plain arrays.

XLA:CPU has a quick product of two row-major matrices and a slower one for a transposed
left side; the gradient of a weight, x^T dy, is of the second kind. Worse, the
elementwise steps that make dy would be fused into it and written with a stride of a
whole row. So x is transposed in memory first, and dy is held as an array.
"""

from collections.abc import Callable
from functools import partial

import jax
from jax import custom_derivatives, lax

from research.models.kernels import choice


def dot_general(kernels: str) -> Callable:
    """Chooses the matrix product, of the signature of `lax.dot_general`."""
    return choice.choose(kernels, lax.dot_general, _dot_general)


def _dot_general(lhs, rhs, dimension_numbers, **options):
    native = partial(lax.dot_general, dimension_numbers=dimension_numbers, **options)
    (contracted, batched) = dimension_numbers
    plain = tuple(map(tuple, contracted)) == ((lhs.ndim - 1,), (0,)) and rhs.ndim == 2

    def on_cpu(lhs, rhs):
        if plain and not any(map(len, batched)):
            rows = lhs.reshape(-1, lhs.shape[-1])
            y = _dense(rows, rhs, tuple(sorted(options.items())))
            return lax.optimization_barrier(y.reshape(*lhs.shape[:-1], rhs.shape[-1]))
        return lax.optimization_barrier(native(lhs, rhs))

    return lax.platform_dependent(lhs, rhs, cpu=on_cpu, default=native)


_ROWS = (((1,), (0,)), ((), ()))  # x w of two matrices
_COLUMNS = (((0,), (0,)), ((), ()))  # x w with x transposed in memory
_BOTH = (((1,), (1,)), ((), ()))  # w x with both transposed in memory


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _dense(x, w, options):
    return lax.dot_general(x, w, _ROWS, **dict(options))


def _dense_jvp(options, primals, tangents):
    (x, w), (dx, dw) = primals, tangents
    parts = []
    if not isinstance(dx, custom_derivatives.SymbolicZero):
        parts.append(lax.dot_general(dx, w, _ROWS, **dict(options)))
    if not isinstance(dw, custom_derivatives.SymbolicZero):
        parts.append(_with_plain_gradient(x, dw, dict(options)))
    return _dense(x, w, options), sum(parts[1:], parts[0])


_dense.defjvp(_dense_jvp, symbolic_zeros=True)


def _with_plain_gradient(x, w, options):
    """Computes x w such that its gradient by w is a product of row-major matrices.

    That is x^T dy with x transposed in memory, or the transpose of dy^T x, where dy is
    so much narrower that this pays: an optimizer reads the result several times.
    """
    barrier, (rows, inner), outer = lax.optimization_barrier, x.shape, w.shape[1]
    if rows * (inner - outer) <= 3 * inner * outer:
        return lax.dot_general(barrier(barrier(x).T), w, _COLUMNS, **options)
    y = lax.dot_general(barrier(w.T), x, _BOTH, **options)
    return barrier(barrier(y).T)

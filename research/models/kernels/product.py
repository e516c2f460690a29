"""Matrix product whose weight gradient multiplies plain arrays.

XLA:CPU has a quick product of two row-major matrices and a slower one for a transposed
left side; the gradient of a weight, x^T dy, is of the second kind. Worse, the
elementwise steps that make dy would be fused into it and written with a stride of a
whole row. So one of the two is transposed in memory first, and dy is held as an array.
"""

from collections.abc import Callable
from functools import partial

import jax
from jax import custom_derivatives, lax

from research.models.kernels import choice, rounded

# Rows of x and numbers in w for which (w^T x^T)^T is quicker: w is read in place, not
# packed first, as when a few texts are written token by token.
_FEW, _LARGE = 16, 2**18


def dot_general(kernels: str) -> Callable:
    """Chooses the matrix product, of the signature of `lax.dot_general`."""
    return choice.choose(kernels, lax.dot_general, _dot_general)


def _dot_general(lhs, rhs, dimension_numbers, **options):
    native = partial(lax.dot_general, dimension_numbers=dimension_numbers, **options)
    contracted, batched = dimension_numbers
    (axes, other), last = map(tuple, contracted), lhs.ndim - 1
    plain = axes == (last,) and rhs.ndim == 2 and not any(map(len, batched))

    def on_cpu(lhs, rhs):
        if not plain:
            return lax.optimization_barrier(native(lhs, rhs))
        rows = lhs.reshape(-1, lhs.shape[-1])
        outputs = (*lhs.shape[:-1], rhs.shape[1 - other[0]])
        if rounded.wanted(rows, rhs, options.get("precision")):
            return rounded.product(rows, rhs, other == (1,)).reshape(outputs)
        if other == (0,):
            y = _product(rows, rhs, True, tuple(sorted(options.items())))
            return lax.optimization_barrier(y.reshape(outputs))
        return lax.optimization_barrier(native(lhs, rhs))

    return lax.platform_dependent(lhs, rhs, cpu=on_cpu, default=native)


def matmul(x, w):
    """Multiplies stacks of matrices, (..., m, k) and (..., k, n), on CPU."""
    return lax.optimization_barrier(_product(x, w, False, ()))


@partial(jax.custom_jvp, nondiff_argnums=(2, 3))
def _product(x, w, learned, options):
    """Multiplies; `learned` says that an optimizer reads the gradient of w."""
    rows, size = x.shape[-2], w.shape[-2] * w.shape[-1]
    known = isinstance(rows, int)  # exported programs leave the batch open
    if learned and known and 1 < rows <= _FEW and size >= _LARGE:
        columns = lax.optimization_barrier(x.mT)
        return _dot(w, columns, -2, -2, options).mT
    return _dot(x, w, -1, -2, options)


def _product_jvp(learned, options, primals, tangents):
    (x, w), (dx, dw) = primals, tangents
    parts = []
    if not isinstance(dx, custom_derivatives.SymbolicZero):
        parts.append(_dot(dx, w, -1, -2, options))
    if not isinstance(dw, custom_derivatives.SymbolicZero):
        parts.append(_with_plain_gradient(x, dw, learned, options))
    return _product(x, w, learned, options), sum(parts[1:], parts[0])


_product.defjvp(_product_jvp, symbolic_zeros=True)


def _with_plain_gradient(x, w, learned, options):
    """Computes x w such that its gradient by w is a product of row-major matrices.

    That is x^T dy with x transposed in memory, or the transpose of dy^T x, where dy is
    so much narrower that this pays. An optimizer reads its gradient several times, so
    that this one is held as an array behind its transposition.
    """
    barrier, (rows, inner), outer = lax.optimization_barrier, x.shape[-2:], w.shape[-1]
    saved = rows * (inner - outer)
    if saved <= (2 * inner * outer if learned else 0):
        return _dot(barrier(barrier(x).mT), w, -2, -2, options)
    w = choice.hold(w) if learned else w
    return barrier(barrier(_dot(barrier(w.mT), x, -1, -1, options)).mT)


def _dot(x, w, x_axis: int, w_axis: int, options):
    """Contracts one axis of each; the others but the last two are a stack's."""
    stack = tuple(range(x.ndim - 2))
    axes = ((x.ndim + x_axis,), (w.ndim + w_axis,))
    return lax.dot_general(x, w, (axes, (stack, stack)), **dict(options))

"""Matrix product whose gradient reads its cotangent as a plain array."""

from collections.abc import Callable
from functools import partial

from jax import lax

from research.models.kernels import choice


def dot_general(kernels: str) -> Callable:
    """Chooses the matrix product, of the signature of `lax.dot_general`."""
    return choice.choose(kernels, lax.dot_general, _dot_general)


def _dot_general(lhs, rhs, dimension_numbers, **options):
    native = partial(lax.dot_general, dimension_numbers=dimension_numbers, **options)

    def on_cpu(lhs, rhs):
        # The barrier is for its gradient: without one, the elementwise steps that make
        # the cotangent are written transposed, element by element, into the product
        # of the weight gradient.
        return lax.optimization_barrier(native(lhs, rhs))

    return lax.platform_dependent(lhs, rhs, cpu=on_cpu, default=native)

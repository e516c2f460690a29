"""What all forms share: the choice by mode, and arrays that fusion may not cross."""

from collections.abc import Callable

import jax.numpy as jnp
from jax import lax

# "flash" is "auto" with cuDNN's attention on GPU.
MODES = ("auto", "native", "flash")


def choose(kernels: str, native: Callable, auto: Callable) -> Callable:
    """Chooses by mode.

    Raises:
      ValueError: kernels is not of MODES.
    """
    if kernels not in MODES:
        raise ValueError(
            f"kernels must be one of {', '.join(MODES)}, got {kernels!r}; "
            "use 'auto' unless you compare the two"
        )
    return native if kernels == "native" else auto


def hold(x):
    """Keeps x an array of its own on CPU: no fusion crosses a conditional.

    XLA:CPU fuses cheap elementwise producers into every reader and computes them again
    for each, such as the nine slices of an image. `optimization_barrier` is gone before
    fusion, a conditional is not; the barrier hides that its condition always holds. The
    gradient passes the same conditional, so that the cotangent is held as well.
    """
    always = lax.optimization_barrier(jnp.bool_(True))
    return lax.cond(always, lambda x: x, jnp.zeros_like, x)


def held(kernels: str) -> Callable:
    """Chooses between nothing and `hold`, for what several operations read."""
    none = lambda x: x  # noqa: E731
    return choose(
        kernels, none, lambda x: lax.platform_dependent(x, cpu=hold, default=none)
    )

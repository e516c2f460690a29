"""Forms of standard operations that XLA runs faster on some platform."""

from collections.abc import Callable

import flax.linen as nn
from jax import lax

MODES = ("auto", "native")


def dot_general(kernels: str) -> Callable:
    """Chooses the matrix product, of the signature of `lax.dot_general`."""
    return lax.dot_general


def conv_general_dilated(kernels: str) -> Callable:
    """Chooses the convolution, of the signature of `lax.conv_general_dilated`."""
    return lax.conv_general_dilated


def max_pool(kernels: str) -> Callable:
    """Chooses the maximum over windows, of the signature of `nn.max_pool`."""
    return nn.max_pool


def avg_pool(kernels: str) -> Callable:
    """Chooses the mean over windows, of the signature of `nn.avg_pool`."""
    return nn.avg_pool

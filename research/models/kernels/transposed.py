"""Transposed convolution that doubles the sides, as one matrix product on CPU.

A 4x4 kernel at stride 2 gives every output four of its sixteen taps: which four depends
on whether row and column are even or odd, and all four parities of a place read the
same 2x2 inputs. So the convolution is one of 2x2 windows with four times the outputs,
which are then interleaved: y[2q - 1 + r, 2s - 1 + t] from x[q - 1 .. q, s - 1 .. s].
XLA:CPU convolves with the zeros between the inputs instead, four times the work.
"""

from collections.abc import Callable

import jax.numpy as jnp
from einops import rearrange
from jax import lax

from research.models.kernels import choice


def conv_transpose(kernels: str) -> Callable:
    """Chooses double(x, w): (b, h, w, c) and (4, 4, c, d) -> (b, 2h, 2w, d).

    As `nn.ConvTranspose` with kernel 4, stride 2 and padding "SAME" (PyTorch: padding
    1, its kernel mirrored).
    """
    return choice.choose(kernels, _native, _auto)


def _native(x, w):
    return lax.conv_general_dilated(
        x,
        w,
        window_strides=(1, 1),
        padding=((2, 2), (2, 2)),
        lhs_dilation=(2, 2),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _auto(x, w):
    return lax.platform_dependent(x, w, cpu=product, default=_native)


def product(x, w):
    """The convolution as one product; see the module's docstring."""
    rows, columns = x.shape[1:3]
    x = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    windows = [
        x[:, i : i + rows + 1, j : j + columns + 1] for i in (0, 1) for j in (0, 1)
    ]
    windows = jnp.concatenate(windows, axis=-1)
    # Tap 2i + r of the kernel is tap i of the parity r.
    w = rearrange(w, "(i r) (j t) c d -> (i j c) (r t d)", r=2, t=2)
    y = lax.dot_general(windows.reshape(-1, len(w)), w, (((1,), (0,)), ((), ())))
    y = lax.optimization_barrier(y)  # holds the cotangent, see `convolution`
    y = y.reshape(-1, rows + 1, columns + 1, 2, 2, w.shape[1] // 4)
    y = jnp.stack([y[:, :rows, :, 0], y[:, 1:, :, 1]], axis=2)
    y = jnp.stack([y[:, :, :, :columns, 0], y[:, :, :, 1:, 1]], axis=4)
    return rearrange(y, "b h r w t d -> b (h r) (w t) d")

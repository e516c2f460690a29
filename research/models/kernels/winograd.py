"""3x3 convolution whose weight gradient is made by Winograd's F(4x4, 3x3).

Lavin and Gray: Fast Algorithms for Convolutional Neural Networks (2016,
https://arxiv.org/abs/1509.09308): tiles of 4x4 outputs are 36 products instead of 144.
On CPU the value and the gradient of the image stay native, which is as fast; the native
gradient of the kernel is 1.3-5 times slower than this one.

The points of interpolation are 0, +-3/4, +-3/2 and infinity instead of the paper's 0,
+-1, +-2: with as many multiplications, the error of float32 falls from 12e-6 to 4e-6 of
the largest weight, hardly more than that of the sum itself (3e-6).
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_TILE, _TAPS = 4, 3
_SIZE = _TILE + _TAPS - 1
_POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)

# Fewer channels leave more to the transforms than the products save.
_CHANNELS = 32


def pays(x, w) -> bool:
    """Tells whether the form covers a 3x3 kernel on this image, and is faster."""
    rows = x.shape[0] * math.prod([-(-n // _TILE) for n in x.shape[1:3]])
    return (
        w.shape[:2] == (_TAPS, _TAPS)
        and x.dtype == w.dtype == jnp.float32
        and min(w.shape[2:]) >= _CHANNELS
        and rows >= max(w.shape[2:])  # each product reads more than it writes
    )


@partial(jax.custom_jvp, nondiff_argnums=(0, 1, 2))
def convolution(value, native, sides, x, w):
    """Convolves x (b, h, w, c) with w (3, 3, c, k) at stride 1.

    Args:
      value: the convolution that computes the value.
      native: the one whose transpose is the gradient of x.
      sides: its padding, ((top, bottom), (left, right)).
      x: float32 images.
      w: kernel.
    """
    return value(x, w)


@convolution.defjvp
def _convolution_jvp(value, native, sides, primals, tangents):
    (x, w), (dx, dw) = primals, tangents
    # The tangent's part of w runs only transposed: that is the weight gradient. The
    # checkpoint saves x for it instead of the 36 transformed arrays.
    by_tiles = jax.checkpoint(partial(_by_tiles, sides))
    tangent = native(dx, w) + by_tiles(x, dw)
    return value(x, w), lax.optimization_barrier(tangent)


def _by_tiles(sides, x, w):
    """Convolves by tiles: y = A^T [(G w G^T) * (B^T x B)] A."""
    (b, *size, c), k = x.shape, w.shape[-1]
    h, width = (
        n + sum(p) - _TAPS + 1 for n, p in zip(size, sides, strict=True)
    )  # of y
    rows, columns = -(-h // _TILE), -(-width // _TILE)
    pads = [
        (first, count * _TILE + _TAPS - 1 - n - first)
        for n, count, (first, _) in zip(size, (rows, columns), sides, strict=True)
    ]
    x = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    at, g, bt = _matrices()
    patches = [
        [_every(x, i, j, rows, columns).reshape(-1, c) for j in range(_SIZE)]
        for i in range(_SIZE)
    ]
    patches = _both_sides(bt, patches)
    kernels = jnp.einsum("ai,bj,ijck->abck", g, g, w).reshape(-1, c, k)
    kernels = iter(lax.split(kernels, (1,) * _SIZE**2))
    products = [[patch @ next(kernels)[0] for patch in line] for line in patches]
    tiles = [y for line in _both_sides(at, products) for y in line]
    y = jnp.stack(tiles).reshape(_TILE, _TILE, b, rows, columns, k)
    y = y.transpose(2, 3, 0, 4, 1, 5).reshape(b, rows * _TILE, columns * _TILE, k)
    return y[:, :h, :width]


def _every(x, i, j, rows, columns):
    """Pixel (i, j) of each tile's patch: (b, rows, columns, c)."""
    last = (rows - 1) * _TILE + 1, (columns - 1) * _TILE + 1
    return x[:, i : i + last[0] : _TILE, j : j + last[1] : _TILE]


def _matrices():
    """Makes A^T (4, 6), G (6, 3) and B^T (6, 6) by Toom and Cook's construction.

    Row k of B^T holds the coefficients of prod (x - p_l) over l != k, which G divides
    by its value at p_k; the last row is the point at infinity.
    """
    points = np.array(_POINTS)
    at, g, bt = np.zeros((_TILE, _SIZE)), np.zeros((_SIZE, _TAPS)), np.eye(_SIZE)
    for k, point in enumerate(points):
        others = np.delete(points, k)
        at[:, k] = point ** np.arange(_TILE)
        g[k] = point ** np.arange(_TAPS) / np.prod(point - others)
        bt[k, :-1] = np.polynomial.polynomial.polyfromroots(others)
        bt[k, -1] = 0
    at[-1, -1] = g[-1, -1] = 1
    bt[-1] = np.polynomial.polynomial.polyfromroots(points)
    return tuple(matrix.astype(np.float32) for matrix in (at, g, bt))


def _both_sides(matrix, grid):
    """Computes matrix @ grid @ matrix.T over nested lists of arrays, skipping zeros."""

    def combine(row, arrays):
        terms = [a * r for r, a in zip(row, arrays, strict=True) if r]
        return sum(terms[1:], terms[0])

    columns = list(zip(*grid, strict=True))
    half = [[combine(row, column) for column in columns] for row in matrix]
    return [[combine(row, line) for row in matrix] for line in half]

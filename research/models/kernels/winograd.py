"""The weight gradient of a 3x3 convolution by Winograd's F(4x4, 3x3).

Lavin and Gray: Fast Algorithms for Convolutional Neural Networks (2016,
https://arxiv.org/abs/1509.09308): tiles of 4x4 outputs are 36 products instead of 144.
On CPU the native gradient of the kernel is 1.5-10 times slower; the value and the
gradient of the image are not, and stay native.

The points of interpolation are 0, +-3/4, +-3/2 and infinity instead of the paper's 0,
+-1, +-2: with as many multiplications, the error of float32 falls from 12e-6 to 4e-6 of
the largest weight, hardly more than that of the sum itself (3e-6).
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_TILE, _TAPS = 4, 3
_SIZE = _TILE + _TAPS - 1
_POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)

# Fewer channels leave more to the transforms than the products save.
_CHANNELS = 16


def pays(x, y, taps, strides) -> bool:
    """Tells whether the form covers these images and outputs, and is faster."""
    channels = x.shape[-1], y.shape[-1]
    rows = len(y) * math.prod([-(-n // _TILE) for n in y.shape[1:3]])
    return (
        (*taps, *strides) == (_TAPS, _TAPS, 1, 1)
        and x.dtype == y.dtype == jnp.float32
        and min(channels) >= _CHANNELS
        and rows >= max(channels)  # each product reads more than it writes
    )


def weight_gradient(x, y, sides):
    """Computes the gradient (3, 3, c, k) of sum(y * (x convolved with w)) by w.

    Args:
      x: float32 images (b, h, w, c).
      y: cotangents (b, h', w', k).
      sides: the padding, ((top, bottom), (left, right)).
    """
    w = jax.ShapeDtypeStruct((_TAPS, _TAPS, x.shape[-1], y.shape[-1]), x.dtype)
    # Held: fusion would compute it again for each pixel of the tiles.
    y = lax.optimization_barrier(y)
    return jax.linear_transpose(lambda w: _by_tiles(sides, x, w), w)(y)[0]


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

"""Image sizes, and fitting position embeddings to another grid of patches."""

import math
from typing import Any

import numpy as np

_Grid = int | tuple[int, int]


def resize_positions(
    table: np.ndarray,
    grid: _Grid,
    *,
    old_grid: _Grid | None = None,
    antialias: bool = True,
) -> np.ndarray:
    """Interpolates position embeddings bicubically; a class token keeps its own.

    Args:
      table: (1, n, d), row by row; n is the old grid's patches, or one more when the
        first is a class token's.
      grid: (rows, columns) of patches wanted, or the side of a square.
      old_grid: of the table; None: square.
      antialias: widen the filter where the grid shrinks, as timm does (Keys' kernel
        with a = -0.5); without it, as Hugging Face does (a = -0.75).

    Returns:
      (1, n', d) of the table's type.

    Raises:
      ValueError: the table is not of the old grid.
    """
    rows, columns = (grid, grid) if isinstance(grid, int) else grid
    count, width = table.shape[1:]
    if old_grid is None:
        old_grid = math.isqrt(count)
    old_rows, old_columns = (
        (old_grid, old_grid) if isinstance(old_grid, int) else old_grid
    )
    extra = count - old_rows * old_columns
    if extra not in (0, 1):
        raise ValueError(
            f"{count} positions are no grid of {old_rows} x {old_columns} patches with "
            "at most one class token; give their old_grid"
        )
    if (rows, columns) == (old_rows, old_columns):
        return table
    patches = np.asarray(table[0, extra:], np.float32)
    patches = patches.reshape(old_rows, old_columns, width)
    patches = np.einsum("yr,rcd->ycd", _filter(old_rows, rows, antialias), patches)
    patches = np.einsum(
        "xc,ycd->yxd", _filter(old_columns, columns, antialias), patches
    )
    patches = patches.reshape(rows * columns, width).astype(table.dtype)
    return np.concatenate([table[0, :extra], patches])[None]


def _filter(old: int, new: int, antialias: bool) -> np.ndarray:
    """Computes the (new, old) weights of bicubic interpolation, pixel centres aligned.

    Without antialiasing the border repeats; with it, the filter is cut there and
    normalised again.
    """
    scale = old / new
    centres = (np.arange(new) + 0.5) * scale
    if antialias:
        width = max(scale, 1.0)
        distances = (np.arange(old)[None] + 0.5 - centres[:, None]) / width
        weights = _cubic(distances, a=-0.5)
        return (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    weights = np.zeros((new, old))
    first = np.floor(centres - 0.5).astype(int)
    for tap in range(-1, 3):
        source = first + tap
        share = _cubic(source + 0.5 - centres, a=-0.75)
        np.add.at(weights, (np.arange(new), np.clip(source, 0, old - 1)), share)
    return weights.astype(np.float32)


def _cubic(x: np.ndarray, a: float) -> np.ndarray:
    """Keys' cubic convolution kernel (1981), Eq. (4) with a free parameter a."""
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * a - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def image_size(positions: int, token: bool, patch: int) -> tuple[int, int]:
    """Tells the square image that a table of so many positions was made for.

    Raises:
      ValueError: the patches form no square.
    """
    side = math.isqrt(positions - token)
    if side * side != positions - token:
        raise ValueError(
            f"{positions} positions, {'one' if token else 'none'} of them a class "
            "token's, form no square of patches; bring the config.json of these weights"
        )
    return side * patch, side * patch


def height_width(size: Any) -> tuple[int, int]:
    """Reads a size as publishers write it: a side, a pair, or an object."""
    if isinstance(size, dict):
        return int(size["height"]), int(size["width"])
    if isinstance(size, list | tuple):
        return int(size[0]), int(size[1])
    return int(size), int(size)

"""Convolution as matrix products, where XLA:CPU multiplies matrices faster.

Facts about XLA:CPU that decide the forms:
  - Convolutions with few channels run at 5-30 GFLOP/s, matrix products at 150. So
    `_tiled` spends more multiplications and is 3-4 times as fast (LeNet's C1 with its
    gradients 5.6 -> 1.4 ms, C3 5.7 -> 2.1).
  - A 1x1 kernel, a kernel as large as its strides (patches) and one as large as the map
    need no overlap: they are one product, several times faster than the convolution's
    weight gradient.
  - XLA's weight gradients are slow, and so is what JAX derives twice; see `directions`,
    which has every convolution that no form here covers.
  - Cotangents made by cheap elementwise steps are fused, transposed, into the weight
    gradient's operand. The barrier behind each product holds its cotangent.
What did not help: whole rows as tiles (more multiplications), rows as channels of a
one-dimensional convolution, the batch as last axis (elementwise steps in between keep
the order b h w c), other tile sizes, compiler options; for a 7x7 stem, blocks of 2x2
pixels as channels; for the values of 3x3 kernels of 16-64 channels, patches or shifted
products.
"""

from collections.abc import Callable
from functools import partial

import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jax import lax

from research.models.kernels import choice, directions, rounded

# Up to these numbers of channels `_tiled` was faster; with twice as many mostly slower.
_FEW_INPUTS, _FEW_OUTPUTS = 8, 16

_NHWC = ("NHWC", "HWIO", "NHWC")
_PRODUCT = ("precision", "preferred_element_type")  # options of a product as well


def conv_general_dilated(kernels: str) -> Callable:
    """Chooses the convolution, of the signature of `lax.conv_general_dilated`."""
    return choice.choose(kernels, lax.conv_general_dilated, _conv_general_dilated)


def _conv_general_dilated(
    lhs,
    rhs,
    window_strides,
    padding,
    lhs_dilation=None,
    rhs_dilation=None,
    dimension_numbers=None,
    feature_group_count=1,
    **options,
):
    native = partial(
        lax.conv_general_dilated,
        window_strides=window_strides,
        padding=padding,
        lhs_dilation=lhs_dilation,
        rhs_dilation=rhs_dilation,
        dimension_numbers=dimension_numbers,
        feature_group_count=feature_group_count,
        **options,
    )
    plain = lhs.ndim == 4 and feature_group_count == 1
    plain = plain and options.get("batch_group_count", 1) == 1
    for steps in (lhs_dilation or (), rhs_dilation or ()):
        plain = plain and all(step == 1 for step in steps)
    numbers = lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    if not plain or numbers != lax.conv_dimension_numbers(lhs.shape, rhs.shape, _NHWC):
        return native(lhs, rhs)
    strides = tuple(window_strides)
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(lhs.shape[1:3], rhs.shape[:2], strides, padding)
    sides = tuple(tuple(p) for p in padding)
    out = [
        (n + sum(p) - k) // s + 1
        for n, p, k, s in zip(
            lhs.shape[1:3], sides, rhs.shape[:2], strides, strict=True
        )
    ]
    if min(out) < 1 or lhs.dtype != rhs.dtype:
        return native(lhs, rhs)
    product = {k: v for k, v in options.items() if k in _PRODUCT}
    form = _form(lhs, rhs, strides, sides, out, product)
    if form is not None:
        return lax.platform_dependent(lhs, rhs, cpu=form, default=native)
    if set(options.values()) - {None, 1}:
        return native(lhs, rhs)
    return directions.convolution(lhs, rhs, strides, sides)


def _form(x, w, strides, sides, out, product) -> Callable | None:
    """Chooses a form (x, w) -> y by the shapes, or none; out: height and width of y."""
    kernel, (inputs, outputs) = w.shape[:2], w.shape[2:]
    padded = any(map(any, sides))
    if out == [1, 1] and not padded and kernel == x.shape[1:3]:
        return partial(_whole, **product)
    if not padded and kernel in ((1, 1), strides):
        return partial(_patches, strides=strides, out=out, **product)
    if (
        strides == (1, 1)
        and not set(product.values()) - {None}
        and inputs <= _FEW_INPUTS
        and outputs <= _FEW_OUTPUTS
        and min(kernel) > 1
        and all(k % 2 == 1 and n % 2 == 0 for k, n in zip(kernel, out, strict=True))
    ):
        return lambda x, w: _tiled(jnp.pad(x, ((0, 0), *sides, (0, 0))), w)
    return None


def _patches(x, w, strides, out, **options):
    """Convolution whose windows do not overlap: one product of their pixels."""
    (p, q), (s, t), (rows, columns) = w.shape[:2], strides, out
    if (p, q) == (1, 1):
        x = x[:, ::s, ::t]
    else:
        x = x[:, : rows * p, : columns * q]
        x = rearrange(x, "b (h p) (w q) c -> b h w (p q c)", p=p, q=q)
    y = _product(x.reshape(-1, x.shape[-1]), w, **options)
    return y.reshape(-1, rows, columns, w.shape[-1])


def _product(x, w, **options):
    """Products of rows of pixels and a kernel; holds the cotangent."""
    w = w.reshape(-1, w.shape[-1])
    if rounded.wanted(x, w, options.get("precision")):
        return rounded.product(x, w)
    y = lax.dot_general(x, w, (((1,), (0,)), ((), ())), **options)
    return lax.optimization_barrier(y)


def _whole(x, w, **options):
    """Convolution whose kernel covers the whole map: one matrix product."""
    y = _product(x.reshape(-1, np.prod(x.shape[1:])), w, **options)
    return y[:, None, None, :]


def _tiled(x, w):
    """Convolution as one matrix product of 2x2 outputs per row.

    A tile of 2x2 outputs depends on a patch of (kh + 1, kw + 1) inputs. Where kh and kw
    are odd, it is made of whole 2x2 blocks; so patches are slices of the image whose
    blocks were moved into the channels (space to depth). The kernel is spread over the
    patch once per output of the tile, with zeros elsewhere.
    """
    kh, kw, _, k = w.shape
    _, height, width, _ = x.shape
    rows, columns = (height - kh + 1) // 2, (width - kw + 1) // 2
    # "p q" is the place within a 2x2 block, of inputs (i j for blocks of a patch) ...
    blocks = choice.hold(rearrange(x, "b (h p) (w q) c -> b h w (p q c)", p=2, q=2))
    patches = jnp.concatenate(
        [
            blocks[:, i : i + rows, j : j + columns]
            for i in range((kh + 1) // 2)
            for j in range((kw + 1) // 2)
        ],
        axis=-1,
    )
    # ... and "r s" of outputs.
    spread = jnp.einsum("yxck,yur,xvs->uvcrsk", w, _band(kh, x), _band(kw, x))
    spread = rearrange(spread, "(i p) (j q) c r s k -> (i j p q c) (r s k)", p=2, q=2)
    # One row per tile: as an einsum over "b h w" the cotangent is written transposed.
    y = patches.reshape(-1, patches.shape[-1]) @ spread
    y = lax.optimization_barrier(y).reshape(-1, rows, columns, 2, 2, k)
    return rearrange(y, "b h w r s k -> b (h r) (w s) k")


def _band(taps: int, x):
    """One-hot (taps, taps + 1, 2): input u feeds output r through tap u - r."""
    return jnp.asarray(
        np.stack([np.eye(taps, taps + 1, r) for r in (0, 1)], -1), x.dtype
    )

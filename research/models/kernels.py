"""Forms of standard operations that XLA runs faster on one platform, equal in value.

Each function here chooses between "native", the operation of JAX or Flax itself, and
"auto", a form of the same signature. `lax.platform_dependent` makes the choice when a
program is lowered: no branch is left at run time, exported programs serve every
platform, and GPU and TPU keep the native operation. Where a form does not cover an
argument (strides, dilation, groups, many channels, ...), "auto" is native as well.

Three facts about XLA:CPU decide the forms (process time on LeNet-5, batch 64):
  - Convolutions with few channels run at 5-30 GFLOP/s, matrix products at 150. So
    `_tiled` spends more multiplications and is 3-4 times as fast (C1 with its gradients
    5.6 -> 1.4 ms, C3 5.7 -> 2.1).
  - Cheap elementwise producers are fused into every reader and computed again for each,
    the nine slices of an image as well as the four corners of a pooling window.
    `optimization_barrier` does not stop that, `_hold` does (a step 8.1 -> 6.1 ms).
  - The gradient of `nn.max_pool` is a serial select-and-scatter; saving the winner's
    place costs a third of it.
What did not help: whole rows as tiles (more multiplications), rows as channels of a
one-dimensional convolution, the batch as last axis (elementwise steps in between keep
the order b h w c), other tile sizes, compiler options.
"""

from collections.abc import Callable
from functools import partial, reduce

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from einops import rearrange
from jax import lax

MODES = ("auto", "native")

# Up to these numbers of channels `_tiled` was faster; with twice as many mostly slower.
_FEW_INPUTS, _FEW_OUTPUTS = 8, 16


def dot_general(kernels: str) -> Callable:
    """Chooses the matrix product, of the signature of `lax.dot_general`."""
    return _choose(kernels, lax.dot_general, _dot_general)


def conv_general_dilated(kernels: str) -> Callable:
    """Chooses the convolution, of the signature of `lax.conv_general_dilated`."""
    return _choose(kernels, lax.conv_general_dilated, _conv_general_dilated)


def max_pool(kernels: str) -> Callable:
    """Chooses the maximum over windows, of the signature of `nn.max_pool`."""
    return _choose(kernels, nn.max_pool, _max_pool)


def avg_pool(kernels: str) -> Callable:
    """Chooses the mean over windows, of the signature of `nn.avg_pool`."""
    return _choose(kernels, nn.avg_pool, _avg_pool)


def batch_norm(kernels: str) -> Callable:
    """Chooses the class of batch normalisation, of the fields of `nn.BatchNorm`."""
    return _choose(kernels, nn.BatchNorm, nn.BatchNorm)


def layer_norm(kernels: str) -> Callable:
    """Chooses the class of layer normalisation, of the fields of `nn.LayerNorm`."""
    return _choose(kernels, nn.LayerNorm, nn.LayerNorm)


def gelu(kernels: str) -> Callable:
    """Chooses the exact gelu, of the signature of `jax.nn.gelu`."""
    native = partial(jax.nn.gelu, approximate=False)
    return _choose(kernels, native, native)


def attention(kernels: str) -> Callable:
    """Chooses softmax(q k^T / sqrt(d)) v: (q, k, v, mask=None, causal=False)."""
    return _choose(kernels, _native_attention, _native_attention)


def _native_attention(q, k, v, mask=None, causal=False):
    return jax.nn.dot_product_attention(q, k, v, mask=mask, is_causal=causal)


def _choose(kernels: str, native: Callable, auto: Callable) -> Callable:
    if kernels not in MODES:
        raise ValueError(
            f"kernels must be one of {', '.join(MODES)}, got {kernels!r}; "
            "use 'auto' unless you compare the two"
        )
    return native if kernels == "native" else auto


def _hold(x):
    """Keeps x an array of its own on CPU: no fusion crosses a conditional.

    The barrier hides from the compiler that the condition always holds. The gradient
    passes the same conditional, so that the cotangent is held as well.
    """
    always = lax.optimization_barrier(jnp.bool_(True))
    return lax.cond(always, lambda x: x, jnp.zeros_like, x)


def _dot_general(lhs, rhs, dimension_numbers, **options):
    native = partial(lax.dot_general, dimension_numbers=dimension_numbers, **options)

    def on_cpu(lhs, rhs):
        # The barrier is for its gradient: without one, the elementwise steps that make
        # the cotangent are written transposed, element by element, into the product
        # of the weight gradient.
        return lax.optimization_barrier(native(lhs, rhs))

    return lax.platform_dependent(lhs, rhs, cpu=on_cpu, default=native)


_NHWC = ("NHWC", "HWIO", "NHWC")


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
    for steps in (window_strides, lhs_dilation or (), rhs_dilation or ()):
        plain = plain and all(step == 1 for step in steps)
    if options.get("batch_group_count", 1) != 1 or not plain:
        return native(lhs, rhs)
    numbers = lax.conv_dimension_numbers(lhs.shape, rhs.shape, dimension_numbers)
    if numbers != lax.conv_dimension_numbers(lhs.shape, rhs.shape, _NHWC):
        return native(lhs, rhs)

    kernel, (inputs, outputs) = rhs.shape[:2], rhs.shape[2:]
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(lhs.shape[1:3], kernel, (1, 1), padding)
    out = [
        n + sum(p) - k + 1
        for n, p, k in zip(lhs.shape[1:3], padding, kernel, strict=True)
    ]
    if out == [1, 1] and not np.any(padding):
        form = _whole
    elif (
        inputs <= _FEW_INPUTS
        and outputs <= _FEW_OUTPUTS
        and min(kernel) > 1
        and all(
            k % 2 == 1 and n > 0 and n % 2 == 0
            for k, n in zip(kernel, out, strict=True)
        )
    ):
        form = _tiled
    else:
        return native(lhs, rhs)

    def on_cpu(lhs, rhs):
        return form(jnp.pad(lhs, ((0, 0), *padding, (0, 0))), rhs)

    return lax.platform_dependent(lhs, rhs, cpu=on_cpu, default=native)


def _whole(x, w):
    """Convolution whose kernel covers the whole map: one matrix product."""
    y = x.reshape(-1, np.prod(x.shape[1:])) @ w.reshape(-1, w.shape[-1])
    return lax.optimization_barrier(y)[:, None, None, :]


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
    blocks = _hold(rearrange(x, "b (h p) (w q) c -> b h w (p q c)", p=2, q=2))
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


def _windows(x, window_shape, strides, padding) -> bool:
    """Whether the windows of a pooling tile a batch of images without overlap."""
    return (
        x.ndim == 4
        and padding == "VALID"
        and tuple(strides or (1,) * len(window_shape)) == tuple(window_shape)
        and all(n >= w for n, w in zip(x.shape[1:3], window_shape, strict=False))
    )


def _corners(x, window) -> list:
    """The (b, h / p, w / q, c) slices of x at each place of a (p, q) window."""
    p, q = window
    h, w = x.shape[1] // p * p, x.shape[2] // q * q
    return [x[:, i:h:p, j:w:q] for i in range(p) for j in range(q)]


def _split(x, window):
    """Gives the places of the windows axes of their own: (b, h / p, p, w / q, q, c)."""
    p, q = window
    h, w = x.shape[1] // p * p, x.shape[2] // q * q
    return rearrange(x[:, :h, :w], "b (h p) (w q) c -> b h p w q c", p=p, q=q)


def _max_pool(inputs, window_shape, strides=None, padding="VALID"):
    native = partial(
        nn.max_pool, window_shape=window_shape, strides=strides, padding=padding
    )
    if not _windows(inputs, window_shape, strides, padding):
        return native(inputs)
    on_cpu = partial(_max_windows, tuple(window_shape))
    return lax.platform_dependent(inputs, cpu=on_cpu, default=native)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _max_windows(window, x):
    return reduce(jnp.maximum, _corners(x, window))


@_max_windows.defjvp
def _max_windows_jvp(window, primals, tangents):
    best = _max_windows(window, *primals)
    corners = _corners(*primals, window)
    winner = jnp.full(best.shape, len(corners) - 1, jnp.int8)
    for place in range(len(corners) - 2, -1, -1):  # of equal values the first wins
        winner = jnp.where(corners[place] == best, jnp.int8(place), winner)
    winner = rearrange(_hold(winner), "b h w c -> b h 1 w 1 c")
    places = jnp.arange(len(corners), dtype=jnp.int8)
    places = rearrange(places, "(p q) -> 1 1 p 1 q 1", p=window[0])
    moved = jnp.where(winner == places, _split(*tangents, window), 0)
    return best, jnp.sum(moved, axis=(2, 4))


def _avg_pool(
    inputs, window_shape, strides=None, padding="VALID", count_include_pad=True
):
    native = partial(
        nn.avg_pool,
        window_shape=window_shape,
        strides=strides,
        padding=padding,
        count_include_pad=count_include_pad,
    )
    if not _windows(inputs, window_shape, strides, padding):
        return native(inputs)
    on_cpu = partial(_avg_windows, tuple(window_shape))
    return lax.platform_dependent(inputs, cpu=on_cpu, default=native)


@partial(jax.custom_jvp, nondiff_argnums=(0,))
def _avg_windows(window, x):
    corners = _corners(x, window)
    return sum(corners[1:], corners[0]) / len(corners)


@_avg_windows.defjvp
def _avg_windows_jvp(window, primals, tangents):
    # Its transpose repeats the cotangent; that of `_corners` is a sum of padded ones.
    mean = jnp.mean(_split(*tangents, window), axis=(2, 4))
    return _avg_windows(window, *primals), mean

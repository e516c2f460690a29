"""Pooling whose gradient is not a scatter.

The gradient of `nn.max_pool` is a serial select-and-scatter on CPU; saving the winner's
place costs a third of it. Windows that tile the image and windows that overlap (the 3x3
of stride 2 behind a ResNet's stem) have a form each.
"""

import math
from collections.abc import Callable
from functools import partial, reduce

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jax import lax

from research.models.kernels import choice


def max_pool(kernels: str) -> Callable:
    """Chooses the maximum over windows, of the signature of `nn.max_pool`."""
    return choice.choose(kernels, nn.max_pool, _max_pool)


def avg_pool(kernels: str) -> Callable:
    """Chooses the mean over windows, of the signature of `nn.avg_pool`."""
    return choice.choose(kernels, nn.avg_pool, _avg_pool)


def _max_pool(inputs, window_shape, strides=None, padding="VALID"):
    native = partial(
        nn.max_pool, window_shape=window_shape, strides=strides, padding=padding
    )
    if _windows(inputs, window_shape, strides, padding):
        on_cpu = partial(_max_windows, tuple(window_shape))
    elif _overlapping(inputs, window_shape, strides):
        sides = padding
        if isinstance(padding, str):
            sides = lax.padtype_to_pads(
                inputs.shape[1:3], window_shape, strides, padding
            )

        def on_cpu(x):
            x = jnp.pad(x, ((0, 0), *sides, (0, 0)), constant_values=-jnp.inf)
            return _max_overlapping(tuple(window_shape), tuple(strides), x)

    else:
        return native(inputs)
    return lax.platform_dependent(inputs, cpu=on_cpu, default=native)


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
    winner = rearrange(choice.hold(winner), "b h w c -> b h 1 w 1 c")
    places = jnp.arange(len(corners), dtype=jnp.int8)
    places = rearrange(places, "(p q) -> 1 1 p 1 q 1", p=window[0])
    moved = jnp.where(winner == places, _split(*tangents, window), 0)
    return best, jnp.sum(moved, axis=(2, 4))


def _overlapping(x, window_shape, strides) -> bool:
    """Whether images are pooled with strides, each window reaching into the next."""
    return (
        x.ndim == 4
        and jnp.issubdtype(x.dtype, jnp.floating)
        and strides is not None
        and all(1 < s < w for w, s in zip(window_shape, strides, strict=True))
    )


def _places(x, window, strides) -> list:
    """The (b, rows, columns, c) slices of x at each place of an overlapping window."""
    rows, columns = _outputs(x, window, strides)
    (p, q), (s, t) = window, strides
    return [
        x[:, i : i + (rows - 1) * s + 1 : s, j : j + (columns - 1) * t + 1 : t]
        for i in range(p)
        for j in range(q)
    ]


def _outputs(x, window, strides) -> list[int]:
    sizes = zip(x.shape[1:3], window, strides, strict=True)
    return [(n - w) // s + 1 for n, w, s in sizes]


@partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _max_overlapping(window, strides, x):
    return reduce(jnp.maximum, _places(x, window, strides))


@_max_overlapping.defjvp
def _max_overlapping_jvp(window, strides, primals, tangents):
    (x,), (tangent,) = primals, tangents
    best, winner = None, None
    for place, value in enumerate(_places(x, window, strides)):
        if best is None:
            best, winner = value, jnp.zeros(value.shape, jnp.int8)
        else:  # of equal values the first wins
            winner = jnp.where(value > best, jnp.int8(place), winner)
            best = jnp.maximum(best, value)
    best, winner = lax.optimization_barrier((best, winner))
    # Slices of every s-th pixel would be scattered back with gaps, each over the whole
    # image; so the pixels are first split by their place in a stride.
    (s, t), (rows, columns) = strides, _outputs(x, window, strides)
    height, width = (
        n + (w - 1) // k
        for n, w, k in zip((rows, columns), window, strides, strict=True)
    )
    tangent = tangent[:, : height * s, : width * t]
    missing = (height * s - tangent.shape[1], width * t - tangent.shape[2])
    tangent = jnp.pad(tangent, ((0, 0), (0, missing[0]), (0, missing[1]), (0, 0)))
    phases = rearrange(tangent, "b (h s) (w t) c -> (s t) b h w c", s=s, t=t)
    phases = [phase[0] for phase in lax.split(phases, (1,) * (s * t))]
    moved = 0
    for place in range(math.prod(window)):
        i, j = divmod(place, window[1])
        phase = phases[i % s * t + j % t]
        part = phase[:, i // s : i // s + rows, j // t : j // t + columns]
        moved = moved + jnp.where(winner == place, part, 0)
    return best, lax.optimization_barrier(moved)


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

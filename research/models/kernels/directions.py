"""Convolution whose derivatives, of any order, are as fast as itself on CPU.

sum(y * (x convolved with w)) is linear in each of the three. Its derivatives are three
directions: y of x and w, x of y and w, w of x and y. The derivatives of each are the
other two, which is all that the primitives below tell JAX. Facts about XLA:CPU that
decide their forms:
  - It brings a convolution into its fast order of axes only in the program's outermost
    computation. What JAX transposes has another order, so that inside a conditional it
    runs as nested loops, 40-100 times slower (a weight gradient 37 -> 3,700 ms); a
    derivative of a derivative does so anywhere (1,160 -> 33 ms). So axes move first.
  - The weight gradient runs at half the others' speed or less. Winograd's form is 1.5
    to 10 times as fast where it applies, products of shifted images 1.5 to 4 times
    elsewhere: one for each tap, with few channels one for each row of taps.
  - Without any padding a 3x3 kernel takes 3 times as long as with some (80 -> 27 ms for
    the MNIST CNN's second).
On other platforms they are the native convolution and its transposes.
"""

from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir

from research.models.kernels import winograd

_NHWC = ("NHWC", "HWIO", "NHWC")
_FEW = 32  # channels below which a product takes a row of taps


class Window(NamedTuple):
    """What is known of a convolution beside its operands.

    Attributes:
      size: height and width of x.
      taps: of w.
      strides: of both axes.
      sides: the padding, ((top, bottom), (left, right)).
    """

    size: tuple[int, int]
    taps: tuple[int, int]
    strides: tuple[int, int]
    sides: tuple[tuple[int, int], tuple[int, int]]


def convolution(x, w, strides, sides):
    """Convolves x (b, h, w, c) with w (i, j, c, k), of one type, to (b, h', w', k)."""
    window = Window(x.shape[1:3], w.shape[:2], strides, sides)
    y = _forward.bind(x, w, window=window)
    return lax.optimization_barrier(y)  # holds the cotangent


def _native(x, w, window: Window):
    return lax.conv_general_dilated(
        x, w, window.strides, window.sides, dimension_numbers=_NHWC
    )


def _forward_cpu(x, w, window):
    _, taps, strides, sides = window
    plain = (*taps, *strides) == (3, 3, 1, 1) and not any(map(any, sides))
    if plain and x.shape[-1] >= _FEW:
        # One column of padding, and what it adds is cut.
        return _native(x, w, window._replace(sides=((0, 0), (0, 1))))[:, :, :-1]
    return _native(x, w, window)


def _image(y, w, window):
    x = jax.ShapeDtypeStruct((len(y), *window.size, w.shape[2]), y.dtype)
    return jax.linear_transpose(partial(_native, w=w, window=window), x)(y)[0]


def _image_cpu(y, w, window):
    pads = []
    for n, m, k, s, (first, _) in zip(
        window.size,
        y.shape[1:3],
        window.taps,
        window.strides,
        window.sides,
        strict=True,
    ):
        before = k - 1 - first
        pads.append((before, n + k - 1 - ((m - 1) * s + 1) - before))
    return lax.conv_general_dilated(
        y,
        lax.rev(w, (0, 1)).swapaxes(2, 3),
        (1, 1),
        pads,
        lhs_dilation=window.strides,
        dimension_numbers=_NHWC,
    )


def _kernel(x, y, window):
    w = jax.ShapeDtypeStruct((*window.taps, x.shape[-1], y.shape[-1]), x.dtype)
    return jax.linear_transpose(lambda w: _native(x, w, window), w)(y)[0]


def _kernel_cpu(x, y, window):
    """Products of slices of x, one for each tap, and y."""
    if winograd.pays(x, y, window.taps, window.strides):
        return winograd.weight_gradient(x, y, window.sides)
    (rows, columns), (s, t) = window.taps, window.strides
    none = (0, 0, 0)
    pads = (none, *((*side, 0) for side in window.sides), none)
    x = lax.pad(x, jnp.zeros((), x.dtype), pads)  # which crops where it is negative
    h, width = ((m - 1) * s + 1 for m, s in zip(y.shape[1:3], (s, t), strict=True))
    slices = [
        [x[:, i : i + h : s, j : j + width : t] for j in range(columns)]
        for i in range(rows)
    ]
    if x.shape[-1] < _FEW:
        slices = [[jnp.concatenate(line, axis=-1)] for line in slices]
    # As matrices: a contraction over three axes takes half as long again.
    y, over = y.reshape(-1, y.shape[-1]), (((0,), (0,)), ((), ()))
    parts = [part.reshape(len(y), -1) for line in slices for part in line]
    w = [lax.dot_general(part, y, over) for part in parts]
    return jnp.stack(w).reshape(rows, columns, -1, y.shape[-1])


def _direction(name: str, default, cpu) -> Primitive:
    """Makes the primitive of one direction (a, b, window) -> c."""
    primitive = Primitive(name)

    @cache
    def compiled(window):
        return jax.jit(partial(primitive.bind, window=window))

    def batched(args, axes, **window):
        return jax.vmap(partial(default, **window), in_axes=axes)(*args), 0

    primitive.def_impl(lambda a, b, window: compiled(window)(a, b))
    primitive.def_abstract_eval(
        lambda a, b, window: jax.core.ShapedArray(
            (c := jax.eval_shape(partial(default, window=window), a, b)).shape, c.dtype
        )
    )
    batching.primitive_batchers[primitive] = batched
    for form, platform in ((default, None), (cpu, "cpu")):
        rule = mlir.lower_fun(form, multiple_results=False)
        mlir.register_lowering(primitive, rule, platform=platform)
    return primitive


_forward = _direction("conv_general_dilated_forward", _native, _forward_cpu)
_to_image = _direction("conv_general_dilated_image", _image, _image_cpu)
_to_kernel = _direction("conv_general_dilated_kernel", _kernel, _kernel_cpu)

ad.defbilinear(
    _forward,
    lambda y, x, w, window: _to_image.bind(y, w, window=window),
    lambda y, x, w, window: _to_kernel.bind(x, y, window=window),
)
ad.defbilinear(
    _to_image,
    lambda x, y, w, window: _forward.bind(x, w, window=window),
    lambda x, y, w, window: _to_kernel.bind(x, y, window=window),
)
ad.defbilinear(
    _to_kernel,
    lambda w, x, y, window: _to_image.bind(y, w, window=window),
    lambda w, x, y, window: _forward.bind(x, w, window=window),
)

"""Convolution of a map whose sides are doubled first, as one matrix product on CPU.

Nearest-neighbour doubling repeats every input four times, so a 3x3 kernel over the
doubled map sees at most 2x2 different inputs: it is the transposed convolution whose
4x4 kernel sums the taps that meet the same input, with 4/9 of the multiplications and
without the doubled map (1.2 to 4 times as fast with gradients, 1 to 256 channels).
The pair is the "resize-convolution" of Odena et al. 2016,
https://distill.pub/2016/deconv-checkerboard
"""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from research.models.kernels import choice, transposed
from research.models.kernels.convolution import conv_general_dilated

# Row i of the 4x4 kernel is the sum of these rows of the 3x3 kernel.
_SUMS = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1], [0, 0, 1]], np.float32)


def resize_conv(kernels: str, sides: Sequence[int] | None = None) -> Callable:
    """Chooses the convolution, of the signature of `lax.conv_general_dilated`.

    Args:
      kernels: "auto" or "native".
      sides: of the map that the kernel sees, at most twice those of x; None: twice.
    """
    convolve = conv_general_dilated(kernels)

    def apart(x, w, *args, **options):
        return convolve(upsample(x, sides), w, *args, **options)

    def together(x, w, window_strides, padding, **options):
        def native(x, w):
            return apart(x, w, window_strides, padding, **options)

        steps = [*window_strides]
        for name in ("lhs_dilation", "rhs_dilation"):
            steps += options.get(name) or ()
        plain = x.ndim == 4 and w.shape[:2] == (3, 3) and set(steps) == {1}
        plain = plain and padding == "SAME" and options.get("feature_group_count") == 1
        plain = plain and options.get("precision") is None
        plain = plain and sides in (None, tuple(2 * n for n in x.shape[1:3]))
        if not plain:
            return native(x, w)
        return lax.platform_dependent(x, w, cpu=_transposed, default=native)

    return choice.choose(kernels, apart, together)


def upsample(
    x: Float[Array, "b *sides c"], sides: Sequence[int] | None = None
) -> Float[Array, "b *doubled c"]:
    """Doubles the sides of a map, of one, two or more dimensions, by repetition.

    Args:
      x: the map.
      sides: of the result, twice those of x or less; what is beyond is cut off. None:
        twice those of x.
    """
    for axis in range(1, x.ndim - 1):
        x = jnp.repeat(x, 2, axis=axis)
        if sides is not None:
            x = lax.slice_in_dim(x, 0, sides[axis - 1], axis=axis)
    return x


def _transposed(x, w):
    sums = jnp.asarray(_SUMS, w.dtype)
    return transposed.product(x, jnp.einsum("iy,jx,yxcd->ijcd", sums, sums, w))

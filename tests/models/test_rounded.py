"""Products of rounded numbers equal those of JAX on numbers that were rounded before.

The reference multiplies in NumPy's float64 what ml_dtypes rounds to bfloat16; tolerance
1e-5 of the largest value, for the sums are of float32.
"""

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from jax import export

from research.models import kernels, layers
from research.models.kernels import rounded

_BY_ROWS, _BY_TABLE = (((2,), (0,)), ((), ())), (((2,), (1,)), ((), ()))


def _normal(*shape):
    generator = np.random.default_rng(sum(shape))
    return jnp.asarray(generator.normal(size=shape), jnp.float32)


def _round(x):
    return np.asarray(x).astype(ml_dtypes.bfloat16).astype(np.float64)


def _close(got, expected):
    bound = 1e-5 * np.abs(expected).max()
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=0, atol=bound)


@pytest.mark.parametrize("axes", [_BY_ROWS, _BY_TABLE], ids=["weight", "table"])
def test_a_product_and_its_gradients_are_of_rounded_numbers(axes):
    x, w, dy = _normal(3, 7, 20), _normal(20, 9), _normal(3, 7, 9)
    table = axes is _BY_TABLE
    with jax.default_matmul_precision(rounded.PRECISION):
        y, pull = jax.vjp(
            lambda x, w: kernels.dot_general("auto")(x, w, axes),
            *(x, w.T if table else w),
        )
        dx, dw = pull(dy)
    _close(y, _round(x) @ _round(w))
    _close(dx, _round(dy) @ _round(w).T)
    expected = _round(x).reshape(-1, 20).T @ _round(dy).reshape(-1, 9)
    _close(dw, expected.T if table else expected)


@pytest.mark.parametrize("learning", [0, 1])
def test_a_gradient_that_nobody_reads_is_not_computed(learning):
    axes = (((1,), (0,)), ((), ()))

    def loss(x, w):
        return jnp.sum(jnp.sin(kernels.dot_general("auto")(x, w, axes)))

    with jax.default_matmul_precision(rounded.PRECISION):
        step = jax.jit(jax.grad(loss, learning))
        text = step.lower(_normal(64, 20), _normal(20, 96)).compile().as_text()
    dots = [line for line in text.splitlines() if " dot(" in line]
    assert len(dots) == 2, "the value, for the sine's slope, and one gradient"


def test_a_pointwise_convolution_is_such_a_product():
    x, w = _normal(2, 5, 4, 20), _normal(1, 1, 20, 9)
    numbers = ("NHWC", "HWIO", "NHWC")
    with jax.default_matmul_precision(rounded.PRECISION):
        y = kernels.conv_general_dilated("auto")(
            x, w, (1, 1), "SAME", dimension_numbers=numbers
        )
    _close(y, _round(x) @ _round(w)[0, 0])


@pytest.mark.parametrize(
    "case", ["default", "highest", "own precision", "few rows", "bfloat16", "native"]
)
def test_other_products_are_not_rounded(case):
    rows = 16 if case == "few rows" else 21
    dtype = "bfloat16" if case == "bfloat16" else "float32"
    x, w = _normal(rows, 20).astype(dtype), _normal(20, 9).astype(dtype)
    asked = case if case in ("default", "highest") else rounded.PRECISION
    own = "highest" if case == "own precision" else None
    product = kernels.dot_general("native" if case == "native" else "auto")
    axes = (((1,), (0,)), ((), ()))
    with jax.default_matmul_precision(asked):
        y = product(x, w, axes, precision=own)
    assert y.dtype == x.dtype
    exact = np.asarray(x, np.float64) @ np.asarray(w, np.float64)
    bound = 2**-8 if case == "bfloat16" else 1e-6
    np.testing.assert_allclose(
        np.asarray(y, np.float64), exact, rtol=bound, atol=bound * np.abs(exact).max()
    )


def test_second_derivatives_and_batches_follow():
    """A penalty of a gradient, as for discriminators, near that of float32."""
    w, x = _normal(24, 24) / 5, _normal(20, 24)

    def penalty(w, x):
        layer = layers.dense("auto", use_bias=False)(24)

        def value(x):
            return jnp.sum(jnp.tanh(layer.apply({"params": {"kernel": w}}, x)))

        return jnp.sum(jax.grad(value)(x) ** 2)

    exact = jax.grad(penalty)(w, x)
    with jax.default_matmul_precision(rounded.PRECISION):
        got = jax.grad(penalty)(w, x)
        many = jax.vmap(jax.grad(penalty), (None, 0))(w, jnp.stack([x, x]))
    error = float(jnp.linalg.norm(got - exact) / jnp.linalg.norm(exact))
    assert 0 < error < 2**-7, "two roundings of 8 bits"
    bound = 1e-5 * float(jnp.abs(got).max())
    np.testing.assert_allclose(many[1], got, rtol=0, atol=bound)


def test_exported_programs_leave_the_batch_open():
    x = export.symbolic_shape("batch, 20")
    shapes = [jax.ShapeDtypeStruct(s, jnp.float32) for s in (x, (20, 9))]
    axes = (((1,), (0,)), ((), ()))
    multiply = jax.jit(lambda x, w: kernels.dot_general("auto")(x, w, axes))
    with jax.default_matmul_precision(rounded.PRECISION):
        program = export.export(multiply)(*shapes)
    x, w = _normal(21, 20), _normal(20, 9)
    np.testing.assert_allclose(program.call(x, w), x @ w, rtol=1e-5, atol=1e-5)

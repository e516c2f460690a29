"""Every form equals the operation that it replaces, in value and in gradient.

Tolerance 1e-5 of the largest value: the order of float32 sums differs.
"""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from research.models import kernels

NHWC = ("NHWC", "HWIO", "NHWC")


def _normal(*shape):
    generator = np.random.default_rng(sum(shape))
    return jnp.asarray(generator.normal(size=shape), jnp.float32)


def _value_and_gradients(function, *args):
    value, pull = jax.vjp(function, *args)
    cotangent = jnp.cos(jnp.arange(value.size, dtype=value.dtype))
    return value, pull(cotangent.reshape(value.shape))


def _assert_equal(auto, native, *args):
    ours = jax.jit(lambda *a: _value_and_gradients(auto, *a))(*args)
    theirs = jax.jit(lambda *a: _value_and_gradients(native, *a))(*args)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * (1 + jnp.abs(b).max()))


def _convolutions(strides=(1, 1), padding="VALID", **options):
    def bind(mode):
        form = kernels.conv_general_dilated(mode)
        options.setdefault("dimension_numbers", NHWC)
        return lambda x, w: form(x, w, strides, padding, **options)

    return bind("auto"), bind("native")


def _lowered(function, platform, *args):
    traced = jax.jit(function).trace(*args)
    return traced.lower(lowering_platforms=(platform,)).as_text()


@pytest.mark.parametrize(
    "image, kernel, padding",
    [
        ((32, 32, 1), (5, 5, 1, 6), "VALID"),  # LeNet C1
        ((14, 14, 6), (5, 5, 6, 16), "VALID"),  # LeNet C3
        ((8, 8, 3), (3, 3, 3, 8), "SAME"),
        ((9, 10, 2), (3, 5, 2, 3), [(1, 0), (2, 2)]),
        ((5, 5, 16), (5, 5, 16, 12), "VALID"),  # LeNet C5, the whole map
        ((6, 5, 8), (1, 1, 8, 4), "SAME"),
        ((6, 7, 8), (1, 1, 8, 4), dict(strides=(2, 2))),  # a ResNet's shortcut
        ((12, 8, 3), (4, 4, 3, 8), dict(strides=(4, 4))),  # a ViT's patches
        ((14, 9, 3), (4, 4, 3, 8), dict(strides=(4, 4))),  # pixels left over
    ],
)
def test_convolution_by_products_equals_native(image, kernel, padding):
    x, w = _normal(2, *image), _normal(*kernel)
    options = padding if isinstance(padding, dict) else dict(padding=padding)
    auto, native = _convolutions(**options)
    assert "stablehlo.convolution" not in _lowered(auto, "cpu", x, w)
    _assert_equal(auto, native, x, w)


@pytest.mark.parametrize(
    "image, kernel, options",
    [
        ((8, 8, 2), (3, 3, 2, 4), dict(rhs_dilation=(2, 2))),
        ((8, 8, 2), (3, 3, 2, 4), dict(lhs_dilation=(2, 1), padding=[(0, 0), (1, 1)])),
        ((8, 8, 2), (3, 3, 1, 4), dict(feature_group_count=2)),
        ((8, 8, 2), (3, 3, 2, 4), dict(batch_group_count=2)),
        ((8, 9, 2), (3, 3, 2, 4), dict(precision="highest")),
        ((2, 8, 3), (3, 3, 8, 4), dict(dimension_numbers=("NCHW", "HWIO", "NCHW"))),
    ],
)
def test_other_convolutions_stay_native(image, kernel, options):
    if "dimension_numbers" in options:
        image = (kernel[2], 8, 8)
    x, w = _normal(2, *image), _normal(*kernel)
    auto, native = _convolutions(**options)
    assert _lowered(auto, "cpu", x, w) == _lowered(native, "cpu", x, w)


_DIRECTIONS = [
    ((8, 8, 2), (3, 3, 2, 4), dict(strides=(2, 2))),
    ((9, 10, 40), (4, 3, 40, 16), dict(strides=(2, 1), padding=[(1, 2), (0, 1)])),
    ((8, 9, 2), (3, 3, 2, 4), {}),  # an odd number of columns
    ((9, 9, 2), (2, 2, 2, 4), {}),  # an even kernel
    ((8, 8, 2), (1, 1, 2, 4), dict(padding=[(1, 1), (0, 0)])),
    ((9, 10, 3), (5, 5, 3, 20), dict(padding=[(-1, 2), (0, 0)])),  # crops a row
    ((8, 8, 2), (3, 3, 2, 4), dict(strides=(3, 2))),
    ((9, 9, 32), (3, 3, 32, 4), {}),  # no padding, one column more
    ((8, 8, 16), (3, 3, 16, 16), dict(padding=[(1, 1), (1, 1)])),  # Winograd's
]


@pytest.mark.parametrize(
    "image, kernel, options",
    [*_DIRECTIONS[:-1], pytest.param(*_DIRECTIONS[-1], marks=pytest.mark.slow)],
)
def test_derivatives_of_a_convolution_equal_native_ones(image, kernel, options):
    x, w = _normal(8, *image), _normal(*kernel) / np.sqrt(np.prod(kernel[:3]))
    several = jnp.stack([w, 2 * w])

    def derivatives(form):
        def energy(x, w):
            return jnp.sum(form(x, w) ** 2)

        def penalty(w, x):  # R1's: of the gradient of the image
            return jnp.sum(jax.grad(energy)(x, w) ** 2)

        twice = jax.grad(penalty, (0, 1))
        return jax.jit(
            lambda x, w, due: (
                form(x, w),
                jax.grad(energy, (0, 1))(x, w),
                twice(w, x),
                jax.jvp(lambda w: twice(w, x)[0], (w,), (w,)),  # forward over reverse
                jax.vmap(form, (None, 0))(x, several),
                jax.lax.cond(due, lambda: twice(w, x), lambda: (w, x)),
            )
        )(x, w, True)

    auto, native = _convolutions(**options)
    ours, theirs = (jax.tree.leaves(derivatives(form)) for form in (auto, native))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * jnp.abs(b).max())
    np.testing.assert_array_equal(auto(x, w), jax.jit(auto)(x, w))


@pytest.mark.parametrize("image, kernel, options", _DIRECTIONS[:3])
def test_every_derivative_convolves_in_the_order_of_axes_that_is_fast(
    image, kernel, options
):
    auto, native = _convolutions(**options)

    def penalty(form):
        def image_gradient(w, x):
            return jax.grad(lambda x: jnp.sum(form(x, w) ** 2))(x)

        return jax.grad(lambda w, x: jnp.sum(image_gradient(w, x) ** 2), (0, 1))

    def orders(form, platform):
        text = _lowered(penalty(form), platform, _normal(*kernel), _normal(8, *image))
        return set(re.findall(r"dim_numbers = (.*?), window", text))

    fast = {"[b,0,1,f]x[0,1,i,o]->[b,0,1,f]"}
    squeezed = {order.replace(" ", "") for order in orders(auto, "cpu")}
    assert squeezed == fast
    assert orders(native, "cpu") != orders(auto, "cpu")


@pytest.mark.parametrize(
    ("image", "padding"),
    [
        ((13, 10), "SAME"),
        ((9, 11), ((2, 0), (0, 1))),
        pytest.param((8, 8), "SAME", marks=pytest.mark.slow),
        pytest.param((15, 12), "VALID", marks=pytest.mark.slow),
    ],
)
def test_winograd_gradient_equals_native(image, padding):
    x, w = _normal(16, *image, 32), _normal(3, 3, 32, 40)
    auto, native = _convolutions(padding=padding)
    _assert_equal(auto, native, x, w)
    lowered = _lowered(lambda x, w: jax.vjp(auto, x, w)[1](auto(x, w)), "cpu", x, w)
    assert lowered.count("stablehlo.dot_general") >= 36


def test_winograd_points_lose_little_precision():
    # Sums over all pixels in float64 are the truth; the stated error is 1e-5.
    x, w, dy = _normal(16, 14, 14, 32), _normal(3, 3, 32, 32), _normal(16, 14, 14, 32)
    auto, _ = _convolutions(padding=((1, 1), (1, 1)))
    ours = jax.vjp(lambda w: auto(x, w), w)[1](dy)[0]
    padded = np.pad(np.float64(x), ((0, 0), (1, 1), (1, 1), (0, 0)))
    for i, j in ((0, 0), (1, 2), (2, 1)):
        window = padded[:, i : i + 14, j : j + 14]
        truth = np.einsum("bhwc,bhwk->ck", window, np.float64(dy))
        assert np.abs(ours[i, j] - truth).max() < 1e-5 * np.abs(truth).max()


def test_convolution_along_one_axis_stays_native():
    x, w = _normal(2, 8, 2), _normal(3, 2, 4)
    auto, native = _convolutions((1,), dimension_numbers=("NHC", "HIO", "NHC"))
    np.testing.assert_array_equal(auto(x, w), native(x, w))


def test_product_equals_native():
    x, w = _normal(7, 5), _normal(5, 3)
    dimensions = (((1,), (0,)), ((), ()))

    def bind(mode):
        form = kernels.dot_general(mode)
        return lambda x, w: form(x, w, dimensions, precision=lax.Precision.HIGHEST)

    _assert_equal(bind("auto"), bind("native"), x, w)


@pytest.mark.parametrize("shape", [(6, 4, 5), (2, 40, 3, 1)])
def test_matrix_product_has_forward_mode_batching_and_second_derivatives(shape):
    """Of few rows, and of so many that the narrow side is transposed."""
    x = _normal(*shape[:-2], shape[-2])
    w, t = _normal(*shape[-2:]), _normal(*shape[-2:])[::-1]
    dimensions = (((x.ndim - 1,), (0,)), ((), ()))

    def run(mode):
        form = kernels.dot_general(mode)

        def energy(w):
            return jnp.sum(jnp.sin(form(x, w, dimensions)))

        curvature = jax.jvp(jax.grad(energy), (w,), (t,))[1]
        many = jax.vmap(jax.grad(energy))(jnp.stack([w, t]))
        return jax.jvp(energy, (w,), (t,)), curvature, many

    for a, b in zip(*map(jax.tree.leaves, (run("auto"), run("native"))), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * (1 + jnp.abs(b).max()))


def test_no_gradient_is_computed_for_what_does_not_learn():
    x, w = _normal(6, 4), _normal(4, 5)
    form = kernels.dot_general("auto")
    dimensions = (((1,), (0,)), ((), ()))
    for fixed in (0, 1):
        args = [x, w]

        def energy(moved, fixed=fixed, args=args):
            args = [moved if i != fixed else a for i, a in enumerate(args)]
            return jnp.sum(jnp.sin(form(*args, dimensions)))

        text = jax.jit(jax.grad(energy)).lower(args[1 - fixed]).compile().as_text()
        assert text.count(" dot(") + text.count("__ynn_fusion") <= 2


@pytest.mark.parametrize("pool", [kernels.max_pool, kernels.avg_pool])
@pytest.mark.parametrize(
    "image, window, options",
    [
        ((8, 6, 3), (2, 2), dict(strides=(2, 2))),
        ((9, 7, 2), (2, 2), dict(strides=(2, 2))),  # a row and a column left over
        ((9, 8, 2), (3, 2), dict(strides=(3, 2))),
        ((8, 8, 2), (2, 2), {}),  # strides of one
        ((8, 8, 2), (3, 3), dict(strides=(2, 2), padding="SAME")),
        ((8, 8, 2), (2, 2), dict(strides=(2, 2), padding=((1, 1), (1, 1)))),
        ((8, 8, 2), (3, 3), dict(strides=(2, 2), padding=((1, 1), (1, 1)))),  # ResNet
        ((9, 7, 2), (3, 3), dict(strides=(2, 2), padding=((1, 1), (1, 1)))),
        ((11, 9, 2), (5, 4), dict(strides=(3, 2))),
    ],
)
def test_pooling_equals_native(pool, image, window, options):
    # Rounded, so that windows hold equal values: the gradient goes to the first.
    x = jnp.round(_normal(2, *image))
    auto, native = pool("auto"), pool("native")
    _assert_equal(
        lambda x: auto(x, window, **options), lambda x: native(x, window, **options), x
    )


def test_a_maximum_does_not_hide_what_is_not_a_number():
    x = jnp.zeros((1, 2, 2, 1)).at[0, 1, 0, 0].set(jnp.nan)
    assert jnp.isnan(kernels.max_pool("auto")(x, (2, 2), (2, 2))).all()


@pytest.mark.parametrize("pool", [kernels.max_pool, kernels.avg_pool])
def test_pooling_has_forward_mode_and_batching(pool):
    x, t = _normal(3, 4, 4, 2), _normal(3, 4, 4, 3)[..., :2]

    def auto(x):
        return pool("auto")(x, (2, 2), (2, 2))

    def native(x):
        return pool("native")(x, (2, 2), (2, 2))

    np.testing.assert_allclose(
        jax.jvp(auto, (x,), (t,))[1], jax.jvp(native, (x,), (t,))[1], rtol=1e-6
    )
    each = jax.vmap(jax.grad(lambda x: jnp.sum(auto(x[None]) ** 2)))(x)
    whole = jax.grad(lambda x: jnp.sum(native(x) ** 2))(x)
    np.testing.assert_allclose(each, whole, rtol=1e-6)


def test_bfloat16_stays_bfloat16():
    x, w = (
        _normal(2, 8, 8, 1).astype("bfloat16"),
        _normal(3, 3, 1, 4).astype("bfloat16"),
    )
    auto, _ = _convolutions()
    y = kernels.max_pool("auto")(auto(x, w), (2, 2), (2, 2))
    assert kernels.avg_pool("auto")(y, (3, 3), (3, 3)).dtype == jnp.bfloat16


def test_other_platforms_run_the_native_operation():
    x, w = _normal(2, 14, 14, 6), _normal(5, 5, 6, 16)
    auto, _ = _convolutions()
    for platform in ("cuda", "tpu"):
        text = _lowered(auto, platform, x, w)
        assert text.count("stablehlo.convolution") == 1
        assert "dot_general" not in text and "optimization_barrier" not in text


def test_other_platforms_differentiate_the_native_operation():
    x, w = _normal(2, 14, 14, 16), _normal(3, 3, 16, 16)
    auto, native = _convolutions(padding="SAME")

    def convolutions(form):
        gradient = jax.grad(lambda x, w: jnp.sum(form(x, w) ** 2), (0, 1))
        text = _lowered(gradient, "cuda", x, w)
        return sorted(
            re.findall(r"stablehlo.convolution.*?dim_numbers = (.*?), window", text)
        )

    assert len(convolutions(auto)) == 3
    assert convolutions(auto) == convolutions(native)


@pytest.mark.parametrize(
    "choose",
    [
        kernels.dot_general,
        kernels.embed,
        kernels.conv_general_dilated,
        kernels.max_pool,
        kernels.avg_pool,
        kernels.batch_norm,
        kernels.layer_norm,
        kernels.gelu,
        kernels.attention,
    ],
)
def test_an_unknown_mode_is_refused(choose):
    with pytest.raises(ValueError) as error:
        choose("fast")
    assert str(error.value) == (
        "kernels must be one of auto, native, flash, got 'fast'; "
        "use 'auto' unless you compare the two"
    )


def test_what_is_held_is_equal_and_an_array_of_its_own_on_cpu_alone():
    def made(mode):
        return lambda x: kernels.held(mode)(jnp.sin(x))

    def text(mode, platform):
        traced = jax.jit(made(mode)).trace(_normal(3))
        return traced.lower(lowering_platforms=(platform,)).as_text()

    _assert_equal(made("auto"), made("native"), _normal(3))
    assert "optimization_barrier" in text("auto", "cpu")
    assert "optimization_barrier" not in text("auto", "cuda")
    assert "optimization_barrier" not in text("native", "cpu")

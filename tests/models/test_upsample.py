"""Nearest-neighbour upsampling against PyTorch's, exactly; convolving behind it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import kernels, layers


@pytest.mark.parametrize("sides", [(6, 10), (5, 9), (5, 10)])
def test_maps_are_doubled_as_pytorch_does(sides):
    torch = pytest.importorskip("torch", reason="the reference is PyTorch's")
    x = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    there = torch.nn.functional.interpolate(
        torch.from_numpy(x).permute(0, 3, 1, 2), size=sides, mode="nearest"
    )
    here = layers.upsample(jnp.asarray(x), sides)
    np.testing.assert_array_equal(here, there.permute(0, 2, 3, 1))
    if sides == (6, 10):
        np.testing.assert_array_equal(layers.upsample(jnp.asarray(x)), here)


def test_sequences_are_doubled_along_time():
    x = jnp.arange(6.0).reshape(1, 3, 2)
    assert layers.upsample(x, (5,))[0, :, 0].tolist() == [0, 0, 2, 2, 4]


@pytest.mark.parametrize("sides", [None, (12, 10), (11, 10), (11, 9)])
def test_convolving_what_is_upsampled_has_a_quick_form_on_cpu(sides):
    generator = np.random.default_rng(0)
    x = jnp.asarray(generator.normal(size=(2, 6, 5, 3)), jnp.float32)
    w = jnp.asarray(generator.normal(size=(3, 3, 3, 4)), jnp.float32)

    def run(mode):
        form = kernels.resize_conv(mode, sides)
        options = dict(dimension_numbers=("NHWC", "HWIO", "NHWC"))
        options["feature_group_count"] = 1
        y, pull = jax.vjp(lambda x, w: form(x, w, (1, 1), "SAME", **options), x, w)
        return y, *pull(jnp.cos(y))

    for auto, native in zip(run("auto"), run("native"), strict=True):
        np.testing.assert_allclose(auto, native, rtol=1e-4, atol=1e-4)


def test_a_dilation_is_kept_where_there_is_no_quick_form():
    generator = np.random.default_rng(0)
    x = jnp.asarray(generator.normal(size=(2, 6, 5, 3)), jnp.float32)
    w = jnp.asarray(generator.normal(size=(3, 3, 3, 4)), jnp.float32)

    def run(mode):
        return kernels.resize_conv(mode)(
            *(x, w, (1, 1), "SAME"),
            rhs_dilation=(2, 2),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=1,
        )

    np.testing.assert_allclose(run("auto"), run("native"), rtol=1e-4, atol=1e-4)


def test_a_precision_is_kept_where_there_is_no_quick_form():
    x, w = jnp.ones((1, 4, 4, 2)), jnp.ones((3, 3, 2, 2))

    def run(x, w):
        return kernels.resize_conv("auto")(
            *(x, w, (1, 1), "SAME"),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=1,
            precision=jax.lax.Precision.HIGHEST,
        )

    assert "HIGHEST" in jax.jit(run).lower(x, w).as_text()

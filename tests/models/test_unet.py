"""The U-Net's image sizes, labels and times; tests/weights compares it with PyTorch."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import unet


def test_an_image_that_cannot_be_halved_is_one_sentence():
    model = unet.build("debug", multipliers=(1, 2, 2), classes=0)
    with pytest.raises(ValueError) as error:
        jax.eval_shape(
            lambda x: model.init(jax.random.key(0), x, jnp.zeros(1), train=False),
            jnp.zeros((1, 8, 30, 1)),
        )
    assert str(error.value) == (
        "unet halves the image 2 times, so 4 must divide its sides, got 30; pad to 32 "
        "(config.data.pad), or give fewer multipliers"
    )


@pytest.mark.slow
def test_patches_are_channels_of_the_network_within():
    image = jax.random.normal(jax.random.key(1), (2, 8, 12, 1))
    folded = image.reshape(2, 4, 2, 6, 2, 1).transpose(0, 1, 3, 2, 4, 5)
    inputs = jnp.array([3.0, 700.0]), jnp.array([0, 3])
    whole, within = (
        unet.build("debug", patch=patch, kernels="native") for patch in (2, 1)
    )
    shapes = jax.eval_shape(
        partial(whole.init, train=False), jax.random.key(0), image, *inputs
    )
    generator = np.random.default_rng(0)
    variables = jax.tree.map(
        lambda leaf: generator.normal(0, 0.2, leaf.shape).astype(np.float32), shapes
    )
    found = jax.jit(partial(whole.apply, train=False))(variables, image, *inputs)
    expected = jax.jit(partial(within.apply, train=False))(
        variables, folded.reshape(2, 4, 6, 4), *inputs
    )
    expected = expected.reshape(folded.shape).transpose(0, 1, 3, 2, 4, 5)
    np.testing.assert_allclose(found, expected.reshape(image.shape), atol=1e-5)
    assert np.ptp(found) > 0.1


def test_a_patch_below_1_is_one_sentence():
    with pytest.raises(ValueError) as error:
        unet.build("debug", patch=0)
    assert str(error.value) == (
        "unet patch must be at least 1, got 0; 1 takes the image as it is"
    )


def test_groups_must_divide_the_channels():
    with pytest.raises(ValueError) as error:
        unet.build("debug", groups=3)
    assert str(error.value) == (
        "unet groups=3 must divide the channels of each level, 1 x 8, which must be "
        "even; change one of them"
    )
    with pytest.raises(ValueError) as error:
        unet.build("debug", channels=4, multipliers=(2, 4), groups=8)
    assert str(error.value) == (
        "unet groups=8 must divide the channels of each level, 1 x 4, which must be "
        "even; change one of them"
    )


def test_a_network_with_classes_needs_labels():
    model = unet.build("debug")
    with pytest.raises(ValueError) as error:
        jax.eval_shape(
            lambda x: model.init(jax.random.key(0), x, jnp.zeros(1), train=False),
            jnp.zeros((1, 8, 8, 1)),
        )
    assert str(error.value) == (
        "unet classes=3 needs a label per image, got none; give labels, 3 for no label"
    )


def test_times_are_embedded_as_positions_are():
    found = np.asarray(unet.sinusoids(jnp.array([0.0, 7.0]), 8))
    rate = 10_000.0 ** (-np.arange(4) / 3)
    np.testing.assert_allclose(found[0], [0] * 4 + [1] * 4, atol=1e-6)
    np.testing.assert_allclose(found[1, :4], np.sin(7 * rate), atol=1e-5)
    np.testing.assert_allclose(found[1, 4:], np.cos(7 * rate), atol=1e-5)

"""Losses against numpy, written as the papers have them."""

import jax
import numpy as np
import pytest

from research.tasks import adversaries

R = np.array([-2.0, -0.5, 0.3, 1.7], np.float32)
F = np.array([1.5, 0.4, -0.2, -3.0], np.float32)


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


_CROSS = -np.log(_sigmoid(R)) - np.log(1 - _sigmoid(F))
EXPECTED = {
    "minimax": (_CROSS, np.log(1 - _sigmoid(F))),
    "non_saturating": (_CROSS, -np.log(_sigmoid(F))),
    "wasserstein": (F - R, -F),
    "hinge": (np.maximum(0, 1 - R) + np.maximum(0, 1 + F), -F),
    "least_squares": (((R - 1) ** 2 + F**2) / 2, (F - 1) ** 2 / 2),
}


@pytest.mark.parametrize("name", adversaries.LOSSES)
def test_losses_are_those_of_the_papers(name):
    game = adversaries.LOSSES[name]
    discriminator, generator = EXPECTED[name]
    np.testing.assert_allclose(game.discriminator(R, F), discriminator, rtol=1e-5)
    np.testing.assert_allclose(game.generator(F), generator, rtol=1e-5)


@pytest.mark.parametrize("name", adversaries.LOSSES)
def test_both_sides_pull_the_logit_of_a_made_image_apart(name):
    game = adversaries.LOSSES[name]
    down = jax.grad(lambda f: game.discriminator(0.1, f))(0.2)
    up = jax.grad(game.generator)(0.2)
    assert down > 0 > up

"""Noise: how much of the input it changes, and to what."""

import jax
import jax.numpy as jnp
import numpy as np

from research.tasks import corruption

X = jax.random.uniform(jax.random.key(0), (50, 20, 10), minval=0.2, maxval=0.8)


def _corrupted(noise, level):
    return np.asarray(corruption.corrupt(X, noise, level, jax.random.key(1)))


def test_masking_sets_a_share_to_zero():
    seen = _corrupted("masking", 0.25)
    hit = seen == 0
    assert abs(hit.mean() - 0.25) < 0.02
    np.testing.assert_array_equal(seen[~hit], np.asarray(X)[~hit])


def test_salt_and_pepper_sets_a_share_to_the_extremes():
    seen, x = _corrupted("salt_and_pepper", 0.4), np.asarray(X)
    hit = seen != x
    assert abs(hit.mean() - 0.4) < 0.02
    assert abs((seen[hit] == x.max()).mean() - 0.5) < 0.05
    assert set(np.unique(seen[hit])) <= {x.min(), x.max()}


def test_gaussian_noise_has_the_deviation():
    noise = _corrupted("gaussian", 0.3) - np.asarray(X)
    assert abs(noise.std() - 0.3) < 0.01 and abs(noise.mean()) < 0.01


def test_none_is_the_input_and_another_key_draws_anew():
    assert corruption.corrupt(X, "none", 0.0, jax.random.key(1)) is X
    other = corruption.corrupt(X, "masking", 0.5, jax.random.key(2))
    assert not jnp.array_equal(other, _corrupted("masking", 0.5))

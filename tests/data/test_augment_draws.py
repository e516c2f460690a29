"""Random draws: by seed, epoch, example and purpose, and by nothing else."""

import jax
import jax.numpy as jnp
import numpy as np

from research.data import augment_draws

EXAMPLES = jnp.arange(64)


def _keys(seed=0, epoch=0, examples=EXAMPLES):
    return augment_draws.keys(seed, jnp.full_like(examples, epoch), examples)


def _draws(**changes):
    return np.asarray(augment_draws.uniform(_keys(**changes), "test", 3))


def test_equal_places_draw_equally_and_others_differently():
    first = _draws()
    np.testing.assert_array_equal(first, _draws())
    np.testing.assert_array_equal(first[5:9], _draws(examples=jnp.arange(5, 9)))
    for other in (_draws(seed=1), _draws(epoch=1), _draws(examples=EXAMPLES + 64)):
        assert (first != other).all()
    assert len(np.unique(first)) == first.size
    another = augment_draws.uniform(_keys(), "another", 3)
    assert (first != np.asarray(another)).all()


def test_the_draws_never_change():
    """Another value here would change every run that is resumed."""
    draws = augment_draws.uniform(_keys(seed=7, epoch=2)[3:4], "test", 2)
    np.testing.assert_allclose(draws, [[0.9882631, 0.9324092]], rtol=1e-6)


def test_they_differ_from_those_of_the_training_steps():
    steps = jax.vmap(lambda n: jax.random.fold_in(jax.random.key(0), n))(EXAMPLES)
    ours, theirs = jax.random.key_data(_keys()), jax.random.key_data(steps)
    assert not {tuple(k) for k in np.asarray(ours)} & {
        tuple(k) for k in np.asarray(theirs)
    }


def test_draws_are_uniform_and_whole_numbers_equally_likely():
    draws = augment_draws.uniform(_keys(examples=jnp.arange(8000)), "test", 5)
    histogram, _ = np.histogram(draws, 10, (0, 1))
    np.testing.assert_allclose(histogram / 4000, 1, atol=0.06)
    counts = np.bincount(np.asarray(augment_draws.integers(draws, 9)).ravel())
    assert len(counts) == 9
    np.testing.assert_allclose(counts / (40_000 / 9), 1, atol=0.06)


def test_the_largest_draw_stays_in_range():
    largest = jnp.array([1 - 2.0**-24], jnp.float32)
    for count in (1, 9, 33, 1000):
        assert augment_draws.integers(largest, count)[0] == count - 1


def test_beta_has_its_mean_and_variance():
    for alpha in (0.2, 1.0):
        draws = np.asarray(
            augment_draws.beta(_keys(examples=jnp.arange(8000)), "test", alpha)
        )
        assert 0 <= draws.min() and draws.max() <= 1
        assert abs(draws.mean() - 0.5) < 0.02
        assert abs(draws.var() - 1 / (4 * (2 * alpha + 1))) < 0.006

"""Processes of noise against their closed forms, in numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.tasks import noise


@pytest.mark.parametrize("schedule", noise.SCHEDULES)
def test_the_marginals_are_those_of_the_chain(schedule):
    """x_t = sqrt(1 - beta_t) x_(t-1) + sqrt(beta_t) e, step by step."""
    alpha, sigma = noise.Discrete(schedule, 1000).table()
    mean, variance = 1.0, 0.0
    for t, beta in enumerate(noise.betas(schedule, 1000)):
        mean, variance = np.sqrt(1 - beta) * mean, (1 - beta) * variance + beta
        assert alpha[t] == pytest.approx(mean, rel=1e-9)
        assert sigma[t] ** 2 == pytest.approx(variance, rel=1e-9)


def test_the_schedules_are_those_of_the_papers():
    linear = noise.betas("linear", 1000)
    assert linear[0] == pytest.approx(1e-4) and linear[-1] == pytest.approx(0.02)
    np.testing.assert_allclose(np.diff(linear), np.diff(linear)[0])
    alpha, _ = noise.Discrete("cosine", 1000).table()

    def f(t):
        return np.cos((t / 1000 + 0.008) / 1.008 * np.pi / 2) ** 2

    at = np.array([1, 250, 500, 990])
    np.testing.assert_allclose(alpha[at - 1] ** 2, f(at) / f(0), rtol=1e-6)


@pytest.mark.parametrize("process", [noise.Discrete("linear", 1000), noise.Flow()])
def test_added_noise_has_the_mean_and_deviation_that_is_asked_for(process):
    if isinstance(process, noise.Discrete):
        alpha, sigma, time = process.at(jnp.full(40_000, 300))
        assert time[0] == 300
    else:
        alpha, sigma = jnp.full(40_000, 0.7), jnp.full(40_000, 0.3)
    eps = jax.random.normal(jax.random.key(0), (40_000, 1))
    x = np.asarray(noise.add(jnp.full((40_000, 1), 0.8), eps, alpha, sigma))
    assert x.mean() == pytest.approx(0.8 * float(alpha[0]), abs=0.01)
    assert x.std() == pytest.approx(float(sigma[0]), abs=0.01)


def test_times_are_drawn_evenly_and_as_training_says():
    drawn = noise.Discrete("linear", 100).draw(jax.random.key(0), 200)
    steps = np.asarray(drawn[-1])
    assert np.abs(np.bincount(steps, minlength=100) - 2).max() <= 1
    alpha, sigma, time, _ = noise.Flow().draw(jax.random.key(1), 64)
    np.testing.assert_allclose(alpha + sigma, 1)
    np.testing.assert_allclose(time, 1000 * sigma, rtol=1e-6)
    _, sigma, time, _ = noise.EDM().draw(jax.random.key(2), 5000)
    log = np.log(np.asarray(sigma))
    assert log.mean() == pytest.approx(-1.2, abs=0.02)
    assert log.std() == pytest.approx(1.2, abs=0.02)
    np.testing.assert_allclose(time, log / 4, atol=1e-5)


def test_each_time_is_uniform_by_itself():
    """The first ones of a batch too, which alone count where it is filled up."""
    keys = jax.random.split(jax.random.key(3), 2000)
    drawn = np.asarray(jax.vmap(lambda key: noise.stratified(key, 8))(keys))
    for place in (0, 7):
        shares = np.bincount((drawn[:, place] * 8).astype(int), minlength=8) / 2000
        np.testing.assert_allclose(shares, 1 / 8, atol=0.03)
    np.testing.assert_array_equal(
        np.sort(drawn * 8 // 1), np.tile(np.arange(8), (2000, 1))
    )


def test_levels_of_edm_are_those_of_the_paper():
    levels = noise.EDM().levels(18)
    i = np.arange(18)
    root = 80 ** (1 / 7) + i / 17 * (0.002 ** (1 / 7) - 80 ** (1 / 7))
    np.testing.assert_allclose(levels.sigma, np.append(root**7, 0))
    assert len(levels.time) == 18 and not levels.straight


@pytest.mark.parametrize("steps", [1, 7, 1000])
def test_discrete_levels_begin_at_the_last_step(steps):
    process = noise.Discrete("linear", 1000)
    levels, (alpha, sigma) = process.levels(steps), process.table()
    assert levels.time[0] == 999 and levels.sigma[0] == sigma[-1]
    assert (np.diff(levels.sigma) < 0).all() and levels.sigma[-1] == 0
    assert levels.alpha[-1] == 1 and len(levels.sigma) == steps + 1
    if steps == 1000:
        np.testing.assert_array_equal(levels.alpha[:-1], alpha[::-1])


def test_the_end_of_a_walk():
    levels = noise.Flow().levels(10).after(0.31)
    np.testing.assert_allclose(levels.sigma, [0.3, 0.2, 0.1, 0], atol=1e-12)
    assert len(noise.Flow().levels(10).after(0.01).time) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("ddpm", "linear", 9),
            "unknown task.process 'ddpm'; use one of discrete, edm, flow",
        ),
        (
            ("discrete", "sine", 9),
            "unknown task.schedule 'sine'; did you mean 'cosine'? use one of "
            "linear, cosine",
        ),
        (
            ("discrete", "linear", 1),
            "task.timesteps must be at least 2, got 1; use 1,000",
        ),
    ],
)
def test_a_bad_choice_is_one_sentence(arguments, message):
    with pytest.raises(ValueError) as error:
        noise.make(*arguments)
    assert str(error.value) == message

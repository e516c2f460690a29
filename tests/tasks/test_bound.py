"""The variational bound against scipy, and against a likelihood that is known."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from research.tasks import bound, noise

PROCESS = noise.Discrete("linear", 1000)


def _normal(index, x0, x, variance):
    """Mean given x_0 and log variance of a step: Eq. (7), beta tilde or beta."""
    beta = noise.betas("linear", 1000)
    kept = np.cumprod(1 - beta)
    before = np.append(1, kept)[index]
    mean = np.sqrt(before) * beta[index] / (1 - kept[index]) * x0
    mean = mean + np.sqrt(1 - beta[index]) * (1 - before) / (1 - kept[index]) * x
    small = (1 - before) / (1 - kept[index]) * beta[index]
    return mean, small, small if variance == "small" else beta[index]


@pytest.mark.parametrize("variance", ["small", "large"])
@pytest.mark.parametrize("index", [1, 400, 999])
def test_a_term_is_the_divergence_of_two_normals(index, variance):
    x0, guess, x = 0.3, 0.1, 0.5
    shape = (1, 2, 2, 1)
    arrays = (jnp.full(shape, v) for v in (x0, guess, x))
    found = bound.terms(PROCESS, variance, *arrays, jnp.array([index]))
    m1, v1, _ = _normal(index, x0, x, variance)
    m2, _, v2 = _normal(index, guess, x, variance)
    nats = 0.5 * (np.log(v2 / v1) - 1 + v1 / v2 + (m1 - m2) ** 2 / v2)
    assert float(found[0]) == pytest.approx(nats / np.log(2), rel=2e-3)


@pytest.mark.slow
def test_the_first_term_is_the_mass_of_a_level():
    levels = np.linspace(-1, 1, 256)
    mean = np.full(256, 0.21)
    _, small, _ = _normal(1, 0.0, 0.0, "small")
    for deviation in (0.05, np.sqrt(small)):
        log_variance = jnp.full((256, 1), 2 * np.log(deviation), jnp.float32)
        nats = bound._discrete_nll(
            jnp.asarray(levels[:, None], jnp.float32),
            jnp.asarray(mean[:, None], jnp.float32),
            log_variance,
        )
        mass = np.exp(-np.asarray(nats, np.float64))[:, 0]
        assert mass.sum() == pytest.approx(1, abs=1e-4)
        edges = stats.norm(0.21, deviation).cdf((levels[:-1] + levels[1:]) / 2)
        wanted = np.diff(np.concatenate([[0], edges, [1]]))
        np.testing.assert_allclose(mass, wanted, atol=2e-5)
    index = jnp.zeros(1, jnp.int32)
    one = jnp.full((1, 1), 0.21)
    found = bound.terms(PROCESS, "large", one, one + 0.01, one, index)
    edges = stats.norm(0.22, np.sqrt(small)).cdf([0.21 - 1 / 255, 0.21 + 1 / 255])
    assert float(found[0]) == pytest.approx(-np.log2(edges[1] - edges[0]), rel=1e-3)


def test_the_prior_term():
    alpha, sigma = (a[-1] for a in PROCESS.table())
    found = float(bound.prior(PROCESS, jnp.full((1, 3), 0.9))[0])
    nats = 0.5 * ((alpha * 0.9) ** 2 + sigma**2 - 1 - np.log(sigma**2))
    assert found == pytest.approx(nats / np.log(2), rel=1e-2)


@pytest.mark.slow
def test_the_bound_of_a_known_density_is_close_to_its_entropy():
    """Levels drawn from N(0, 0.3^2): the optimal denoiser leaves little to gain."""
    rng = np.random.default_rng(0)
    x0 = np.rint((rng.normal(0, 0.3, 200_000).clip(-1, 1) + 1) * 127.5) / 127.5 - 1
    index = np.arange(200_000) % 1000
    alpha, sigma = (a[index] for a in PROCESS.table())
    x = alpha * x0 + sigma * rng.normal(size=x0.size)
    guess = alpha * 0.09 / (alpha**2 * 0.09 + sigma**2) * x
    arrays = [jnp.asarray(a[:, None], jnp.float32) for a in (x0, guess, x)]
    total = {}
    for variance in ("small", "large"):
        terms = bound.terms(PROCESS, variance, *arrays, jnp.asarray(index))
        total[variance] = 1000 * float(terms.mean())
    entropy = np.log2(0.3 * np.sqrt(2 * np.pi * np.e)) + np.log2(127.5)
    # "large" is the deviation of the true reverse step where data are broad; the first
    # step, which has the small one, costs 0.17 bits alone.
    assert entropy - 0.02 < total["large"] < entropy + 0.5 < total["small"], total

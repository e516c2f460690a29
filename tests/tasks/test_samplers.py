"""Every sampler against Gaussian data, whose optimal denoiser is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.tasks import noise, samplers

MEAN = np.array([0.5, -1.0])
ROOT = np.array([[0.6, 0.0], [0.4, 0.3]])
COVARIANCE = ROOT @ ROOT.T
COUNT = 20_000

DISCRETE = noise.Discrete("linear", 1000)
COSINE = noise.Discrete("cosine", 1000)
PROCESSES = {
    "linear": DISCRETE,
    "cosine": COSINE,
    "edm": noise.EDM(),
    "flow": noise.Flow(),
}


def _optimal(levels):
    """E[x_0 | x] of N(MEAN, COVARIANCE), per level a linear map."""
    maps, shifts = [], []
    for a, s in zip(levels.alpha[:-1], levels.sigma[:-1], strict=True):
        gain = a * COVARIANCE @ np.linalg.inv(a**2 * COVARIANCE + s**2 * np.eye(2))
        maps.append(gain)
        shifts.append(MEAN - a * gain @ MEAN)
    maps, shifts = (jnp.asarray(np.stack(v), jnp.float32) for v in (maps, shifts))
    return lambda x, step: x @ maps[step].T + shifts[step][None]


def _draw(name, process, steps, count=COUNT, **fields):
    levels = process.levels(steps)
    denoise = _optimal(levels)

    @jax.jit
    def run(key):
        x = levels.sigma[0] * jax.random.normal(key, (count, 2))
        key = jax.random.fold_in(key, 1)
        return samplers.sample(name, denoise, x, levels, key, **fields)

    return run(jax.random.key(0))


@pytest.mark.parametrize(
    "process",
    [
        pytest.param(name, marks=() if name in ("linear", "edm") else pytest.mark.slow)
        for name in PROCESSES
    ],
)
@pytest.mark.parametrize(
    ("name", "steps", "tolerance"),
    [
        pytest.param("ancestral", 500, 0.02, marks=pytest.mark.slow),
        ("ddim", 200, 0.02),
        ("euler", 200, 0.02),
        ("heun", 40, 0.02),
        ("dpmpp_2m", 100, 0.02),
    ],
)
def test_mean_and_covariance_are_recovered(name, steps, tolerance, process):
    made, seen = _draw(name, PROCESSES[process], steps)
    assert seen.shape == (steps, COUNT, 2)
    # 20,000 draws leave a standard error of 0.005 in the mean.
    np.testing.assert_allclose(np.mean(made, 0), MEAN, atol=tolerance)
    np.testing.assert_allclose(np.cov(np.asarray(made).T), COVARIANCE, atol=tolerance)


@pytest.mark.parametrize(
    ("name", "order", "process"),
    [
        ("euler", 1, "edm"),
        ("euler", 1, "flow"),
        ("heun", 2, "edm"),
        ("heun", 2, "flow"),
        # Not the flow: its log signal-to-noise ratio is infinite at both ends, where
        # steps are of first order.
        ("dpmpp_2m", 2, "edm"),
    ],
)
def test_errors_fall_with_the_order_of_the_method(name, order, process):
    """The flow keeps (x - alpha m) in units of its standard deviation."""
    error = []
    for steps in (40, 80):
        levels = PROCESSES[process].levels(steps)
        a, s = levels.alpha[0], levels.sigma[0]
        x = s * jax.random.normal(jax.random.key(0), (200, 2))
        sizes, axes = np.linalg.eigh(COVARIANCE)
        scale = np.sqrt(sizes / (a**2 * sizes + s**2))
        exact = MEAN + (np.asarray(x) - a * MEAN) @ axes @ np.diag(scale) @ axes.T
        made = _draw(name, PROCESSES[process], steps, count=200)[0]
        error.append(np.abs(made - exact).mean())
    assert 2**order * 0.7 < error[0] / error[1] < 2**order * 1.6, error


@pytest.mark.slow
def test_ddim_with_all_steps_and_eta_1_is_ancestral_sampling():
    """Both draw every step from one and the same normal."""
    levels = DISCRETE.levels(1000)
    ours = samplers._ddim(levels, 1.0)
    theirs = samplers._posterior(levels, "small")
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)
    a, b = (
        np.asarray(_draw(name, DISCRETE, 1000, count=2000, **fields)[0])
        for name, fields in (("ddim", {"eta": 1.0}), ("ancestral", {}))
    )
    np.testing.assert_allclose(a, b, atol=1e-3)


@pytest.mark.parametrize("process", PROCESSES)
def test_euler_is_ddim_without_noise(process):
    a, b = (
        _draw(name, PROCESSES[process], 30, count=100)[0] for name in ("euler", "ddim")
    )
    np.testing.assert_allclose(a, b, atol=2e-3)


def test_the_posterior_is_that_of_the_paper():
    """Eq. (7) of Ho et al. in their own terms: beta, alpha bar."""
    beta = noise.betas("linear", 1000)
    kept = np.cumprod(1 - beta)
    before = np.append(1.0, kept[:-1])
    from_x, from_x0, small = (
        c[::-1] for c in samplers._posterior(DISCRETE.levels(1000), "small")
    )
    np.testing.assert_allclose(from_x0, np.sqrt(before) * beta / (1 - kept), rtol=1e-8)
    np.testing.assert_allclose(
        from_x, np.sqrt(1 - beta) * (1 - before) / (1 - kept), atol=1e-10
    )
    np.testing.assert_allclose(small**2, (1 - before) / (1 - kept) * beta, atol=1e-10)
    large = samplers._posterior(DISCRETE.levels(1000), "large")[2][::-1]
    np.testing.assert_allclose(large[1:] ** 2, beta[1:], rtol=1e-8)
    assert large[0] == 0


@pytest.mark.parametrize("name", samplers.NAMES)
def test_known_values_are_kept(name):
    levels = DISCRETE.levels(12)
    known, mask = jnp.full((50, 2), 0.7), jnp.array([[1.0, 0.0]])
    keep = samplers.inpainting(known, mask, levels, jax.random.key(3))
    x = jax.random.normal(jax.random.key(0), (50, 2))
    made, _ = jax.jit(
        lambda x: samplers.sample(
            name, _optimal(levels), x, levels, jax.random.key(1), constrain=keep
        )
    )(x)
    np.testing.assert_allclose(made[:, 0], 0.7, atol=1e-6)
    assert np.std(made[:, 1]) > 0.1


@pytest.mark.parametrize("name", samplers.NAMES)
def test_one_step_gives_the_estimate(name):
    levels = noise.Flow().levels(1)
    denoise = _optimal(levels)
    x = jax.random.normal(jax.random.key(0), (5, 2))
    made, seen = samplers.sample(name, denoise, x, levels, jax.random.key(1))
    np.testing.assert_allclose(made, seen[0], atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ddim", 0), "steps must be at least 1, got 0; try 50"),
        (
            ("ddim", 5, 1.5),
            "eta must be in 0..1, got 1.5; 0 adds no noise, 1 as much as ancestral "
            "sampling",
        ),
        (
            ("dim", 5),
            "unknown sampler 'dim'; use one of ancestral, ddim, euler, heun, dpmpp_2m",
        ),
    ],
)
def test_what_is_not_possible_is_one_sentence(arguments, message):
    with pytest.raises(ValueError) as error:
        samplers.check(*arguments)
    assert str(error.value) == message

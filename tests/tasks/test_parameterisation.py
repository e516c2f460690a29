"""Predictions and what follows from them."""

import jax.numpy as jnp
import numpy as np
import pytest

from research.tasks import noise, parameterisation

KINDS = [(p, k) for p, kinds in parameterisation.LEGAL.items() for k in kinds]


def _case(process):
    rng = np.random.default_rng(0)
    x0, eps = (jnp.asarray(rng.normal(size=(6, 4, 4, 1)), jnp.float32) for _ in "ab")
    u = jnp.linspace(0.1, 0.9, 6)
    pairs = {"discrete": (jnp.sqrt(1 - u**2), u), "edm": (jnp.ones(6), 10 * u)}
    alpha, sigma = pairs.get(process, (1 - u, u))
    return x0, eps, alpha, sigma


@pytest.mark.parametrize(("process", "kind"), KINDS)
def test_a_right_prediction_gives_the_data(process, kind):
    x0, eps, alpha, sigma = _case(process)
    x = noise.add(x0, eps, alpha, sigma)
    predicted = parameterisation.target(kind, x0, eps, alpha, sigma)
    found = parameterisation.to_x0(kind, x, predicted, alpha, sigma)
    np.testing.assert_allclose(found, x0, atol=2e-5)


def test_edm_scales_input_and_target_to_unit_variance():
    """Karras et al., appendix B.6: for data of the standard deviation 0.5."""
    rng = np.random.default_rng(0)
    x0 = jnp.asarray(0.5 * rng.normal(size=(3, 50_000)), jnp.float32)
    eps = jnp.asarray(rng.normal(size=(3, 50_000)), jnp.float32)
    alpha, sigma = jnp.ones(3), jnp.array([0.02, 0.5, 20.0])
    x = noise.add(x0, eps, alpha, sigma)
    read = parameterisation.scale_input("edm", x, sigma)
    target = parameterisation.target("edm", x0, eps, alpha, sigma)
    for values in (read, target):
        np.testing.assert_allclose(np.std(values, axis=1), 1, atol=0.02)


def test_the_velocity_is_the_derivative_of_the_line():
    x0, eps, _, t = _case("flow")
    step = 1e-2
    later = noise.add(x0, eps, 1 - t - step, t + step)
    found = (later - noise.add(x0, eps, 1 - t, t)) / step
    target = parameterisation.target("velocity", x0, eps, 1 - t, t)
    np.testing.assert_allclose(found, target, atol=1e-3)


def test_a_prediction_of_another_process_is_one_sentence():
    assert parameterisation.choose("edm", "") == "edm"
    assert parameterisation.choose("discrete", "v") == "v"
    with pytest.raises(ValueError) as error:
        parameterisation.choose("flow", "v")
    assert str(error.value) == (
        "task.prediction='v' is none of task.process=flow; use velocity"
    )

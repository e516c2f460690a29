"""The two averages of the parameters, against their definitions in plain Python."""

import jax.numpy as jnp
import numpy as np
import pytest

from research.tasks import averaging

LOSSES = (5.0, 4.0, 3.0, 3.5, 2.9, 2.95, 3.1, 2.8, 2.7)


def _trigger_of_the_paper(losses, n):
    """Algorithm 1: at evaluation t, if t > n and v_t > min over l < t - n of v_l."""
    logs = []
    for number, loss in enumerate(losses):
        if len(logs) > n and loss > min(logs[:-n]):
            return number
        logs.append(loss)
    return None


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_the_trigger_is_that_of_the_paper(n):
    trigger, found = averaging.waiting(n), None
    for number, loss in enumerate(LOSSES):
        trigger = averaging.observe(trigger, jnp.int32(100 * (number + 1)), loss)
        if found is None and trigger.since >= 0:
            found = number
    assert found == _trigger_of_the_paper(LOSSES, n)
    if found is not None:  # later evaluations do not move it
        assert int(trigger.since) == 100 * (found + 1)


def test_the_mean_is_of_all_parameters_since_the_trigger():
    rng = np.random.default_rng(0)
    params = [{"w": jnp.asarray(rng.normal(size=3), jnp.float32)} for _ in range(10)]
    average, waits = params[0], averaging.waiting(1)
    for step in range(1, 5):
        average = averaging.mean_since(average, params[step], waits, jnp.int32(step))
        np.testing.assert_array_equal(average["w"], params[step]["w"])
    started = waits._replace(since=jnp.int32(4))
    for step in range(5, 10):
        average = averaging.mean_since(average, params[step], started, jnp.int32(step))
    expected = np.mean([each["w"] for each in params[5:10]], axis=0)
    np.testing.assert_allclose(average["w"], expected, rtol=1e-6)


def test_the_exponential_average_starts_quickly():
    one, zero = {"w": jnp.ones(2)}, {"w": jnp.zeros(2)}
    first = averaging.exponential(one, zero, jnp.int32(0), 0.999)
    np.testing.assert_allclose(first["w"], 0.1, rtol=1e-6)  # (1 + 0) / (10 + 0)
    late = averaging.exponential(one, zero, jnp.int32(10**6), 0.999)
    np.testing.assert_allclose(late["w"], 0.999, rtol=1e-6)

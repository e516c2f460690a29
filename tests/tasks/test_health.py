"""Diversity by hand, and the warnings' whole sentences."""

import jax.numpy as jnp
import numpy as np
import pytest

from research.tasks import health


def test_diversity_is_the_ratio_of_squared_distances():
    real = np.random.default_rng(0).normal(size=(6, 2, 2, 1)).astype(np.float32)
    pairs = health.distances(jnp.asarray(real), jnp.asarray(0.5 * real), jnp.ones(6))
    averages = {k: float(s) / float(w) for k, (s, w) in pairs.items()}
    expected = np.mean([((real[i] - real[i - 1]) ** 2).mean() for i in range(6)])
    assert averages["distance_real"] == pytest.approx(expected, rel=1e-5)
    assert health.derive(averages)["diversity"] == pytest.approx(0.25, rel=1e-5)


def test_padding_is_no_neighbour():
    x = jnp.asarray([0.0, 1.0, 3.0, 100.0]).reshape(4, 1)
    mask = jnp.asarray([1.0, 1.0, 1.0, 0.0])
    total, weight = health.distances(x, x, mask)["distance_real"]
    assert (float(total), float(weight)) == (1 + 4, 2)


def test_a_healthy_step_is_the_last_without_a_warning():
    well = {"distance_made": 0.9, "distance_real": 1.0, "updates": 70.0}
    assert health.derive(well | {"accuracy": 0.8})["healthy_step"] == 70
    alike = well | {"distance_made": 0.01, "accuracy": 0.8}
    assert health.derive(alike)["healthy_step"] == -1
    assert health.derive(well | {"accuracy": 1.0})["healthy_step"] == -1


def test_what_is_wrong_is_said_in_words():
    assert health.warnings({"diversity": 0.5, "accuracy": 0.9}) == []
    assert health.warnings({"diversity": 0.02, "accuracy": 1.0}) == [
        "the generator's images are nearly alike: two of them differ by 2.0% of what "
        "two real ones do; early on that is usual, later it means collapse: go back to "
        "the best checkpoint and lower the learning rate, or use another task.loss or "
        "a penalty such as task.r1",
        "the discriminator tells 100.00% of the pairs apart, which leaves the "
        "generator little to learn from; lower its learning rate "
        "(optimizer.multipliers), or use task.r1 or task.instance_noise",
    ]

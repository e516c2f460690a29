"""Penalties of functions whose gradients are known, and gradients of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.tasks import penalties
from research.tasks.penalties import Stability

A = np.array([[1.0, 0.5], [-0.3, 2.0], [0.1, -1.0]], np.float32)  # (d, outputs)
X = np.array([[0.2, -0.4, 1.0], [1.5, 0.3, -0.7]], np.float32)


def _judge(x, a=A):
    """D(x) = |x A|^2 / 2, whose gradient is x A A^T."""
    return ((x @ a) ** 2).sum(-1) / 2


def test_r1_is_half_the_squared_gradient():
    expected = ((X @ A @ A.T) ** 2).sum(-1) / 2
    np.testing.assert_allclose(penalties.r1(_judge, X), expected, rtol=1e-5)


def test_its_own_gradient_is_that_of_finite_differences():
    def total(a):
        return penalties.r1(lambda x: _judge(x, a), jnp.asarray(X)).sum()

    found, step = jax.grad(total)(jnp.asarray(A)), np.zeros_like(A)
    step[1, 0] = 1e-2
    slope = (total(A + step) - total(A - step)) / 2e-2
    assert float(found[1, 0]) == pytest.approx(float(slope), rel=1e-3)


def test_the_gradient_penalty_lies_between_real_and_made_images():
    key, made = jax.random.key(0), X[::-1] * 2
    u = np.asarray(jax.random.uniform(key, (2, 1)))
    between = u * X + (1 - u) * made
    norms = np.linalg.norm(between @ A @ A.T, axis=-1)
    found = penalties.gradient_penalty(_judge, key, jnp.asarray(X), jnp.asarray(made))
    np.testing.assert_allclose(found, (norms - 1) ** 2, rtol=1e-4)


def test_path_length_of_a_linear_generator():
    styles = jnp.asarray(np.random.default_rng(0).normal(size=(4, 2, 3)), jnp.float32)
    map_ = jnp.asarray(np.random.default_rng(1).normal(size=(6, 4)), jnp.float32)

    def synthesise(styles):
        return (styles.reshape(len(styles), -1) @ map_).reshape(-1, 2, 2, 1)

    key = jax.random.key(5)
    y = np.asarray(jax.random.normal(key, (4, 2, 2, 1))).reshape(4, 4) / 2
    gradients = (y @ np.asarray(map_).T).reshape(4, 2, 3)
    lengths = np.sqrt((gradients**2).sum(-1).mean(-1))
    mean = 0.3 + 0.01 * (lengths.mean() - 0.3)
    found = penalties.path_length(synthesise, key, styles, jnp.asarray(0.3))
    np.testing.assert_allclose(found[0], (lengths - mean) ** 2, rtol=1e-4)
    assert float(found[1]) == pytest.approx(mean, rel=1e-5)


def test_r1_with_an_interval_is_no_term_of_the_loss():
    assert Stability(r1=10.0, r1_every=16).r1_apart
    assert not Stability(r1=10.0).r1_apart and not Stability(r1_every=16).r1_apart

"""Which operations RandAugment and AutoAugment choose, and how often."""

import collections

import jax.numpy as jnp
import numpy as np
import pytest

from research.data import augment_operations, augment_policies

RNG = np.random.default_rng(5)
NAMES = augment_operations.OPERATIONS
FILL = jnp.full(3, 0.5)


@pytest.fixture
def applied(monkeypatch):
    """Records (names, strengths, signs) of each layer instead of applying it."""
    layers = []

    def record(image, operation, strength, sign, fill):
        names = [NAMES[k] for k in np.asarray(operation)]
        layers.append((names, np.asarray(strength), np.asarray(sign)))
        return image

    monkeypatch.setattr(augment_operations, "apply", record)
    return layers


def _image(count):
    return np.zeros((count, 2, 2, 3), np.float32)


def test_randaugment_draws_its_14_operations_alike(applied):
    draws = RNG.random((28_000, 6)).astype(np.float32)
    augment_policies.randaugment(_image(28_000), draws, 12.0, FILL)
    assert len(applied) == 3
    for names, strength, sign in applied:
        counts = collections.Counter(names)
        assert set(counts) == set(NAMES) - {"invert"}
        np.testing.assert_allclose(np.array([*counts.values()]) / 2000, 1, atol=0.12)
        np.testing.assert_allclose(strength, 0.4)
        assert set(sign) == {-1.0, 1.0} and abs(sign.mean()) < 0.03
    assert applied[0][0] != applied[1][0]


def test_the_cifar10_policy_is_the_papers(applied):
    policy = augment_policies.CIFAR10_POLICY
    assert len(policy) == 25
    draws = RNG.random((50_000, 5)).astype(np.float32)
    augment_policies.autoaugment(_image(50_000), draws, FILL)
    chosen = (draws[:, 0] * 25).astype(int)
    for layer, (names, strength, _) in enumerate(applied):
        names = np.array(names)
        for number, pair in enumerate(policy):
            name, probability, level = pair[layer]
            rows = chosen == number
            happened = names[rows] == name
            assert set(names[rows]) <= {name, "identity"}
            assert abs(happened.mean() - probability) < 0.05
            np.testing.assert_allclose(strength[rows], level / 9, atol=1e-6)


def test_no_operation_is_misspelt():
    used = {op for pair in augment_policies.CIFAR10_POLICY for op, _, _ in pair}
    assert used <= set(NAMES)
    for pair in augment_policies.CIFAR10_POLICY:
        for _, probability, level in pair:
            assert 0 <= probability <= 1 and level in range(10)


@pytest.mark.slow
def test_images_stay_in_range():
    image = RNG.random((64, 9, 9, 3)).astype(np.float32)
    for out in (
        augment_policies.randaugment(
            image, RNG.random((64, 4)).astype(np.float32), 30.0, FILL
        ),
        augment_policies.autoaugment(
            image, RNG.random((64, 5)).astype(np.float32), FILL
        ),
    ):
        assert out.shape == image.shape and out.dtype == jnp.float32
        assert out.min() >= 0 and out.max() <= 1

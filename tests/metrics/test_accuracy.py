"""Top-k accuracy against counting by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from research.metrics import accuracy


def _count(scores, label, mask, k):
    """Counts, one example at a time, labels that beat all but k - 1 other classes."""
    correct = 0
    for row, own, counts in zip(scores, label, mask, strict=True):
        rivals = sum(row[j] >= row[own] for j in range(len(row)) if j != own)
        correct += counts * (rivals < k)
    return correct


@pytest.mark.parametrize("k", [1, 2, 5])
def test_equals_counting(k):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(50, 7)).astype(np.float32)
    label = rng.integers(0, 7, 50)
    mask = (rng.random(50) < 0.7).astype(np.float32)
    correct, counted = accuracy.top_k(*map(jnp.asarray, (scores, label, mask)), k=k)
    assert float(correct) == _count(scores, label, mask, k)
    assert float(counted) == mask.sum()
    assert correct.dtype == counted.dtype == jnp.float32


def test_k_of_all_classes_is_always_right():
    scores = jnp.asarray(np.random.default_rng(0).normal(size=(9, 4)))
    correct, _ = accuracy.top_k(scores, jnp.arange(9) % 4, jnp.ones(9), k=4)
    assert float(correct) == 9


def test_constant_scores_are_never_right():
    correct, counted = accuracy.top_k(jnp.zeros((4, 3)), jnp.arange(4) % 3, jnp.ones(4))
    assert (float(correct), float(counted)) == (0, 4)


def test_a_tie_with_one_other_class_fails_top_1_but_not_top_2():
    scores = jnp.array([[1.0, 1.0, 0.0]])
    label, mask = jnp.array([0]), jnp.ones(1)
    assert float(accuracy.top_k(scores, label, mask)[0]) == 0
    assert float(accuracy.top_k(scores, label, mask, k=2)[0]) == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_never_right(bad):
    correct, counted = accuracy.top_k(
        jnp.full((2, 3), bad), jnp.array([0, 1]), jnp.ones(2)
    )
    assert (float(correct), float(counted)) == (0, 2)


def test_padding_counts_nothing():
    scores = jnp.eye(3)
    correct, counted = accuracy.top_k(scores, jnp.arange(3), jnp.array([1.0, 0, 0]))
    assert (float(correct), float(counted)) == (1, 1)

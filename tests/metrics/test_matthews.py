"""Matthews correlation against scikit-learn."""

import numpy as np
import pytest
import sklearn.metrics

from research.metrics import matthews


@pytest.mark.parametrize("k", [2, 5])
def test_it_equals_scikit_learn(k):
    rng = np.random.default_rng(k)
    label = rng.integers(0, k, 400)
    predicted = np.where(rng.random(400) < 0.5, label, rng.integers(0, k, 400))
    expected = sklearn.metrics.matthews_corrcoef(label, predicted)
    assert matthews.correlation(label, predicted, k) == pytest.approx(expected, 1e-12)


def test_its_ends():
    label = np.array([0, 1, 1, 0, 1])
    assert matthews.correlation(label, label, 2) == 1
    assert matthews.correlation(label, 1 - label, 2) == -1
    assert matthews.correlation(label, np.ones(5, int), 2) == 0
    assert matthews.correlation(np.ones(5, int), label, 2) == 0


def test_large_counts_do_not_overflow():
    label = np.repeat([0, 1], 2_000_000)
    assert matthews.correlation(label, label, 2) == 1

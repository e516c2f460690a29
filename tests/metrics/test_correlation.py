"""Pearson and Spearman against SciPy."""

import numpy as np
import pytest
import scipy.stats

from research.metrics import correlation


@pytest.fixture
def scores():
    """STS-B-like scores, with many ties, and noisy predictions with some."""
    rng = np.random.default_rng(0)
    score = rng.integers(0, 26, 500) / 5
    return score.astype(np.float32), np.round(score + rng.normal(0, 1, 500), 1)


def test_it_equals_scipy(scores):
    expected = scipy.stats.pearsonr(*scores).statistic
    assert correlation.pearson(*scores) == pytest.approx(expected, 1e-9)
    expected = scipy.stats.spearmanr(*scores).statistic
    assert correlation.spearman(*scores) == pytest.approx(expected, 1e-9)


def test_its_ends(scores):
    score, _ = scores
    assert correlation.pearson(score, 2 * score + 1) == pytest.approx(1)
    assert correlation.spearman(score, -(score**3)) == pytest.approx(-1)
    assert np.isnan(correlation.pearson(score, np.ones_like(score)))
    assert np.isnan(correlation.spearman(np.ones_like(score), score))


def test_unequal_lengths_are_told():
    with pytest.raises(ValueError) as error:
        correlation.spearman(np.zeros(3), np.zeros(2))
    assert str(error.value) == (
        "score and predicted must be (n,) arrays of equal length, got shapes (3,) and "
        "(2,); give one number per example"
    )

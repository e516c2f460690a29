"""Distances of feature sets against scipy, direct sums and cases known exactly."""

import numpy as np
import pytest
from scipy import linalg, spatial

from research.metrics import frechet


def _features(count, width=5, shift=0.0, seed=0):
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(9).normal(size=(width, width))
    return rng.normal(size=(count, width)) @ mixing + shift


def test_frechet_distance_is_that_of_scipys_matrix_root():
    a, b = _features(80), 1.3 * _features(90, shift=0.4, seed=1)
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = linalg.sqrtm(first @ second).real
    mean = a.mean(0) - b.mean(0)
    expected = mean @ mean + np.trace(first + second - 2 * root)
    assert frechet.frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_of_one_dimension_is_known():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(50, 1)), 3 * rng.normal(size=(60, 1)) + 2
    spread = np.std(a, ddof=1) - np.std(b, ddof=1)
    expected = (a.mean() - b.mean()) ** 2 + spread**2
    assert frechet.frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_features_of_lower_rank_and_equal_sets():
    a = _features(40, width=3) @ np.ones((3, 8))  # rank 1 in 8 dimensions
    assert frechet.frechet_distance(a, a) == pytest.approx(0, abs=1e-6 * a.var())
    assert frechet.frechet_distance(a, a + 1) == pytest.approx(8, rel=1e-6)


def test_kernel_distance_is_the_direct_sum():
    a, b = _features(12), _features(15, shift=0.5, seed=1)
    k = lambda x, y: (np.dot(x, y) / 5 + 1) ** 3  # noqa: E731
    same = [
        np.mean([k(x, y) for i, x in enumerate(s) for j, y in enumerate(s) if i != j])
        for s in (a, b)
    ]
    across = np.mean([k(x, y) for x in a for y in b])
    expected = sum(same) - 2 * across
    assert frechet.kernel_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_kernel_distance_over_subsets_is_near_that_of_all():
    a, b = _features(300) / 4, _features(300, shift=3, seed=1) / 4
    whole = frechet.kernel_distance(a, b)
    parts = frechet.kernel_distance(a, b, subsets=200, size=100)
    assert parts == pytest.approx(whole, rel=0.1)
    assert parts == frechet.kernel_distance(a, b, subsets=200, size=100)
    assert parts != frechet.kernel_distance(a, b, subsets=200, size=100, seed=1)


def test_precision_and_recall_are_those_of_all_distances():
    real, made = _features(60), 0.7 * _features(50, shift=0.3, seed=1)
    found = frechet.precision_recall(real, made, neighbours=3)
    expected = []
    for x, others in ((made, real), (real, made)):
        radii = np.sort(spatial.distance.cdist(others, others), axis=1)[:, 3]
        inside = spatial.distance.cdist(x, others) <= radii
        expected.append(inside.any(1).mean())
    assert found == pytest.approx(expected)
    assert 0 < found[1] < 1


def test_a_mode_that_is_never_made_costs_recall_only():
    modes = np.concatenate([_features(50), _features(50, shift=100, seed=1)])
    precision, recall = frechet.precision_recall(modes, modes[:50] + 1e-3)
    assert precision == 1 and recall == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (
            np.zeros((5, 2)),
            np.zeros((5, 3)),
            "features must be (images, width) with one width, got (5, 2) and (5, 3); "
            "take both of the same network",
        ),
        (
            np.zeros((1, 2)),
            np.zeros((5, 2)),
            "each set needs at least 2 images, got 1 and 5; make more",
        ),
    ],
)
def test_sets_that_cannot_be_compared(a, b, message):
    with pytest.raises(ValueError) as error:
        frechet.frechet_distance(a, b)
    assert str(error.value) == message

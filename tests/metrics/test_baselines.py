"""PCA against the singular values, and the forest on an obvious stranger."""

import numpy as np

from research.metrics import baselines


def test_pca_leaves_the_smallest_singular_values():
    x = np.random.default_rng(0).normal(size=(60, 4, 3)).astype(np.float32)
    flat = x.reshape(60, 12) - x.reshape(60, 12).mean(0)
    sizes = np.linalg.svd(flat, compute_uv=False)
    fitted = baselines.Pca(x, 5)
    errors = fitted.errors(x, x)
    np.testing.assert_allclose(errors.sum(), (sizes[5:] ** 2).sum(), rtol=1e-4)
    assert fitted.encode(x).shape == (60, 5)


def test_more_components_than_numbers_leave_nothing():
    x = np.random.default_rng(0).normal(size=(30, 4))
    assert baselines.Pca(x, 9).errors(x, x).max() < 1e-12


def test_constant_columns_and_a_single_example_do_no_harm():
    x = np.ones((5, 3))
    assert np.isfinite(baselines.Pca(x, 2).errors(x[:1], x[:1])).all()


def test_the_forest_finds_a_stranger():
    train = np.random.default_rng(0).normal(size=(300, 6))
    found = baselines.forest_scores(train, np.stack([np.zeros(6), np.full(6, 8.0)]))
    assert found[1] > found[0]

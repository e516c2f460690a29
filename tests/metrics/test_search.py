"""Searches against distances by numpy, small codes, invariants of inverted files."""

import numpy as np
import pytest

from research.metrics import search

RNG = np.random.default_rng(0)
BASE = RNG.normal(size=(400, 6)).astype(np.float32)
QUERIES = RNG.normal(size=(20, 6)).astype(np.float32)


def _true(k=5):
    distance = ((QUERIES[:, None] - BASE[None]) ** 2).sum(2)
    return np.argsort(distance, axis=1)[:, :k]


def test_exact_search_equals_numpy():
    found = search.nearest(search.exact(BASE), QUERIES, 5)
    np.testing.assert_array_equal(found, _true())


def test_all_cells_find_everything_and_more_cells_never_find_less():
    index = search.inverted_file(BASE, cells=12)
    recalls = [
        search.recall(search.nearest(index, QUERIES, 5, v), _true()) for v in (1, 3, 12)
    ]
    assert recalls == sorted(recalls) and recalls[-1] == 1.0 and recalls[0] < 1.0


def test_a_small_cell_leaves_places_empty():
    index = search.inverted_file(BASE[:6], cells=3)
    found = search.nearest(index, QUERIES, 5, visits=1)
    assert found.shape == (20, 5) and (found == -1).any()
    again = search.rescored(BASE[:6], QUERIES, found, 5)
    assert ((again >= 0).sum(1) == (found >= 0).sum(1)).all()


@pytest.mark.parametrize("cells", [0, 12])
def test_a_byte_per_number_is_nearly_as_good(cells):
    base = np.concatenate([BASE, np.full((400, 1), 2.5, np.float32)], axis=1)
    queries = np.pad(QUERIES, ((0, 0), (0, 1)), constant_values=2.5)
    index = (
        search.inverted_file(base, cells, int8=True)
        if cells
        else search.exact(base, int8=True)
    )
    assert index.code_size == base.shape[1]
    found = search.nearest(index, queries, 5, visits=cells)
    assert 0.9 < search.recall(found, _true()) <= 1


def test_scoring_again_restores_the_order():
    candidates = np.stack([RNG.permutation(_true(40)[q]) for q in range(20)])
    found = search.rescored(BASE, QUERIES, candidates, 5)
    np.testing.assert_array_equal(found, _true())


def test_recall_is_the_share_that_is_found():
    found, true = np.array([[1, 2], [5, -1]]), np.array([[2, 9], [5, 6]])
    assert search.recall(found, true) == pytest.approx(0.5)

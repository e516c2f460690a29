"""Packing: what makes a pair, what is cut, and that nothing is lost."""

import numpy as np
import pytest

from research.data import packing_pairs


@pytest.fixture(scope="module")
def corpus():
    """40 documents of up to 30 sentences; each token is its own number."""
    rng = np.random.default_rng(0)
    counts = rng.integers(1, 31, 40)
    lengths = rng.integers(1, 25, counts.sum())
    return packing_pairs.Corpus(
        np.arange(lengths.sum(), dtype=np.int32),
        np.concatenate([[0], np.cumsum(lengths)]),
        np.concatenate([[0], np.cumsum(counts)]),
    )


def _document(corpus, token):
    sentence = np.searchsorted(corpus.sentences, token, side="right") - 1
    return np.searchsorted(corpus.documents, sentence, side="right") - 1


def test_pairs_follow_each_other_or_come_from_two_documents(corpus):
    pairs = packing_pairs.pack_pairs(corpus, 61, np.random.default_rng(0))
    a, b, elsewhere = pairs[:, :2], pairs[:, 2:4], pairs[:, 4].astype(bool)
    assert (a[:, 1] > a[:, 0]).all() and (b[:, 1] > b[:, 0]).all()
    total = (a[:, 1] - a[:, 0]) + (b[:, 1] - b[:, 0])
    assert total.max() == 61
    same = _document(corpus, a[:, 0]) == _document(corpus, b[:, 0])
    np.testing.assert_array_equal(same, ~elsewhere)
    assert (b[~elsewhere, 0] >= a[~elsewhere, 1]).all()
    short = total[~elsewhere] < 61  # nothing was cut: B begins where A ends
    np.testing.assert_array_equal(b[~elsewhere, 0][short], a[~elsewhere, 1][short])
    # A single sentence left over always gets a partner from elsewhere.
    assert 0.5 < elsewhere.mean() < 0.7


def test_segments_stay_inside_a_document(corpus):
    pairs = packing_pairs.pack_pairs(corpus, 61, np.random.default_rng(1))
    for begin, end in (pairs[:, :2].T, pairs[:, 2:4].T):
        first, last = _document(corpus, begin), _document(corpus, end - 1)
        np.testing.assert_array_equal(first, last)


def test_most_of_the_text_is_in_some_pair(corpus):
    pairs = packing_pairs.pack_pairs(corpus, 61, np.random.default_rng(0))
    seen = np.zeros(len(corpus.tokens), bool)
    for a0, a1, b0, b1, _ in pairs:
        seen[a0:a1] = seen[b0:b1] = True
    assert seen.mean() > 0.9


def test_a_pair_too_long_loses_the_longer_ones_tokens():
    rng = np.random.default_rng(0)
    a0, a1, b0, b1 = packing_pairs._shortened((0, 50), (60, 70), 40, rng)
    assert (b0, b1) == (60, 70) and a1 - a0 == 30 and 0 < a0 and a1 < 50
    a0, a1, b0, b1 = packing_pairs._shortened((0, 50), (60, 120), 41, rng)
    assert (a1 - a0, b1 - b0) == (21, 20)
    assert packing_pairs._shortened((0, 3), (5, 8), 6, rng) == (0, 3, 5, 8)


def test_single_segments_hold_whole_sentences(corpus):
    singles = packing_pairs.pack_singles(corpus, 60)
    lengths = singles[:, 1] - singles[:, 0]
    assert lengths.max() <= 60 and lengths.sum() == len(corpus.tokens)
    assert np.isin(singles[:, 1], corpus.sentences).all()
    assert not singles[:, 2:].any()
    cut = packing_pairs.pack_singles(corpus, 10)
    assert (cut[:, 1] - cut[:, 0]).max() == 10

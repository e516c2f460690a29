"""Hiding tokens: how many, which, what becomes of them, and from what it is drawn."""

import jax
import numpy as np
import pytest

from research.tasks import masking

V, T, B, MASK = 50, 40, 400, 4


@pytest.fixture(scope="module")
def batch():
    """Rows of [CLS], words of one to three tokens, [SEP], padding."""
    rng = np.random.default_rng(0)
    token = rng.integers(5, V, (B, T)).astype(np.int32)
    word = np.full((B, T), -1, np.int32)
    for row, length in enumerate(rng.integers(4, T, B)):
        begins = rng.random(length) < 0.6
        begins[0] = True
        word[row, 1 : length + 1] = np.cumsum(begins) - 1
    return token, word


def _mask(batch, seed=0, **options):
    token, word = batch
    keys = jax.random.split(jax.random.key(seed), B)
    options = dict(vocabulary_size=V, rate=0.15, whole_words=False) | options
    run = jax.jit(lambda k, t, w, m: masking.mask(k, t, w, m, **options))
    return jax.tree.map(np.asarray, run(keys, token, word, np.full(B, MASK, np.int32)))


def _wanted(word, rate=0.15):
    return np.clip(np.round(rate * (word >= 0).sum(1)), 1, masking.most(T, rate))


def test_the_share_of_each_row_is_hidden_and_nothing_else_changes(batch):
    token, word = batch
    found = _mask(batch)
    assert found.position.shape == (B, 6)
    np.testing.assert_array_equal(found.weight.sum(1), _wanted(word))
    chosen = np.zeros((B, T), bool)
    rows = np.arange(B)[:, None]
    chosen[rows, found.position] = found.weight > 0
    assert (word[chosen] >= 0).all()
    np.testing.assert_array_equal(found.token[~chosen], token[~chosen])
    np.testing.assert_array_equal(found.target, token[rows, found.position])


def test_eighty_ten_ten(batch):
    found = _mask(batch, rate=0.5)
    used = found.weight > 0
    now = np.take_along_axis(found.token, found.position, axis=1)[used]
    masked, kept = (now == MASK).mean(), (now == found.target[used]).mean()
    assert used.sum() > 3000
    assert masked == pytest.approx(0.8, abs=0.03)
    assert kept == pytest.approx(0.1 + 0.1 / V, abs=0.02)


def test_whole_words_are_hidden_whole(batch):
    _, word = batch
    found = _mask(batch, whole_words=True)
    chosen = np.zeros((B, T), bool)
    chosen[np.arange(B)[:, None], found.position] = found.weight > 0
    for row in range(B):
        hidden = set(word[row][chosen[row]])
        assert hidden and -1 not in hidden
        expected = np.isin(word[row], list(hidden))
        if expected.sum() <= masking.most(T, 0.15):
            np.testing.assert_array_equal(chosen[row], expected)
    counts = found.weight.sum(1)
    longest = [np.bincount(row[row >= 0]).max() for row in word]
    assert (counts <= np.maximum(_wanted(word), longest)).all()
    assert counts.mean() > 0.7 * _wanted(word).mean()


def test_draws_follow_the_keys(batch):
    one, again, other = _mask(batch), _mask(batch), _mask(batch, seed=1)
    np.testing.assert_array_equal(one.token, again.token)
    assert (one.position != other.position).any()


def test_keys_of_examples_follow_from_what_they_hold(batch):
    token, _ = batch
    keys = jax.random.key_data(masking.keys_of(token))
    shuffled = jax.random.key_data(masking.keys_of(token[::-1]))
    np.testing.assert_array_equal(keys, shuffled[::-1])
    assert len(np.unique(np.asarray(keys), axis=0)) == B

"""Synthetic documents: the spec of real ones, and that hidden words follow."""

import numpy as np
import pytest

from research.data import synthetic_documents, tokenization


def test_the_spec_is_that_of_masked_text():
    made = synthetic_documents.load("validation", count=64, length=24)
    batch = made.gather(np.arange(len(made)))
    assert (
        set(batch)
        == {*("token", "type", "word", "length", "mask_token", "label")}
        == set(made.spec.features)
    )
    assert batch["token"].shape[1] == 24
    assert batch["token"].max() < made.spec.sizes["vocab_size"]
    assert not (batch["token"] == 1).any()  # no unknown word
    single = synthetic_documents.load("validation", count=64, pairs=False)
    assert "label" not in single.spec.features


def test_everybody_always_does_the_same():
    made = synthetic_documents.load("train", count=64)
    tokenizer = tokenization.from_str(made.spec.tokenizers["token"])
    words = [tokenizer.id_to_token(i) for i in made.corpus.tokens]
    does = {}
    for who, verb in zip(words, words[1:], strict=False):
        if who in ("farmer", "captain", "baker", "ranger"):
            does.setdefault(who, set()).add(verb)
    assert does == {
        "farmer": {"feeds"},
        "captain": {"steers"},
        "baker": {"sells"},
        "ranger": {"lights"},
    }


def test_seeds_repeat_and_differ():
    one, again = (synthetic_documents.load("train", count=16) for _ in range(2))
    other = synthetic_documents.load("train", count=16, seed=1)
    np.testing.assert_array_equal(one.records, again.records)
    assert not np.array_equal(one.corpus.tokens, other.corpus.tokens)


def test_a_bad_option_is_one_sentence():
    with pytest.raises(ValueError) as error:
        synthetic_documents.load("train", count=4)
    assert str(error.value) == (
        "synthetic documents need a length and a count of at least 16, got 32 and 4; "
        "correct them"
    )

"""Synthetic sentences: the spec of the real ones, labels that follow from the text."""

import numpy as np
import pytest

from research.data import synthetic_sentences, tokenization


@pytest.mark.parametrize(
    ("kind", "classes", "dtype"),
    [("class", 2, "int32"), ("pair", 2, "int32"), ("score", 1, "float32")],
)
def test_the_spec_is_that_of_a_table(kind, classes, dtype):
    made = synthetic_sentences.load("validation", kind=kind, count=64)
    assert len(made) == 16
    assert made.spec.sizes == {"num_classes": classes, "vocab_size": 41}
    assert made.spec.features["label"].dtype == dtype
    batch = made.gather(np.arange(16))
    assert batch["length"].max() <= 24 and batch["type"].any() == (kind != "class")


def test_the_label_follows_from_the_words():
    made = synthetic_sentences.load("train", count=200)
    tokenizer = tokenization.from_str(made.spec.tokenizers["token"])
    batch = made.gather(np.arange(200))
    for token, length, label in zip(
        batch["token"], batch["length"], batch["label"], strict=True
    ):
        words = [tokenizer.id_to_token(i) for i in token[:length]]
        good = words[-1] in synthetic_sentences._GOOD
        assert (good != ("not" in words)) == bool(label)


def test_splits_differ_and_seeds_repeat():
    one, two = (synthetic_sentences.load("train", count=8) for _ in range(2))
    other = synthetic_sentences.load("train", count=8, seed=1)
    np.testing.assert_array_equal(one.arrays["token"], two.arrays["token"])
    assert (one.arrays["token"] != other.arrays["token"]).any()


def test_a_bad_option_is_one_sentence():
    with pytest.raises(ValueError) as error:
        synthetic_sentences.load("train", kind="triple")
    assert str(error.value) == (
        "synthetic sentences need a kind of class, pair, score, a length of at least "
        "24 and a count of at least 4, got 'triple', 24 and 2048; correct them"
    )

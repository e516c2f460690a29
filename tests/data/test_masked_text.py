"""Text for BERT's pre-training: what an example looks like, and the mistakes."""

import numpy as np
import pytest

from research.data import masked_text, tokenization

TEXT = "\n\n".join(
    "\n".join(f"the {noun} {verb} here" for verb in ("runs", "sits", "playing"))
    for noun in ("cat", "dog", "bird", "horse")
)
VOCABULARY = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat dog bird ho ##rse runs sits play"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train.txt").write_text(TEXT)
    (tmp_path / "valid.txt").write_text("the cat barks\n\nthe dog runs")
    return tmp_path


@pytest.fixture
def vocabulary(tmp_path):
    file = tmp_path / "vocab.txt"
    file.write_text("\n".join(f"{VOCABULARY} ##ing here".split()) + "\n")
    return str(file)


def test_an_example_of_a_pair(folder, vocabulary):
    made = masked_text.load("train", str(folder), length=16, tokenizer=vocabulary)
    tokenizer = tokenization.from_str(made.spec.tokenizers["token"])
    batch = made.gather(np.arange(len(made)))
    assert set(batch) == set(made.spec.features)
    for row in range(len(made)):
        names = [tokenizer.id_to_token(i) for i in batch["token"][row]]
        length, word = batch["length"][row], batch["word"][row]
        assert names[0] == "[CLS]" and names[length - 1] == "[SEP]"
        assert set(names[length:]) <= {"[PAD]"}
        first = names.index("[SEP]")
        types = [int(first < i < length) for i in range(16)]
        assert batch["type"][row].tolist() == types
        special = [name.startswith("[") and name != "[UNK]" for name in names]
        np.testing.assert_array_equal(word == -1, special)
        for i, name in enumerate(names):
            if name.startswith("##") and not special[i - 1]:
                assert word[i] == word[i - 1]
    assert (batch["mask_token"] == 4).all()
    np.testing.assert_array_equal(batch["label"], made.labels())
    assert made.spec.sizes == {"vocab_size": 16} and made.spec.class_names == ()


def test_a_repeated_packing_makes_other_pairs_and_seeds_repeat(folder, vocabulary):
    options = dict(length=16, tokenizer=vocabulary)
    once = masked_text.load("train", str(folder), **options)
    twice = masked_text.load("train", str(folder), passes=2, **options)
    np.testing.assert_array_equal(twice.records[: len(once)], once.records)
    assert len(twice) > len(once)
    other = masked_text.load("train", str(folder), seed=1, **options)
    assert not np.array_equal(other.records, once.records)
    assert masked_text.splits(str(folder)) == ("train", "validation")
    assert len(masked_text.load("validation", str(folder), passes=2, **options)) == 2


def test_single_segments(folder, vocabulary):
    made = masked_text.load(
        "train", str(folder), length=16, pairs=False, tokenizer=vocabulary
    )
    batch = made.gather(np.arange(len(made)))
    assert "label" not in batch and made.labels() is None
    assert not batch["type"].any()
    assert (batch["token"] == 3).sum() == len(made)  # one [SEP] each


def test_words_of_the_training_text(folder):
    made = masked_text.load("validation", str(folder), length=12, tokenizer="word")
    assert made.spec.sizes["vocab_size"] == 5 + 9
    assert (made.gather(np.array([0, 1]))["token"] == 1).sum() >= 1  # barks


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            dict(format="xml"),
            "config.data.format must be one of plain, wikitext, got 'xml'; correct it",
        ),
        (
            dict(length=4),
            "config.data.length must be at least 8 and passes at least 1, got 4 and 1; "
            "use 128 and 1",
        ),
        (
            dict(pairs=False, passes=2),
            "config.data.passes=2 packs other pairs each time, but pairs=False makes "
            "none; set it to 1",
        ),
        (
            dict(tokenizer="byte"),
            "masking needs a tokenizer with a cls token, got 'byte'; use 'wordpiece', "
            "'word' or BERT's vocab.txt",
        ),
    ],
)
def test_a_bad_option_is_one_sentence(folder, options, sentence):
    with pytest.raises(ValueError) as error:
        masked_text.load("train", str(folder), **options)
    assert str(error.value) == sentence


def test_pairs_of_one_document_are_one_sentence(tmp_path, vocabulary):
    (tmp_path / "train.txt").write_text("the cat runs\nthe dog sits")
    with pytest.raises(ValueError) as error:
        masked_text.load("train", str(tmp_path), tokenizer=vocabulary)
    assert str(error.value) == (
        "next sentence prediction needs two documents at least, got one; put blank "
        "lines between documents, or set config.data.pairs=False"
    )

"""Pairs of sentences: marks, padding, what is too long, and the texts themselves."""

import logging
import re

import numpy as np
import pytest

from research.data import pairs, source, tokenization

TEXTS = (
    ["Ein Hund.", "Zwei Hunde, drei Katzen laufen!", "", "Ein Tier"],
    ["A dog.", "Two dogs, three cats run!", "", "An animal"],
)
WORDS = pairs.Options("word", 0, 1, True, 0, 0)


def _make(options=WORDS, training=False, texts=TEXTS):
    return pairs.make(texts, pairs.learn(texts, options), training)


def _rows(made, side):
    return made.gather(np.arange(len(made)))[side]


def test_words():
    made = _make()
    # Seven tokens, and <sos> and <eos>.
    assert [f.shape for f in made.spec.features.values()] == [(9,), (9,)]
    for side, sentence in (
        ("source", "zwei hunde , drei katzen laufen !"),
        ("target", "two dogs , three cats run !"),
    ):
        tokenizer = tokenization.from_str(made.spec.tokenizers[side])
        size = made.spec.sizes[f"{side}_vocab_size"]
        assert size == tokenizer.get_vocab_size()
        rows = _rows(made, side)
        assert rows.dtype == np.int32 and rows.max() < size
        assert tokenizer.decode(rows[1]) == sentence
        assert rows[1, 0] == 2 and rows[1][rows[1] > 0][-1] == 3
        assert rows[2].tolist() == [2, 3] + [0] * (rows.shape[1] - 2)
        # What a prediction reads is encoded the same way.
        ids = tokenizer.encode(TEXTS[side == "target"][0]).ids
        assert rows[0, : len(ids)].tolist() == ids


def test_any_order_with_repeats_and_texts():
    made = _make()
    rows = made.gather(np.array([3, 0, 3]))
    for side in pairs.SIDES:
        np.testing.assert_array_equal(rows[side], _rows(made, side)[[3, 0, 3]])
    assert made.texts("source", np.array([1, 0])) == [TEXTS[0][1], TEXTS[0][0]]
    assert made.texts("target", [3]) == ["An animal"]
    part = source.Subset(made, np.array([3, 1]))
    assert part.texts("target", np.array([0])) == ["An animal"]
    assert made.texts("target") == TEXTS[1]
    assert part.texts("target") == ["An animal", TEXTS[1][1]]
    assert source.in_memory(part)


def test_long_pairs_are_left_out_of_training(caplog):
    options = pairs.Options("word", 0, 1, True, 6, 5)
    with caplog.at_level(logging.INFO):
        made = _make(options, training=True)
    assert len(made) == 3
    assert made.texts("source", range(3)) == [TEXTS[0][k] for k in (0, 2, 3)]
    assert [f.shape for f in made.spec.features.values()] == [(6,), (5,)]
    assert caplog.messages == [
        "3 pairs; 1 are longer than 6 and 5 tokens and were left out; padding is 39 % "
        "of source and 27 % of target"
    ]
    whole = _make(options)
    for side in pairs.SIDES:
        np.testing.assert_array_equal(_rows(made, side), _rows(whole, side)[[0, 2, 3]])


def test_long_sentences_are_cut_elsewhere():
    made = _make(pairs.Options("word", 0, 1, True, 6, 5))
    tokenizer = tokenization.from_str(made.spec.tokenizers["source"])
    row = _rows(made, "source")[1]
    words = tokenizer.decode(row, skip_special_tokens=False)
    assert words == "<sos> zwei hunde , drei <eos>"
    assert made.texts("source", [1]) == [TEXTS[0][1]]
    assert len(made) == 4


def test_padding():
    made = _make()
    shares = [(_rows(made, side) == 0).mean() for side in pairs.SIDES]
    np.testing.assert_allclose(made.padding(), shares)


def test_joint_byte_pairs():
    texts = ([*TEXTS[0], "tier"] * 9, [*TEXTS[1], "tier"] * 9)
    made = _make(pairs.Options("bpe", 300, 2, True, 0, 0), texts=texts)
    assert made.spec.tokenizers["source"] == made.spec.tokenizers["target"]
    assert made.spec.sizes == {"source_vocab_size": 300, "target_vocab_size": 300}
    tokenizer = tokenization.from_str(made.spec.tokenizers["source"])
    assert tokenizer.decode(_rows(made, "source")[1]) == TEXTS[0][1].lower()


def test_a_tokenizer_from_a_file(tmp_path):
    stored = _make(pairs.Options("char", 0, 1, False, 0, 0)).spec.tokenizers["source"]
    (tmp_path / "tokenizer.json").write_text(stored, encoding="utf-8")
    texts = (TEXTS[0], TEXTS[0])
    # min_frequency and lowercase are of vocabularies that are built here.
    made = _make(pairs.Options(str(tmp_path), 0, 2, True, 0, 0), texts=texts)
    tokenizer = tokenization.from_str(made.spec.tokenizers["target"])
    assert tokenizer.decode(_rows(made, "target")[1]) == TEXTS[0][1]


def _fails(message, options, texts=TEXTS):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        pairs.learn(texts, options)


def test_errors(tmp_path):
    _fails(
        "config.data.target_length counts <sos> and <eos> and must exceed 2 (0: as the "
        "longest sentence), got 2; correct it",
        pairs.Options("word", 0, 1, True, 0, 2),
    )
    for name in ("byte", "wordpiece"):
        _fails(
            f"tokenizer {name!r} has no <pad> with id 0 beside <sos> and <eos>, which "
            "pairs need; use 'word', 'char', 'bpe' or a path",
            pairs.Options(name, 0, 1, False, 0, 0),
        )
    built = tokenization.create("word", ["a b"])
    file = tmp_path / "tokenizer.json"
    file.write_text(built.to_str(), encoding="utf-8")
    _fails(
        f"tokenizer {file} must have <pad> with id 0, <sos> and <eos> for pairs, got "
        "ids None, None and 1; use 'word', 'char' or 'bpe'",
        pairs.Options(str(file), 0, 1, False, 0, 0),
    )
    message = "tokenizer 'word' needs a text to learn from, got an empty one"
    _fails(message, WORDS, (["", " "], ["a", "b"]))


def test_tokens_are_counted_for_sorting_also_of_a_subset():
    made = _make()
    rows = [_rows(made, side) for side in ("source", "target")]
    expected = sum((each != 0).sum(1) for each in rows)
    np.testing.assert_array_equal(source.token_counts(made), expected)
    part = source.Subset(made, np.array([2, 0]))
    np.testing.assert_array_equal(source.token_counts(part), expected[[2, 0]])
    arrays = source.Arrays({"label": np.zeros(3, np.int32)})
    assert source.token_counts(source.Subset(arrays, np.array([1]))) is None

"""The report of text classification: mistakes as text, confusions, scores."""

import numpy as np
import pytest

from research.data import sentences, tokenization
from research.reports import evaluations, text_classification

TEXTS = ["a fine film", "a dull <b>plot</b>", "fine and dull", "a plot"]


def _examples(columns, label, class_names=(), sizes=()):
    words = [text for column in columns for text in column]
    made = sentences.make_tokenizer(
        "word", words, length=12, pairs=len(columns) == 2, words="whitespace"
    )
    arrays = sentences.encode(made, columns) | {"label": label}
    return sentences.examples(arrays, class_names, made, sizes)


def _write(folder, examples, predictions):
    text_classification.write(
        folder,
        "test",
        spec=examples.spec,
        examples=examples,
        predictions=predictions,
        metrics={"test/loss": 0.5},
        step=7,
        checkpoint="best",
    )
    (values,) = evaluations.read(folder)
    return values


def test_mistakes_are_listed_the_most_confident_first(tmp_path):
    label = np.array([1, 0, 1, 0], np.int32)
    examples = _examples([TEXTS], label, ("bad", "good"))
    p = np.array([[0.1, 0.9], [0.2, 0.8], [0.9, 0.1], [0.7, 0.3]])
    values = _write(tmp_path, examples, {"probability": p})
    assert values["errors"] == 2 and values["confusion_matrix"] == [[1, 1], [1, 1]]
    assert [(r["text"], r["true"], r["predicted"]) for r in values["mistakes"]] == [
        ("fine and dull", "good", "bad"),
        ("a dull <b>plot</b>", "bad", "good"),
    ]
    section = text_classification.section(tmp_path)
    assert "Wrong: all 2" in section
    assert "&lt;b&gt;plot" in section and "<b>plot" not in section
    assert section.index("fine and dull") < section.index("a dull")


def test_scores_are_drawn_and_the_farthest_listed(tmp_path):
    label = np.array([0.0, 2.5, 5.0, 1.0], np.float32)
    examples = _examples([TEXTS, TEXTS[::-1]], label, sizes={"num_classes": 1})
    score = np.array([0.5, 2.5, 2.0, np.nan])
    values = _write(tmp_path, examples, {"score": score})
    assert values["mistakes"][0] == {
        "example": 2,
        "true": 5.0,
        "predicted": 2.0,
        "text": "fine and dull | a dull <b>plot</b>",
    }
    section = text_classification.section(tmp_path)
    assert section.count("<circle") == 3  # NaN is no point
    assert "farthest off" in section and "5.00" in section


def test_a_perfect_split_says_so(tmp_path):
    label = np.array([1, 0, 1, 0], np.int32)
    examples = _examples([TEXTS], label, ("bad", "good"))
    values = _write(tmp_path, examples, {"probability": np.eye(2)[label]})
    assert values["mistakes"] == []
    assert "No mistake" in text_classification.section(tmp_path)


@pytest.mark.parametrize("length", [3, 12])
def test_texts_are_read_back_from_tokens(length):
    made = sentences.make_tokenizer(
        "word", TEXTS, length=4, pairs=False, words="whitespace"
    )
    tokenizer = sentences.fitted(tokenization.from_str(made.to_str()), length)
    examples = sentences.examples(sentences.encode(tokenizer, [TEXTS]), (), tokenizer)
    found = text_classification._texts(examples.spec, examples, np.array([3, 0]))
    assert found == ["a plot", "a fine film"]

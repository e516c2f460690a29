"""The report of masked language modeling: filled-in texts, and what counting gives."""

import numpy as np
import pytest

from research.data import synthetic_documents
from research.reports import evaluations, masked_language_modeling


@pytest.fixture
def examples():
    return synthetic_documents.load("test", count=64, length=24)


def test_hidden_words_are_shown_right_and_wrong(examples, tmp_path):
    token = examples.gather(np.arange(2))["token"]
    target = token[:, 1:3].copy()
    predicted = target.copy()
    predicted[0, 1] = 5  # wrong, of two places; the other row has one place in use
    read = token.copy()
    read[:, 1:3] = 4
    masked_language_modeling.write(
        tmp_path,
        "test",
        spec=examples.spec,
        examples=examples,
        predictions={
            "token": read,
            "position": np.array([[1, 2], [1, 2]]),
            "target": target,
            "predicted": predicted,
            "probability": np.full((2, 2), 0.75),
            "weight": np.array([[1, 1], [1, 0]], np.float32),
        },
        metrics={"test/loss": 1.25},
        step=3,
        checkpoint="best",
    )
    (values,) = evaluations.read(tmp_path)
    first, second = values["texts"]
    assert first[0][0] == first[0][1] and first[1][0] != first[1][1]
    assert isinstance(second[0], list) and second[1] == "<mask>"
    section = masked_language_modeling.section(tmp_path)
    assert "1.25 nats" in section and section.count('class="bad" title="75.0%"') == 1
    assert "&lt;mask&gt;" in section and "<mask>" not in section


def test_the_entropy_of_counts(examples):
    found = masked_language_modeling.unigram_entropy(examples)
    batch = examples.gather(np.arange(len(examples)))
    _, counts = np.unique(batch["token"][batch["word"] >= 0], return_counts=True)
    p = counts / counts.sum()
    assert found == pytest.approx(-(p * np.log(p)).sum())


def test_pieces_stand_against_their_words():
    tokens = ["play", "##ing", ["##s", "##ed", 0.5], "a"]
    marked = masked_language_modeling._marked(tokens)
    assert marked == (
        ' playing<b class="bad" title="50.0%">ed</b><small> (s)</small> a'
    )

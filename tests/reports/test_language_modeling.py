"""What an evaluation of a language model leaves, and how it is shown."""

import json

import numpy as np

from research.data import source, tokenization
from research.reports import language_modeling

TOKENS = np.array([[0, 1, 2, 1, 0]], np.int32)


def _write(folder, tokenizers):
    examples = source.Arrays({"token": TOKENS[:, ::-1]})
    files = language_modeling.write(
        folder,
        "test",
        spec=source.Spec(examples.spec.features, tokenizers=tokenizers),
        examples=examples,
        predictions={"token": TOKENS},
        metrics={"test/perplexity": 2.5},
        step=7,
        checkpoint="best",
    )
    assert files == {}
    return json.loads((folder / "evaluation" / "test.json").read_text())


def test_texts_are_kept_in_two_halves(tmp_path):
    made = tokenization.create("char", ["abc"]).to_str()
    stored = _write(tmp_path, {"token": made})
    assert stored["texts"] == [{"given": "abc", "drawn": "ba", "true": "ba"}]
    section = language_modeling.section(tmp_path)
    assert "abc<b>ba</b>" in section and "In the text: ba" in section


def test_tokens_that_no_tokenizer_is_known_of_are_no_text(tmp_path):
    stored = _write(tmp_path, {})
    assert stored["metrics"] == {"test/perplexity": 2.5} and "texts" not in stored
    assert language_modeling.section(tmp_path) == ""

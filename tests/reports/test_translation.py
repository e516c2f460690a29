"""What an evaluation of a translation run leaves, and how it is shown."""

import json

import numpy as np
import pytest
from PIL import Image

from research.data import synthetic_pairs
from research.reports import attention_maps, histograms, translation


@pytest.fixture(scope="module")
def examples():
    return synthetic_pairs.load("test", count=320)


def _write(folder, examples, attention=True):
    """Evaluates a model that writes the references themselves, but for the first."""
    batch = examples.gather(np.arange(len(examples)))
    token = batch["target"][:, 1:].copy()
    token[0] = 0
    token[0, 0] = 3  # "<eos>"
    predictions = {"token": token}
    if attention:
        shape = (*token.shape, batch["source"].shape[1])
        predictions["attention"] = np.full(shape, 0.2, np.float16)
    return translation.write(
        folder,
        "test",
        spec=examples.spec,
        examples=examples,
        predictions=predictions,
        metrics={"test/bleu": 97.0},
        step=7,
        checkpoint="best",
    )


def test_sentences_lengths_and_signatures_are_kept(examples, tmp_path):
    written = _write(tmp_path, examples)
    values = json.loads((tmp_path / "evaluation" / "test.json").read_text())
    assert set(values["signatures"]) == {"bleu", "bleu_tokenized"}
    assert "tok:13a" in values["signatures"]["bleu"]
    first, second = values["sentences"][:2]
    assert first["translation"] == "" and first["reference"] != ""
    assert second["translation"].lower() == second["reference"].lower()
    assert len(values["sentences"]) == 16
    lengths = values["lengths"]
    assert lengths["translation"][0] == 1
    assert lengths["translation"][1:] == lengths["reference"][1:]
    file = written["test/attention"]
    with Image.open(file) as picture:
        assert picture.width > 200
    page = translation.section(tmp_path)
    for text in ("Translations: test", "tok:13a", "data:image/png;base64,", "<svg"):
        assert text in page


def test_without_attention_there_is_no_picture(examples, tmp_path):
    _write(tmp_path, examples)
    assert _write(tmp_path, examples, attention=False) == {}
    assert "data:image" not in translation.section(tmp_path)
    assert not list((tmp_path / "samples").glob("*.png"))


def test_a_run_without_evaluation_has_no_section(tmp_path):
    assert translation.section(tmp_path) == ""


def test_maps_are_dark_where_attention_is(tmp_path):
    file = tmp_path / "maps.png"
    eye = np.eye(3, 4)
    attention_maps.write(file, [attention_maps.Map(eye, ["a", "b", "c"], list("wxyz"))])
    with Image.open(file) as picture:
        shade = np.asarray(picture.convert("L"), np.float32)
    cell, label = attention_maps._CELL, attention_maps._LABEL
    corner = shade[label:, label:][: 3 * cell, : 4 * cell]
    middles = corner[cell // 2 :: cell, cell // 2 :: cell]
    np.testing.assert_array_equal(middles < 200, eye == 1)


def test_a_histogram_counts_every_number():
    drawn = histograms.histogram("Lengths", {"a": [0, 1, 1, 3], "<b>": [2]}, "tokens")
    assert drawn.count("<polyline") == 2
    assert "&lt;b&gt;" in drawn and "tokens" in drawn
    many = histograms.histogram("Lengths", {"a": list(range(1000))}, "tokens")
    assert len(many) < 5_000

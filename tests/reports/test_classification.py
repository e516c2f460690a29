"""What an evaluation of a classification run leaves, and how it is shown."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from research.data import source
from research.metrics import accuracy
from research.reports import classification

_NAMES = ("zero", "<one>", "two")


class _Watched(source.Arrays):
    """Remembers which examples were read."""

    def gather(self, indices):
        self.read = [*getattr(self, "read", []), *indices.tolist()]
        return super().gather(indices)


def _examples(n=300, image=True):
    rng = np.random.default_rng(0)
    arrays = {"label": rng.integers(0, 3, n).astype(np.int32)}
    if image:
        arrays["image"] = rng.integers(0, 256, (n, 6, 5, 1)).astype(np.uint8)
    return _Watched(arrays, _NAMES)


def _probability(examples, strength=2.0):
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(len(examples), 3))
    logits[np.arange(len(examples)), examples.labels()] += strength
    exponential = np.exp(logits)
    return (exponential / exponential.sum(axis=1, keepdims=True)).astype(np.float32)


def _write(folder, examples, probability, split="test", metrics=None):
    return classification.write(
        folder,
        split,
        spec=examples.spec,
        examples=examples,
        predictions={"probability": probability},
        metrics=metrics or {f"{split}/loss": 0.5},
        step=7,
        checkpoint="best",
    )


def _read(folder, split="test"):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    text = (folder / "evaluation" / f"{split}.json").read_text()
    return json.loads(text, parse_constant=refuse)


def test_evaluation_holds_what_it_should(tmp_path):
    examples = _examples()
    probability, label = _probability(examples), examples.labels()
    written = _write(tmp_path, examples, probability)
    values = _read(tmp_path)
    predicted = probability.argmax(axis=1)
    assert values["split"] == "test" and values["step"] == 7
    assert values["checkpoint"] == "best" and values["examples"] == 300
    assert values["metrics"] == {"test/loss": 0.5}
    assert values["errors"] == (predicted != label).sum() > 24
    counts = np.array(values["confusion_matrix"])
    assert (
        counts.sum() == 300 and counts[0, 1] == ((label == 0) & (predicted == 1)).sum()
    )
    assert [row["name"] for row in values["classes"]] == list(_NAMES)
    assert values["classes"][1]["examples"] == (label == 1).sum()
    top = values["confusions"][0]
    assert top["count"] == (counts - np.diag(np.diag(counts))).max()
    assert written == {
        "test/right": tmp_path / "samples" / "test_right.png",
        "test/wrong": tmp_path / "samples" / "test_wrong.png",
    }
    assert all(file.exists() for file in written.values())


def test_mistakes_are_the_most_confident_ones(tmp_path):
    examples = _examples()
    probability, label = _probability(examples), examples.labels()
    _write(tmp_path, examples, probability)
    wrong = _read(tmp_path)["wrong"]
    confidence = np.where(probability.argmax(1) != label, probability.max(1), 0)
    best = np.sort(confidence)[::-1][:24]
    np.testing.assert_allclose([row["probability"] for row in wrong], best, rtol=1e-6)
    assert all(row["true"] == _NAMES[label[row["example"]]] for row in wrong)


def test_only_shown_images_are_read_and_right_ones_are_spread(tmp_path):
    examples = _examples()
    _write(tmp_path, examples, _probability(examples))
    values = _read(tmp_path)
    shown = [row["example"] for kind in ("right", "wrong") for row in values[kind]]
    assert examples.read == shown and len(shown) == 12 + 24
    right = [row["example"] for row in values["right"]]
    assert right == sorted(right) and right[0] < 30 and right[-1] > 240


def test_same_evaluation_writes_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        examples = _examples()
        _write(tmp_path / name, examples, _probability(examples))
    files = [
        sorted(f for f in (tmp_path / name).rglob("*") if f.is_file()) for name in "ab"
    ]
    assert len(files[0]) == 3
    for one, other in zip(*files, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_second_evaluation_removes_mistakes_that_are_gone(tmp_path):
    examples = _examples()
    _write(tmp_path, examples, _probability(examples))
    written = _write(tmp_path, examples, _probability(examples, strength=50.0))
    assert _read(tmp_path)["errors"] == 0 and list(written) == ["test/right"]
    assert [f.name for f in (tmp_path / "samples").iterdir()] == ["test_right.png"]
    assert "Wrong" not in classification.section(tmp_path)


@pytest.mark.parametrize("n", [1, 5])
def test_fewer_examples_than_places(tmp_path, n):
    examples = _examples(n)
    _write(tmp_path, examples, np.full((n, 3), 1 / 3, np.float32))
    values = _read(tmp_path)
    assert values["errors"] == n and len(values["wrong"]) == n
    assert f"Wrong: all {n}, the most confident first" in classification.section(
        tmp_path
    )


def test_data_without_images_gets_tables_only(tmp_path):
    examples = _examples(image=False)
    assert _write(tmp_path, examples, _probability(examples)) == {}
    assert not (tmp_path / "samples").exists()
    html = classification.section(tmp_path)
    assert "<img" not in html and "precision" in html and "<svg" in html


def test_many_classes_have_no_matrix_but_their_confusions(tmp_path):
    label = np.arange(150, dtype=np.int32)
    examples = source.Arrays({"label": label}, source.number_names(150))
    probability = np.roll(np.eye(150, dtype=np.float32), 1, axis=1)
    _write(tmp_path, examples, probability)
    values = _read(tmp_path)
    assert "confusion_matrix" not in values and len(values["confusions"]) == 12
    assert values["confusions"][0] == {"true": "0", "predicted": "1", "count": 1}
    html = classification.section(tmp_path)
    assert "<summary>150 classes</summary>" in html and "Confused most often" in html


def test_errors_agree_with_the_accuracy_metric():
    """Ties and NaN count against a prediction, in both."""
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 4, (400, 5)).astype(np.float32)
    scores[::50] = np.nan
    label = rng.integers(0, 5, 400)
    predicted = classification.predicted_class(scores, label)
    correct, _ = accuracy.top_k(jnp.asarray(scores), jnp.asarray(label), jnp.ones(400))
    assert (predicted == label).sum() == correct > 0
    clear = scores[1:2] + np.arange(5) / 10
    assert classification.predicted_class(clear, np.array([0])) == clear.argmax()


def test_undefined_numbers_are_null_and_a_dash(tmp_path):
    examples = source.Arrays({"label": np.zeros(4, np.int32)}, _NAMES)
    probability = np.eye(3, dtype=np.float32)[np.zeros(4, int)]
    _write(tmp_path, examples, probability, metrics={"test/loss": float("nan")})
    values = _read(tmp_path)
    assert values["metrics"] == {"test/loss": None}
    assert values["classes"][2]["recall"] is None
    assert "–" in classification.section(tmp_path)


def test_section_escapes_names_and_survives_lost_pictures(tmp_path):
    examples = _examples()
    _write(tmp_path, examples, _probability(examples))
    html = classification.section(tmp_path)
    assert html.count("<img") == 36 and "&lt;one&gt;" in html and "<one>" not in html
    for file in (tmp_path / "samples").iterdir():
        file.unlink()
    html = classification.section(tmp_path)
    assert "<img" not in html and "<svg" in html


def test_sounds_are_shown_as_spectrograms(tmp_path):
    examples = _examples(image=False)
    rng = np.random.default_rng(2)
    audio = rng.integers(-9_000, 9_000, (300, 2_000)).astype(np.int16)
    audio[:, 400:800] = audio[:, 1_000:] = 0
    heard = source.Arrays({"audio": audio, "label": examples.labels()}, _NAMES)
    sizes = {"sample_rate": 8_000}
    heard.spec = source.Spec(heard.spec.features, _NAMES, sizes=sizes)
    _write(tmp_path, heard, _probability(heard))
    shown = _read(tmp_path)["wrong"]
    left, top, right, bottom = shown[0]["box"]
    with Image.open(tmp_path / "samples" / "test_wrong.png") as picture:
        cut = np.asarray(picture.convert("L").crop((left, top, right, bottom)))
    # 64 bands and 13 columns of 10 ms, twice as large; the silence behind is left out.
    assert cut.shape == (128, 26)
    assert cut[:, :8].mean() > 100 and cut[:, 14:16].mean() < 20

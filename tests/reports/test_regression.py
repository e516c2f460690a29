"""What an evaluation of a regression run leaves, and how it is shown."""

import json

import numpy as np

from research.data import source
from research.reports import regression


def _write(folder, prediction, target):
    examples = source.Arrays({"target": target})
    return regression.write(
        folder,
        "test",
        spec=examples.spec,
        examples=examples,
        predictions={"prediction": prediction},
        metrics={"test/loss": 0.25},
        step=7,
        checkpoint="best",
    )


def test_points_and_the_constant_are_kept(tmp_path):
    target = np.linspace(0, 1, 2000, dtype=np.float32)
    prediction = target[:, None] + 0.5
    prediction[0] = np.nan
    assert _write(tmp_path, prediction, target) == {}
    stored = json.loads((tmp_path / "evaluation" / "test.json").read_text())
    assert stored["metrics"] == {"test/loss": 0.25}
    np.testing.assert_allclose(stored["constant"], target.var(), rtol=1e-4)
    points = np.array(stored["points"])
    assert len(points) == 499  # every fourth, without the one that is not finite
    np.testing.assert_allclose(points[:, 1] - points[:, 0], 0.5, atol=1e-5)


def test_the_section_draws_them(tmp_path):
    _write(tmp_path, np.array([[1.0], [2.0]]), np.array([1.0, 1.5], np.float32))
    page = regression.section(tmp_path)
    assert page.count("<circle") == 2
    assert "2 predicted numbers; the line is exact." in page
    assert "Always answering the mean of the targets: loss 0.0625" in page


def test_nothing_finite_is_no_figure(tmp_path):
    _write(tmp_path, np.full((2, 1), np.nan), np.array([1.0, 1.5], np.float32))
    assert "<circle" not in regression.section(tmp_path)


def test_equal_values_have_an_axis(tmp_path):
    _write(tmp_path, np.ones((2, 1)), np.ones(2, np.float32))
    assert regression.section(tmp_path).count("<circle") == 2

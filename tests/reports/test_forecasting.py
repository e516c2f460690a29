"""What an evaluation of a forecasting run leaves, and how it is shown."""

import json

import numpy as np
import pytest

from research.data import synthetic_time_series
from research.reports import forecasting


def _write(folder, split="validation"):
    """Writes an evaluation of forecasts that are the truth and 0.5."""
    examples = synthetic_time_series.load(split, length=30, horizon=6, count=300)
    batch = examples.gather(np.arange(len(examples)))
    (folder / "config.json").write_text(json.dumps({"task": {"period": 24}}))
    made = forecasting.write(
        folder,
        split,
        spec=examples.spec,
        examples=examples,
        predictions={"forecast": batch["target"] + 0.5},
        metrics={f"{split}/mse": 0.25, f"{split}/mae": 0.5, f"{split}/repeat_mse": 2.0},
        step=7,
        checkpoint="best",
    )
    assert made == {}
    return batch, json.loads((folder / "evaluation" / f"{split}.json").read_text())


def test_errors_by_step_and_by_channel(tmp_path):
    batch, stored = _write(tmp_path)
    np.testing.assert_allclose(stored["by_step"]["mse"], [0.25] * 6, rtol=1e-3)
    error = (batch["history"][:, -1:] - batch["target"]) ** 2
    wanted = error.mean(axis=(0, 2))
    np.testing.assert_allclose(stored["by_step"]["repeat"], wanted, rtol=1e-3)
    error = (batch["history"][:, -24:-18] - batch["target"]) ** 2
    wanted = error.mean(axis=(0, 2))
    np.testing.assert_allclose(stored["by_step"]["seasonal"], wanted, rtol=1e-3)
    assert set(stored["channels"]) == {"channel0", "channel1", "channel2"}
    np.testing.assert_allclose([*stored["channels"].values()], 0.25, rtol=1e-3)


def test_validation_keeps_what_intervals_are_made_of(tmp_path):
    with pytest.raises(ValueError) as error:
        forecasting.residuals(tmp_path)
    assert str(error.value) == (
        f"{tmp_path} knows no errors of validation forecasts, which make the "
        "intervals; measure them with scripts/evaluate.py --split=validation"
    )
    assert "residuals" not in _write(tmp_path, "test")[1]
    _write(tmp_path)
    found = forecasting.residuals(tmp_path)
    assert found.shape == (len(forecasting.LEVELS), 6, 3)
    np.testing.assert_allclose(found, -0.5, atol=1e-4)


def test_windows_are_shown_in_the_units_of_the_data(tmp_path):
    batch, stored = _write(tmp_path)
    window = stored["windows"][0]
    spec = synthetic_time_series.load("test", count=300).spec
    scale = {name: pair for name, *pair in spec.scales["history"]}
    mean, std = scale[window["channel"]]
    channel = int(window["channel"][-1])
    truth = batch["target"][window["window"], :, channel] * std + mean
    np.testing.assert_allclose(window["lines"]["truth"], truth, atol=1e-3)
    forecast = np.array(window["lines"]["forecast"])
    np.testing.assert_allclose(forecast - truth, 0.5 * std, atol=1e-3)


def test_the_section_draws_them(tmp_path):
    _write(tmp_path)
    page = forecasting.section(tmp_path)
    assert page.count("<svg") == 1 + 3
    assert "Squared error by step of the horizon" in page
    assert "repeating the last value" not in page  # has no absolute error here
    assert "this network" in page and "the last season" in page

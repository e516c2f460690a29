"""The future of a user's CSV: its times, units, intervals and pictures."""

import argparse
import csv
from types import SimpleNamespace

import numpy as np
import pytest

from research.data import source
from research.prediction import forecasting
from research.reports import evaluations
from research.reports import forecasting as report

SCALE = (("a", 10.0, 2.0), ("b", 0.0, 1.0))


def _opened(folder, quantiles=()):
    """Stands for a run that repeats the last value 3 times."""
    spec = source.Spec(
        features={"history": source.Feature((4, 2), "float32")},
        sizes={"length": 4, "horizon": 3},
        scales={"history": SCALE},
    )
    experiment = SimpleNamespace(
        config=SimpleNamespace(data={"time": "date"}),
        spec=spec,
        task=SimpleNamespace(quantiles=quantiles),
    )

    def predict(state, batch):
        assert batch["history"].shape == (1, 4, 2)
        forecast = np.repeat(batch["history"][:, -1:], 3, axis=1)
        made = np.stack([forecast - 1, forecast, forecast + 1], axis=-1)
        return {"forecast": forecast} | ({"quantiles": made} if quantiles else {})

    programs = SimpleNamespace(
        experiment=experiment, predict=predict, mesh=SimpleNamespace(size=1)
    )
    values = evaluations.record(
        "validation", metrics={}, examples=9, step=1, checkpoint="best"
    )
    # Errors as large as the level is away from the median, at every step.
    away = [[[level - 0.5] * 2] * 3 for level in report.LEVELS]
    evaluations.write(folder, values | {"residuals": away})
    return SimpleNamespace(folder=folder, programs=programs, state=None)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "series.csv"
    rows = [f"2020-{month:02},{month},{10 + month},{-month}" for month in range(1, 7)]
    path.write_text("\n".join(["date,other,a,b", *rows]) + "\n")
    return path


def _rows(opened, *inputs, **options):
    chosen = dict(interval=None, picture=None, to=None) | options
    options = argparse.Namespace(inputs=list(map(str, inputs)), **chosen)
    return list(forecasting.of_run(opened, options)), options


def test_the_future_has_times_units_and_an_interval(tmp_path, file, capsys):
    rows, options = _rows(_opened(tmp_path), file, to=str(tmp_path / "out" / "f.csv"))
    assert [row["time"] for row in rows] == ["2020-07", "2020-08", "2020-09"]
    a = rows[0]["channels"]["a"]
    assert a["forecast"] == pytest.approx(16, abs=1e-5)
    # 80 %: the levels 0.1 and 0.9 lie 0.4 from the median, times a scale of 2
    assert (a["low"], a["high"]) == pytest.approx((16 - 0.8, 16 + 0.8), abs=1e-5)
    assert rows[0]["channels"]["b"]["low"] == pytest.approx(-6.4, abs=1e-5)
    with open(options.to, newline="") as written:
        table = list(csv.DictReader(written))
    assert table[2]["time"] == "2020-09" and float(table[2]["a forecast"]) == 16
    forecasting.show(rows, options)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "80% interval from validation errors"
    assert lines[1] == "2020-07  a 16 [15.2, 16.8]  b -6 [-6.4, -5.6]"


def test_levels_between_the_stored_ones(tmp_path, file):
    rows, _ = _rows(_opened(tmp_path), file, interval=0.6)
    b = rows[0]["channels"]["b"]
    assert (b["low"], b["high"]) == pytest.approx((-6.3, -5.7), abs=1e-5)


def test_trained_quantiles_make_the_interval(tmp_path, file):
    rows, _ = _rows(_opened(tmp_path, (0.1, 0.5, 0.9)), file)
    assert rows[0]["source"] == "trained quantiles" and rows[0]["interval"] == 0.8
    a = rows[0]["channels"]["a"]
    assert (a["low"], a["high"]) == pytest.approx((14, 18), abs=1e-5)


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_pictures_are_written(tmp_path, file, suffix):
    picture = tmp_path / "drawn" / f"f{suffix}"
    _rows(_opened(tmp_path), file, picture=str(picture))
    assert picture.read_bytes()[:5] in (b"<?xml", b"\x89PNG\r")


@pytest.mark.parametrize(
    ("quantiles", "options", "message"),
    [
        (
            (),
            dict(interval=0.99),
            "--interval must be in (0, 0.98], got 0.99; use 0.8 or 0.9",
        ),
        (
            (0.1, 0.5, 0.9),
            dict(interval=0.9),
            "the run's quantiles hold an interval of 0.8, got --interval=0.9; leave it "
            "out, or train with other config.task.quantiles",
        ),
        (
            (),
            dict(picture="f.gif"),
            "--picture=f.gif must end in .svg or .png; name such a file",
        ),
    ],
)
def test_a_wrong_option_is_one_sentence(tmp_path, file, quantiles, options, message):
    with pytest.raises(ValueError) as error:
        _rows(_opened(tmp_path, quantiles), file, **options)
    assert str(error.value) == message


def test_a_wrong_file_is_one_sentence(tmp_path, file):
    opened = _opened(tmp_path)
    with pytest.raises(ValueError) as error:
        _rows(opened)
    assert (
        str(error.value) == "predict needs one .csv file of a series, got 0; name one"
    )
    with pytest.raises(FileNotFoundError) as error:
        _rows(opened, tmp_path / "none.csv")
    assert str(error.value) == f"there is no file {tmp_path}/none.csv; correct its name"
    file.write_text("date,a,b\n2020-01,1,2\n2020-02,2,3\n")
    with pytest.raises(ValueError) as error:
        _rows(opened, file)
    assert str(error.value) == (
        f"{file} has 2 rows, fewer than the 4 that the network reads; bring more"
    )

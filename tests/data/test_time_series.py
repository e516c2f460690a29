"""A CSV with times as windows: borders, scales, gaps, and what is wrong with a file."""

import os
import pathlib

import numpy as np
import pytest

from research.data import splits, synthetic_time_series, time_series


@pytest.fixture
def table(tmp_path):
    """Writes an hourly .csv file; columns replace those of the same names."""

    def write(rows=40, drop=(), **columns):
        rng = np.random.default_rng(0)
        time = np.datetime64("2020-01-01T00:00") + np.arange(rows).astype("m8[h]")
        base = {"date": time, "a": rng.normal(size=rows), "b": 5 + np.arange(rows)}
        columns = base | columns
        lines = [",".join(columns)]
        for number, row in enumerate(zip(*columns.values(), strict=True)):
            if number not in drop:
                lines.append(",".join(map(str, row)))
        (tmp_path / "series.csv").write_text("\n".join(lines) + "\n")
        return tmp_path / "series.csv"

    return write


def _open(path, *names, **options):
    options = {"length": 4, "horizon": 2} | options
    return splits.open_splits(time_series, names, str(path), holdout=0.1, **options)


def test_each_row_of_a_split_is_forecast_from_the_rows_before_it(table):
    file = table()
    opened = _open(file, "train", "validation", "test", borders=(20, 30, 38))
    assert [len(s) for s in opened.values()] == [20 - 5, 10 - 1, 8 - 1]
    values = time_series.read(file).values
    scaled = (values - values[:20].mean(0)) / values[:20].std(0)
    first = opened["test"].gather(np.array([0, 6]))
    np.testing.assert_allclose(first["history"][0], scaled[26:30], rtol=1e-4)
    np.testing.assert_allclose(first["target"][0], scaled[30:32], rtol=1e-4)
    np.testing.assert_allclose(first["target"][1], scaled[36:38], rtol=1e-4)
    assert opened["train"].spec.sizes == {"length": 4, "horizon": 2, "channels": 2}
    assert [name for name, *_ in opened["test"].spec.scales["history"]] == ["a", "b"]


def test_windows_are_not_copied_before_they_are_read(table):
    train = _open(table(400), "train", calendar=True)["train"]
    held = sum(array.nbytes for array in train._tables.values())
    assert held == 280 * (2 + 4) * 4  # the rows alone
    batch = train.gather(np.arange(3))
    assert batch["history_time"].shape == (3, 4, 4)
    # hours of the day go on from the past into the future
    hours = np.concatenate([batch["history_time"], batch["target_time"]], axis=1)
    np.testing.assert_allclose(hours[0, :, 0], np.arange(6) / 23 - 0.5, atol=1e-6)


def test_shares_and_strides(table):
    opened = _open(table(), "train", "test", stride=3, columns=("b",))
    assert [len(s) for s in opened.values()] == [(28 - 6) // 3 + 1, (12 - 6) // 3 + 1]
    assert opened["train"].spec.features["target"].shape == (2, 1)


def test_what_is_missing_is_filled_by_choice(table):
    cells = [0, 1, "", "NaN", *range(4, 40)]
    file = table(a=cells, drop=(10, 11))
    forward = time_series.read(file, missing="forward").values[:, 0]
    linear = time_series.read(file, missing="linear").values[:, 0]
    assert forward[:6].tolist() == [0, 1, 1, 1, 4, 5]
    assert forward[9:13].tolist() == [9, 9, 9, 12]
    np.testing.assert_allclose(linear, np.arange(40))


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (
            dict(drop=(10, 11, 20)),
            {},
            "FILE lacks 3 rows at steps of 1 hour, the first behind 2020-01-01 09:00; "
            "add them, or fill them with config.data.missing=forward or linear",
        ),
        (
            dict(a=[*range(6), "", *range(33)]),
            {},
            "column 'a' of FILE must hold finite numbers, got '' in row 7 below the "
            "names; fill it in, or let config.data.missing=forward or linear do so",
        ),
        (
            dict(a=[*range(6), "high", *range(33)]),
            dict(missing="linear"),
            "column 'a' of FILE must hold finite numbers, got 'high' in row 7 below "
            "the names; correct it, or leave the column out of config.data.columns",
        ),
        (
            dict(a=["", *range(39)]),
            dict(missing="forward"),
            "column 'a' of FILE begins without a value, so that nothing can be filled "
            "in from before; remove its first rows, or the column",
        ),
        (
            dict(a=[2] * 40),
            {},
            "column 'a' of FILE is constant in the training rows (2), so that it "
            "cannot be scaled; leave it out of config.data.columns",
        ),
        (
            dict(rows=7),
            {},
            "split 'train' of FILE has 5 rows, fewer than a window of 4 + 2; bring "
            "more rows or lower config.data.length or horizon",
        ),
        (
            {},
            dict(horizon=0),
            "config.data.length, horizon and stride must be at least 1, got 4, 0 and "
            "1; correct them",
        ),
        (
            {},
            dict(borders=(20, 30, 50)),
            "config.data.borders are three rising numbers of rows, the last at most "
            "40, the rows of FILE, got (20, 30, 50); correct them",
        ),
        (
            {},
            dict(test_share=0.9),
            "config.data.validation_share and test_share must be above 0 and leave "
            "some rows to train, got 0.1 and 0.9; 0.1 and 0.2 are usual",
        ),
        (
            {},
            dict(missing="zero"),
            "config.data.missing must be one of refuse, forward, linear, got 'zero'; "
            "correct it",
        ),
        (
            {},
            dict(time="when"),
            "FILE has no column 'when', it has: date, a, b; correct the column's name "
            "in config.data",
        ),
    ],
)
def test_a_mistake_is_one_sentence(table, columns, options, message):
    file = table(**columns)
    with pytest.raises(ValueError) as error:
        _open(file, "train", **options)
    assert str(error.value).replace(str(file), "FILE") == message


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        time_series.load("train", f"{tmp_path}/none.csv")
    assert str(error.value) == (
        f"{tmp_path}/none.csv does not exist; set config.data.path to a .csv file with "
        "a column of times"
    )
    file = tmp_path / "times.csv"
    file.write_text("date\n2020-01\n2020-02\n")
    with pytest.raises(ValueError) as error:
        time_series.read(file)
    assert str(error.value) == (
        f"{file} needs a column of numbers beside that of times, with a comma between "
        "them, got only 'date'; add one"
    )


def test_the_synthetic_series_repeats_its_days():
    test = synthetic_time_series.load("test", length=48, horizon=24, count=600)
    batch = test.gather(np.arange(len(test)))
    day = np.mean((batch["history"][:, -24:] - batch["target"]) ** 2)
    last = np.mean((batch["history"][:, -1:] - batch["target"]) ** 2)
    assert day < 0.4 * last


@pytest.mark.skipif("RESEARCH_DATA" not in os.environ, reason="needs real data")
@pytest.mark.parametrize(
    ("name", "scale", "windows"), [("ETTh1", 1, 2785), ("ETTm1", 4, 11425)]
)
def test_the_published_windows_of_ett(name, scale, windows):
    file = pathlib.Path(os.environ["RESEARCH_DATA"], "ett", f"{name}.csv")
    if not file.exists():
        pytest.skip(f"{file} is not there")
    borders = tuple(scale * rows for rows in (8_640, 11_520, 14_400))
    opened = _open(file, "train", "test", borders=borders, length=336, horizon=96)
    assert len(opened["test"]) == windows
    assert len(opened["train"]) == borders[0] - 336 - 96 + 1

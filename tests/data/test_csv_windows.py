"""Windows of a CSV file: cuts, scales, labels, and what is wrong with a file."""

import numpy as np
import pytest

from research.data import csv_windows, splits, synthetic_series


@pytest.fixture
def table(tmp_path):
    """Writes columns to a .csv file: time is text, a and b are numbers."""

    def write(name="series.csv", rows=40, **columns):
        rng = np.random.default_rng(0)
        base = {"a": rng.normal(size=rows), "b": 5 + 3 * rng.normal(size=rows)}
        columns = {"time": [f"t{i}" for i in range(rows)]} | base | columns
        lines = [",".join(columns)]
        lines += [",".join(map(str, row)) for row in zip(*columns.values())]  # noqa: B905
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return tmp_path / name

    return write


def _open(path, *names, **options):
    return splits.open_splits(
        csv_windows, names, str(path), holdout=0.1, length=4, **options
    )


def test_a_file_is_cut_in_time_and_scaled_by_the_training_rows(table):
    file = table()
    opened = _open(file, "train", "validation", "test", validation_share=0.25)
    # 8 of 40 rows are the test's, 10 before them the validation's
    assert [len(opened[s]) for s in opened] == [22 - 3, 10 - 3, 8 - 3]
    values = csv_windows.read(file, ("a", "b"))
    scaled = (values - values[:22].mean(0)) / values[:22].std(0)
    train, test = (opened[s].arrays["window"] for s in ("train", "test"))
    np.testing.assert_allclose(train[1], scaled[1:5], rtol=1e-5)
    np.testing.assert_allclose(test[-1], scaled[-4:], rtol=1e-5)
    names = [name for name, _, _ in opened["test"].spec.scales["window"]]
    assert names == ["a", "b"] and opened["test"].labels() is None


def test_a_byte_order_mark_belongs_to_no_name(table):
    file = table()
    plain = _open(file, "train")["train"].arrays["window"]
    rows = [line.partition(",")[2] for line in file.read_text().splitlines()[1:]]
    file.write_text("\n".join(["\ufeffa,b", *rows]) + "\n")
    np.testing.assert_array_equal(_open(file, "train")["train"].arrays["window"], plain)


def test_labelled_rows_leave_training_and_mark_windows(table):
    marks = np.zeros(40, int)
    marks[[5, 38]] = 1
    opened = _open(table(label=marks), "train", "test", label="label")
    assert len(opened["train"]) == 28 - 3 - 4 and not opened["train"].labels().any()
    assert opened["test"].labels().tolist() == [0, 0, 0, 1, 1]


def test_a_folder_has_its_own_splits_and_rows_one_by_one(table, tmp_path):
    table("train.csv")
    table("test.csv", rows=9)
    opened = _open(tmp_path, "train", "test", columns=("b",), stride=3)
    assert opened["train"].arrays["window"].shape == (11, 4, 1)
    assert opened["test"].arrays["window"].shape == (2, 4, 1)
    one = csv_windows.load("test", str(tmp_path), length=1)
    assert one.arrays["window"].shape == (9, 1, 2)


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (
            dict(a=[1.5] * 40),
            {},
            "column 'a' of FILE is constant in the training rows (1.5), so that it "
            "cannot be scaled; leave it out of config.data.columns",
        ),
        (
            dict(a=[*range(6), "NaN", *range(33)]),
            {},
            "column 'a' of FILE must hold finite numbers, got 'NaN' in row 7 below the "
            "names; fill it in or remove the row",
        ),
        (
            dict(a=[*range(39), ""]),
            {},
            "column 'a' of FILE must hold finite numbers, got '' in row 40 below the "
            "names; fill it in or remove the row",
        ),
        (
            dict(rows=1),
            {},
            "split 'train' of FILE has 1 rows, fewer than a window of 4; bring more "
            "rows or lower config.data.length",
        ),
        (
            dict(c=[2] * 40),
            dict(label="c"),
            "column 'c' of FILE must hold 0 (normal) and 1 (anomaly), got 2 in row 1 "
            "below the names; correct it",
        ),
        (
            {},
            dict(columns=("z",)),
            "FILE has no column 'z', it has: time, a, b; correct the column's name in "
            "config.data",
        ),
        (
            {},
            dict(stride=0),
            "config.data.length and stride must be at least 1, got 4 and 0; correct "
            "them",
        ),
        (
            {},
            dict(test_share=0.0),
            "config.data.test_share must be in (0, 1) where there is no file test.csv, "
            "got 0.0; 0.1 is usual",
        ),
    ],
)
def test_a_mistake_is_one_sentence(table, columns, options, message):
    file = table(**columns)
    with pytest.raises(ValueError) as error:
        _open(file, "train", **options)
    assert str(error.value).replace(str(file), "FILE") == message


def test_the_synthetic_series_is_normal_but_for_its_test_split():
    opened = {s: synthetic_series.load(s, count=400) for s in ("train", "test")}
    assert not opened["train"].labels().any() and opened["test"].labels().any()
    assert opened["train"].spec.class_names == ("normal", "anomaly")

"""Windows of a table of numbers over time, from .csv files, for finding anomalies.

A single file is cut in time: train first, then validation, then test. A folder holds
train.csv, and test.csv and validation.csv if there are any. The first line names the
columns. A column of 0 and 1 may tell which rows are anomalous: windows with such a row
are left out of train and validation, so that both are normal.
Every column is scaled to mean 0 and variance 1 over the training rows.
"""

import csv
import math
import pathlib
from collections.abc import Sequence

import numpy as np

from research.data import source, tables

CLASSES = ("normal", "anomaly")
HOLDS_OUT = True  # by time: neighbouring windows share their rows
_SPLITS = ("train", "validation", "test")


def splits(
    path: str | None,
    *,
    columns: Sequence[str] = (),
    label: str = "",
    length: int = 32,
    stride: int = 1,
    validation_share: float = 0.1,
    test_share: float = 0.2,
) -> tuple[str, ...]:
    """Lists the splits; takes the options of `load`."""
    return tuple(_parts(path, columns, label, (validation_share, test_share))[1])


def load(
    split: str,
    path: str | None,
    *,
    columns: Sequence[str] = (),
    label: str = "",
    length: int = 32,
    stride: int = 1,
    validation_share: float = 0.1,
    test_share: float = 0.2,
) -> source.Arrays:
    """Reads one split: window (length, columns) float32 and, with labels, label ().

    Args:
      split: "train", "validation" or "test".
      path: the file or the folder.
      columns: names of those to read; empty: all that hold numbers.
      label: name of the column of 0 and 1; empty: there is none.
      length: rows of a window, >= 1; 1 reads the rows of a table one by one.
      stride: rows from one window to the next, >= 1.
      validation_share: share of the training rows, the last ones, in (0, 1), where
        "validation" has no file.
      test_share: likewise.

    Raises:
      FileNotFoundError: there is no such file or folder.
      ValueError: a file is no table of numbers, a column is constant, or there are
        fewer rows than a window has.
    """
    shares = (validation_share, test_share)
    names, parts = _parts(path, columns, label, shares)
    source.check_split(split, tuple(parts), f"csv_windows {path}")
    return build(
        split,
        parts,
        names,
        labelled=bool(label),
        length=length,
        stride=stride,
        where=str(path),
    )


def build(split, parts, names, *, labelled: bool, length: int, stride: int, where: str):
    """Makes the windows of a split from rows.

    Args:
      split: its name.
      parts: split -> (rows (n, c) float64, anomalous (n,) bool).
      names: c names of columns.
      labelled: whether the examples have labels.
      length: rows of a window.
      stride: rows from one window to the next.
      where: names the data.

    Raises:
      ValueError: a column is constant, or the windows are too long.
    """
    if length < 1 or stride < 1:
        raise ValueError(
            "config.data.length and stride must be at least 1, got "
            f"{length} and {stride}; correct them"
        )
    values, anomalous = parts[split]
    if len(values) < length:
        raise ValueError(
            f"split {split!r} of {where} has {len(values)} rows, fewer than a window "
            f"of {length}; bring more rows or lower config.data.length"
        )
    scale = scale_of(parts["train"][0], names, where)
    window = cut(values, scale, length, stride)
    touched = cut_rows(anomalous, length, stride).any(1)
    arrays = {"window": window}
    if labelled:
        arrays["label"] = touched.astype(np.int32)
    if split != "test":
        arrays = {name: array[~touched] for name, array in arrays.items()}
    made = source.Arrays(arrays, CLASSES if labelled else ())
    features = made.spec.features
    made.spec = source.Spec(features, made.spec.class_names, scales={"window": scale})
    return made


def scale_of(train: np.ndarray, names: Sequence[str], where: str) -> tuple:
    """Measures the training rows (n, c): (name, mean, standard deviation) of each.

    Raises:
      ValueError: a column is constant; `where` names the data.
    """
    mean, std = train.mean(0), train.std(0)
    for name, deviation, value in zip(names, std, mean, strict=True):
        if deviation <= 1e-12 * max(1.0, abs(value)):
            raise ValueError(
                f"column {name!r} of {where} is constant in the training rows "
                f"({value:g}), so that it cannot be scaled; leave it out of "
                "config.data.columns"
            )
    return tuple(zip(names, mean.tolist(), std.tolist(), strict=True))


def scaled(values: np.ndarray, scale) -> np.ndarray:
    """Scales rows (n, c) by (name, mean, standard deviation) of each column."""
    mean = np.array([column[1] for column in scale])
    std = np.array([column[2] for column in scale])
    return (values - mean) / std


def cut(values: np.ndarray, scale, length: int, stride: int = 1) -> np.ndarray:
    """Cuts rows (n, c) into scaled windows (w, length, c) float32.

    Args:
      values: the rows.
      scale: (name, mean, standard deviation) of each column.
      length: rows of a window, at most n.
      stride: rows from one window to the next.
    """
    return cut_rows(scaled(values, scale), length, stride).astype(np.float32)


def cut_rows(rows: np.ndarray, length: int, stride: int) -> np.ndarray:
    """Cuts (n, ...) into (w, length, ...)."""
    starts = np.arange(0, len(rows) - length + 1, stride)
    return rows[starts[:, None] + np.arange(length)]


def read(file: pathlib.Path, columns: Sequence[str]) -> np.ndarray:
    """Reads columns of numbers, (n, c) float64.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: no such column, or a cell that is no finite number.
    """
    cells = tables.read(file, columns)
    values = np.empty((len(cells[0]), len(columns)))
    for index, (name, column) in enumerate(zip(columns, cells, strict=True)):
        for row, cell in enumerate(column):
            number = finite(cell)
            if number is None:
                raise ValueError(
                    f"column {name!r} of {file} must hold finite numbers, got "
                    f"{cell[:20]!r} in row {row + 1} below the names; fill it in or "
                    "remove the row"
                )
            values[row, index] = number
    return values


def finite(cell: str) -> float | None:
    """Reads a finite number; None where the cell holds none."""
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _parts(path, columns, label, shares):
    """Reads everything; returns (names, split -> (rows, anomalous))."""
    files = _files(path)
    names = tuple(columns) or _numeric(files["train"], label)
    read_files = {s: _rows(file, names, label) for s, file in files.items()}
    missing = [s for s in ("validation", "test") if s not in files]
    held = dict(zip(("validation", "test"), shares, strict=True))
    for split in missing:
        if not 0 < held[split] < 1:
            raise ValueError(
                f"config.data.{split}_share must be in (0, 1) where there is no file "
                f"{split}.csv, got {held[split]}; 0.1 is usual"
            )
    values, anomalous = read_files.pop("train")
    end = len(values)
    parts = dict(read_files)
    for split in ("test", "validation"):  # the last rows are the test's
        if split in missing:
            begin = end - round(held[split] * len(values))
            parts[split] = values[begin:end], anomalous[begin:end]
            end = begin
    parts["train"] = values[:end], anomalous[:end]
    return names, {s: parts[s] for s in _SPLITS}


def _files(path: str | None) -> dict[str, pathlib.Path]:
    if path and pathlib.Path(path).expanduser().is_file():
        return {"train": pathlib.Path(path).expanduser()}
    folder = source.require_folder(path, "train.csv, or name one .csv file")
    found = {s: folder / f"{s}.csv" for s in _SPLITS if (folder / f"{s}.csv").is_file()}
    if "train" not in found:
        raise FileNotFoundError(
            f"no train.csv is in {path}; set config.data.path to a folder with one, or "
            "to a .csv file"
        )
    return found


def _numeric(file: pathlib.Path, label: str) -> tuple[str, ...]:
    """Lists the columns whose first cell is a number."""
    with open(file, newline="", encoding="utf-8-sig", errors="replace") as opened:
        rows = csv.reader(opened)
        header, first = next(rows, []), next(rows, [])
    pairs = zip(header, first, strict=False)
    names = tuple(n for n, c in pairs if n != label and finite(c) is not None)
    if not names:
        raise ValueError(
            f"{file} has no column that begins with a number below its name, its "
            f"columns are: {', '.join(header) or 'none'}; name some with "
            "config.data.columns"
        )
    return names


def _rows(file: pathlib.Path, names, label: str):
    values = read(file, (*names, label) if label else names)
    if not label:
        return values, np.zeros(len(values), bool)
    marks = values[:, -1]
    wrong = np.flatnonzero((marks != 0) & (marks != 1))
    if len(wrong):
        raise ValueError(
            f"column {label!r} of {file} must hold 0 (normal) and 1 (anomaly), got "
            f"{marks[wrong[0]]:g} in row {wrong[0] + 1} below the names; correct it"
        )
    return values[:, :-1], marks == 1

"""A table of numbers over time, from one .csv file, for forecasting.

The first line names the columns; one of them holds the times, equally spaced (see
research/data/time_axis.py), the others are the channels, which are read and forecast
together. Rows are cut in time: train first, then validation, then test. Windows of
validation and test look back on rows before their split, so that each of its rows is
forecast; none is asked for rows of another split. Every channel is scaled to mean 0 and
variance 1 over the training rows.

The published borders of the ETT data are 12, 4 and 4 months of 30 days: borders =
(8640, 11520, 14400) by the hour, four times as many by 15 minutes; what follows is not
read (Zhou et al. 2021, https://arxiv.org/abs/2012.07436, section 5.1).
"""

import csv
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from research.data import csv_windows, source, tables, time_axis
from research.data.series_windows import SeriesWindows

HOLDS_OUT = True  # by time: neighbouring windows share their rows
FILLS = ("refuse", "forward", "linear")
_SPLITS = ("train", "validation", "test")
_MISSING = ("", "nan", "na", "null", "none")  # a cell without a number, in lower case


@dataclass(frozen=True)
class Series:
    """Rows at equally spaced times.

    Attributes:
      names: of the c channels.
      values: (n, c) float64.
      axis: the times.
    """

    names: tuple[str, ...]
    values: np.ndarray
    axis: time_axis.Axis


def splits(
    path: str | None,
    *,
    time: str = "",
    columns: Sequence[str] = (),
    length: int = 96,
    horizon: int = 24,
    stride: int = 1,
    borders: Sequence[int] = (),
    validation_share: float = 0.1,
    test_share: float = 0.2,
    missing: str = "refuse",
    calendar: bool = False,
) -> tuple[str, ...]:
    """Lists the splits; takes the options of `load`."""
    return _SPLITS


def load(
    split: str,
    path: str | None,
    *,
    time: str = "",
    columns: Sequence[str] = (),
    length: int = 96,
    horizon: int = 24,
    stride: int = 1,
    borders: Sequence[int] = (),
    validation_share: float = 0.1,
    test_share: float = 0.2,
    missing: str = "refuse",
    calendar: bool = False,
) -> SeriesWindows:
    """Reads one split: history (length, c) and target (horizon, c) float32.

    Args:
      split: "train", "validation" or "test".
      path: the file.
      time: name of the column of times; empty: the first one.
      columns: names of the channels; empty: all but the times.
      length: rows that a model reads, >= 1.
      horizon: rows that it forecasts, >= 1.
      stride: rows from one window to the next, >= 1.
      borders: rows before which train, validation and test end; empty: by shares.
      validation_share: share of the rows, those before the test's, in (0, 1).
      test_share: share of the rows, the last ones, in (0, 1).
      missing: what to do where a cell is empty or a row is not there: "refuse",
        "forward" (the value before it) or "linear" (between both neighbours).
      calendar: whether the windows have features of their times as well, see
        `time_axis.calendar`.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is no such table, or an option does not fit it.
    """
    source.check_split(split, _SPLITS, f"time_series {path}")
    series = read(_file(path), time=time, columns=columns, missing=missing)
    return build(
        split,
        series,
        ends(len(series.values), borders, (validation_share, test_share), str(path)),
        length=length,
        horizon=horizon,
        stride=stride,
        calendar=calendar,
        where=str(path),
    )


def build(
    split: str,
    series: Series,
    borders: Sequence[int],
    *,
    length: int,
    horizon: int,
    stride: int,
    calendar: bool,
    where: str,
) -> SeriesWindows:
    """Makes the windows of a split.

    Args:
      split: its name.
      series: all rows.
      borders: of `ends`.
      length: rows of the past.
      horizon: rows of the future.
      stride: rows from one window to the next.
      calendar: whether to add features of the times.
      where: names the data.

    Raises:
      ValueError: a column is constant in the training rows, or there are too few rows.
    """
    number = _SPLITS.index(split)
    end = borders[number]
    begin = max(0, borders[number - 1] - length) if number else 0
    scale = csv_windows.scale_of(series.values[: borders[0]], series.names, where)
    axis, marks = series.axis, None
    if calendar:
        marks = time_axis.calendar(axis.times(begin, end), axis.step, axis.unit)
    return SeriesWindows(
        csv_windows.scaled(series.values[begin:end], scale).astype(np.float32),
        length=length,
        horizon=horizon,
        stride=stride,
        calendar=marks,
        scale=scale,
        where=f"split {split!r} of {where}"
        + (f", with the {borders[number - 1] - begin} before it," if number else ""),
    )


def ends(count: int, borders: Sequence[int], shares, where: str) -> tuple[int, ...]:
    """Finds the rows before which train, validation and test end.

    Args:
      count: rows.
      borders: as the user gave them; empty: by the shares.
      shares: of validation and of test.
      where: names the data.

    Raises:
      ValueError: the borders do not rise within the rows, or a share is out of range.
    """
    if borders:
        found = tuple(borders)
        rising = len(found) == 3 and 0 < found[0] < found[1] < found[2] <= count
        if not rising:
            raise ValueError(
                "config.data.borders are three rising numbers of rows, the last at "
                f"most {count}, the rows of {where}, got {found}; correct them"
            )
        return found
    validation, test = shares
    if not (0 < validation < 1 and 0 < test < 1 and validation + test < 1):
        raise ValueError(
            "config.data.validation_share and test_share must be above 0 and leave "
            f"some rows to train, got {validation} and {test}; 0.1 and 0.2 are usual"
        )
    test_begin = count - round(test * count)
    return test_begin - round(validation * count), test_begin, count


def read(
    file: pathlib.Path,
    *,
    time: str = "",
    columns: Sequence[str] = (),
    missing: str = "refuse",
) -> Series:
    """Reads a file; see `load` for the arguments and errors."""
    if missing not in FILLS:
        raise ValueError(
            f"config.data.missing must be one of {', '.join(FILLS)}, got {missing!r}; "
            "correct it"
        )
    names = _header(file)
    time = time or names[0]
    chosen = tuple(columns) or tuple(name for name in names if name != time)
    if not chosen:
        raise ValueError(
            f"{file} needs a column of numbers beside that of times, with a comma "
            f"between them, got only {time!r}; add one"
        )
    cells = tables.read(file, (time, *chosen))
    times = time_axis.parse(cells[0], f"column {time!r} of {file}")
    axis, rows = time_axis.align(times, str(file))
    if axis.count > len(rows) and missing == "refuse":
        at = int(np.flatnonzero(np.diff(rows) > 1)[0])
        raise ValueError(
            f"{file} lacks {axis.count - len(rows)} rows at steps of "
            f"{time_axis.told(axis.step, axis.unit)}, the first behind "
            f"{time_axis.show(times[at])}; add them, or fill them with "
            "config.data.missing=forward or linear"
        )
    values = np.full((axis.count, len(chosen)), np.nan)
    for index, (name, column) in enumerate(zip(chosen, cells[1:], strict=True)):
        values[rows, index] = _numbers(column, name, file, missing)
        if missing != "refuse":
            values[:, index] = fill(values[:, index], missing, f"{name!r} of {file}")
    return Series(chosen, values, axis)


def fill(values: np.ndarray, how: str, where: str) -> np.ndarray:
    """Fills the NaN of a channel (n,), "forward" or "linear".

    Raises:
      ValueError: there is no value before the first NaN (forward), or none at all.
    """
    known = np.flatnonzero(~np.isnan(values))
    if not len(known) or (how == "forward" and known[0]):
        raise ValueError(
            f"column {where} begins without a value, so that nothing can be filled in "
            "from before; remove its first rows, or the column"
        )
    every = np.arange(len(values))
    if how == "linear":
        return np.interp(every, known, values[known])
    return values[known[np.searchsorted(known, every, side="right") - 1]]


def _numbers(cells: Sequence[str], name: str, file, missing: str) -> np.ndarray:
    values = np.empty(len(cells))
    for row, cell in enumerate(cells):
        empty = cell.strip().lower() in _MISSING
        number = np.nan if empty else csv_windows.finite(cell)
        if number is None or (empty and missing == "refuse"):
            remedy = (
                "fill it in, or let config.data.missing=forward or linear do so"
                if empty
                else "correct it, or leave the column out of config.data.columns"
            )
            raise ValueError(
                f"column {name!r} of {file} must hold finite numbers, got "
                f"{cell[:20]!r} in row {row + 1} below the names; {remedy}"
            )
        values[row] = number
    return values


def _file(path: str | None) -> pathlib.Path:
    if not path:
        raise ValueError(
            "this data needs a .csv file with a column of times, got none; set "
            "config.data.path"
        )
    file = pathlib.Path(path).expanduser()
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        raise FileNotFoundError(
            f"{path} {what}; set config.data.path to a .csv file with a column of times"
        )
    return file


def _header(file: pathlib.Path) -> list[str]:
    with open(file, newline="", encoding="utf-8-sig", errors="replace") as opened:
        names = next(csv.reader(opened), [])
    if not names:
        raise ValueError(f"{file} is empty; its first line must name the columns")
    return names

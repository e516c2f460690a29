"""Times of the rows of a table: equal steps, gaps, what comes next, calendar.

Times are ISO 8601 (2016-07-01 00:00:00, 2016-07-01, 1949-01). Steps are a fixed number
of seconds, or of calendar months where all times lie at the same place of their month.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_NAMED = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


@dataclass(frozen=True)
class Axis:
    """Equally spaced times.

    Attributes:
      first: of the first row, datetime64[s].
      step: from one row to the next, in `unit`.
      unit: "s" (seconds) or "M" (calendar months).
      count: rows.
    """

    first: np.datetime64
    step: int
    unit: str
    count: int

    def written(self, times: np.ndarray) -> list[str]:
        """Writes times alike, as finely as those of this axis need it."""
        if self.unit == "M":
            unit = "M"
        else:
            within = int((self.first - self.first.astype("M8[D]")).astype(np.int64))
            sizes = (("D", 86_400), ("m", 60), ("s", 1))
            unit = next(u for u, n in sizes if self.step % n == within % n == 0)
        return [str(time).replace("T", " ") for time in times.astype(f"M8[{unit}]")]

    def times(self, begin: int = 0, end: int | None = None) -> np.ndarray:
        """Returns datetime64[s] of rows begin..end - 1, also behind the last."""
        number = np.arange(begin, self.count if end is None else end) * self.step
        if self.unit == "s":
            return self.first + number.astype("timedelta64[s]")
        month = self.first.astype("datetime64[M]")
        within = self.first - month.astype("datetime64[s]")
        return (month + number.astype("timedelta64[M]")).astype("M8[s]") + within


def parse(cells: Sequence[str], where: str) -> np.ndarray:
    """Reads times, (n,) datetime64[s].

    Args:
      cells: one per row.
      where: names the column and the file.

    Raises:
      ValueError: a cell is no time.
    """
    with warnings.catch_warnings():
        # numpy says that it turns times with a zone into UTC, which keeps their steps.
        warnings.simplefilter("ignore", UserWarning)
        try:
            times = np.array(cells, "datetime64[s]")
        except ValueError:
            times = np.array([_time(cell) for cell in cells])
    # numpy takes 1577836800, seconds since 1970, and 20200101 for years.
    numbers = [len(cell) > 4 and cell.isdigit() for cell in map(str.strip, cells)]
    times[numbers] = np.datetime64("NaT", "s")
    wrong = np.flatnonzero(np.isnat(times))
    if len(wrong):
        raise ValueError(
            f"{where} must hold times such as 2016-07-01 00:00:00, got "
            f"{cells[wrong[0]][:20]!r} in row {wrong[0] + 1} below the names; correct "
            "it, or name the column of times with config.data.time"
        )
    return times


def align(times: np.ndarray, where: str) -> tuple[Axis, np.ndarray]:
    """Finds the step of rising times, and which row each of them is.

    Args:
      times: (n,) datetime64[s], n >= 2.
      where: names the file.

    Returns:
      (axis, rows (n,)): time i is that of row `rows[i]` of the axis; axis.count > n
      where rows are missing.

    Raises:
      ValueError: two times are equal, they fall, or they are not equally spaced.
    """
    if len(times) < 2:
        raise ValueError(f"{where} needs 2 rows or more, got {len(times)}; bring more")
    month = times.astype("datetime64[M]")
    within = times - month.astype("datetime64[s]")
    unit = "M" if (within == within[0]).all() else "s"
    place = month.astype(np.int64) if unit == "M" else times.astype(np.int64)
    gaps = np.diff(place)
    if (gaps <= 0).any():
        at = int(np.flatnonzero(gaps <= 0)[0])
        rows = f"rows {at + 1} and {at + 2} below the names"
        if gaps[at] == 0:
            raise ValueError(
                f"the times of {where} must differ, got {show(times[at])} in {rows}; "
                "remove one of them"
            )
        raise ValueError(
            f"the times of {where} must rise, got {show(times[at])} before "
            f"{show(times[at + 1])} in {rows}; sort the rows"
        )
    values, counts = np.unique(gaps, return_counts=True)
    step = int(values[counts.argmax()])
    uneven = np.flatnonzero(gaps % step)
    if len(uneven):
        at = int(uneven[0])
        raise ValueError(
            f"the times of {where} must be equally spaced, mostly {told(step, unit)} "
            f"apart, got {show(times[at + 1])} behind {show(times[at])}; resample it"
        )
    rows = (place - place[0]) // step
    return Axis(times[0], step, unit, int(rows[-1]) + 1), rows


def calendar(times: np.ndarray, step: int, unit: str) -> np.ndarray:
    """Describes times by the calendar, each number in [-0.5, 0.5].

    Args:
      times: (n,) datetime64[s].
      step: of the axis; what it is too coarse for would be constant and is left out.
      unit: of the step.

    Returns:
      (n, f) float32: minute of the hour (steps below an hour), hour of the day (below
      a day), day of the week and of the month (below a month), and place in the year:
      its day, or its month where steps are months; as GluonTS scales them.
    """
    month, day = times.astype("datetime64[M]"), times.astype("datetime64[D]")
    year = times.astype("datetime64[Y]")
    if unit == "M":
        return ((month - year.astype("M8[M]")).astype(int) / 11 - 0.5)[:, None].astype(
            np.float32
        )
    second = (times - day.astype("M8[s]")).astype(np.int64)
    columns = []
    if step < 3_600:
        columns.append(second % 3_600 // 60 / 59)
    if step < 86_400:
        columns.append(second // 3_600 / 23)
    columns.append((day.astype(np.int64) + 3) % 7 / 6)  # 1970-01-01 was a Thursday
    columns.append((day - month.astype("M8[D]")).astype(np.int64) / 30)
    columns.append((day - year.astype("M8[D]")).astype(np.int64) / 365)
    return (np.stack(columns, axis=1) - 0.5).astype(np.float32)


def show(time: np.datetime64) -> str:
    """Writes a time as people do, without what is zero behind the day."""
    text = str(time.astype("datetime64[s]")).replace("T", " ")
    return text.removesuffix(":00").removesuffix(" 00:00")


def told(step: int, unit: str) -> str:
    """Writes a step: "1 hour", "15 minutes", "1 month"."""
    if unit == "M":
        return f"{step} month" + "s" * (step > 1)
    name, seconds = next(pair for pair in _NAMED if step % pair[1] == 0)
    return f"{step // seconds} {name}" + "s" * (step > seconds)


def _time(cell: str) -> np.datetime64:
    try:
        return np.datetime64(cell, "s")
    except ValueError:
        return np.datetime64("NaT", "s")

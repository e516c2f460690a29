"""Times of rows: steps of seconds and of months, gaps, mistakes, the calendar."""

import datetime

import numpy as np
import pytest

from research.data import time_axis


def _align(*cells):
    return time_axis.align(time_axis.parse(cells, "column 'date' of FILE"), "FILE")


@pytest.mark.parametrize(
    ("cells", "step", "unit", "following"),
    [
        (("2020-02-28 22:30", "2020-02-28 23:30"), 3600, "s", "2020-02-29 00:30"),
        (("2020-02-28", "2020-02-29"), 86_400, "s", "2020-03-01"),
        (("1949-01", "1949-04"), 3, "M", "1949-07"),
        (("2021-11-15", "2021-12-15", "2022-01-15"), 1, "M", "2022-02"),
    ],
)
def test_equal_steps_go_on(cells, step, unit, following):
    axis, rows = _align(*cells)
    assert (axis.step, axis.unit, rows.tolist()) == (step, unit, [*range(len(cells))])
    assert (axis.times() == np.array(cells, "M8[s]")).all()
    assert axis.written(axis.times(axis.count, axis.count + 1)) == [following]


def test_times_with_a_zone_are_those_of_utc():
    axis, _ = _align("2020-01-01T00:00:00+01:00", "2020-01-01T00:00:00Z")
    assert (axis.step, axis.unit) == (3_600, "s")


def test_rows_that_are_not_there_leave_places():
    axis, rows = _align("2020-01-01", "2020-01-02", "2020-01-03", "2020-01-06")
    assert axis.count == 6 and rows.tolist() == [0, 1, 2, 5]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ("2020-01-01", "2020-01-02", "2020-01-02"),
            "the times of FILE must differ, got 2020-01-02 in rows 2 and 3 below the "
            "names; remove one of them",
        ),
        (
            ("2020-01-01 10:00", "2020-01-01 09:00"),
            "the times of FILE must rise, got 2020-01-01 10:00 before 2020-01-01 09:00 "
            "in rows 1 and 2 below the names; sort the rows",
        ),
        (
            ("2020-01-01", "2020-01-02", "2020-01-03", "2020-01-04 12:30"),
            "the times of FILE must be equally spaced, mostly 1 day apart, got "
            "2020-01-04 12:30 behind 2020-01-03; resample it",
        ),
        (
            ("2020-01-01", "yesterday"),
            "column 'date' of FILE must hold times such as 2016-07-01 00:00:00, got "
            "'yesterday' in row 2 below the names; correct it, or name the column of "
            "times with config.data.time",
        ),
        (
            ("1577836800", "1577840400"),
            "column 'date' of FILE must hold times such as 2016-07-01 00:00:00, got "
            "'1577836800' in row 1 below the names; correct it, or name the column of "
            "times with config.data.time",
        ),
        (("2020-01-01",), "FILE needs 2 rows or more, got 1; bring more"),
    ],
)
def test_a_mistake_is_one_sentence(cells, message):
    with pytest.raises(ValueError) as error:
        _align(*cells)
    assert str(error.value) == message


def test_the_calendar_is_that_of_datetime():
    times = np.datetime64("2019-12-28 22:45", "s") + np.arange(500) * np.timedelta64(
        900, "s"
    )
    found = time_axis.calendar(times, 900, "s")
    wanted = [
        (
            t.minute / 59,
            t.hour / 23,
            t.weekday() / 6,
            (t.day - 1) / 30,
            (t.timetuple().tm_yday - 1) / 365,
        )
        for t in times.astype(datetime.datetime)
    ]
    np.testing.assert_allclose(found, np.array(wanted) - 0.5, atol=1e-6)
    assert time_axis.calendar(times, 3600, "s").shape[1] == 4
    assert time_axis.calendar(times, 86_400, "s").shape[1] == 3
    months = np.array(["2020-01", "2020-12"], "M8[s]")
    assert time_axis.calendar(months, 1, "M").tolist() == [[-0.5], [0.5]]


@pytest.mark.parametrize(
    ("step", "unit", "words"),
    [(900, "s", "15 minutes"), (3600, "s", "1 hour"), (1, "M", "1 month")],
)
def test_steps_are_told(step, unit, words):
    assert time_axis.told(step, unit) == words

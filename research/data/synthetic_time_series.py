"""A learnable series to forecast: for quick twins and tests only.

Hourly rows of channels that swing by the day and by the week, each at its own phase,
with noise. Splits and windows are those of `time_series`.
"""

import numpy as np

from research.data import source, time_axis, time_series
from research.data.series_windows import SeriesWindows

HOLDS_OUT = True
_SPLITS = ("train", "validation", "test")


def splits(
    path: str | None = None,
    *,
    length: int = 96,
    horizon: int = 24,
    calendar: bool = False,
    channels: int = 3,
    count: int = 1200,
    seed: int = 0,
) -> tuple[str, ...]:
    """Lists the splits; needs no path."""
    return _SPLITS


def load(
    split: str,
    path: str | None = None,
    *,
    length: int = 96,
    horizon: int = 24,
    calendar: bool = False,
    channels: int = 3,
    count: int = 1200,
    seed: int = 0,
) -> SeriesWindows:
    """Makes one split: history (length, channels), target (horizon, channels) float32.

    Args:
      split: "train", "validation" or "test".
      path: not used.
      length: rows that a model reads.
      horizon: rows that it forecasts.
      calendar: whether the windows have features of their times as well.
      channels: columns.
      count: rows of the whole series: 60 % train, 20 % validation, 20 % test.
      seed: of the phases and the noise.
    """
    source.check_split(split, _SPLITS, "synthetic_time_series")
    borders = (round(0.6 * count), round(0.8 * count), count)
    return time_series.build(
        split,
        series(count, channels, seed),
        borders,
        length=length,
        horizon=horizon,
        stride=1,
        calendar=calendar,
        where="synthetic_time_series",
    )


def series(count: int, channels: int, seed: int = 0) -> time_series.Series:
    """Makes the series."""
    rng = np.random.default_rng(seed)
    hour = np.arange(count)[:, None]
    phase = rng.uniform(0, 2 * np.pi, (2, channels))
    values = np.sin(2 * np.pi * hour / 24 + phase[0])
    values += 0.5 * np.sin(2 * np.pi * hour / (24 * 7) + phase[1])
    values += rng.normal(0, 0.2, values.shape)
    names = tuple(f"channel{number}" for number in range(channels))
    axis = time_axis.Axis(np.datetime64("2020-01-01", "s"), 3_600, "s", count)
    return time_series.Series(names, values, axis)

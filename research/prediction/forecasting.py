"""Forecasts what follows the last row of a user's .csv file.

… series.csv                  the columns that the run was trained on, and their times
… --interval=0.8              share of the truth that the interval is to hold
… --picture=forecast.svg      draws the past, the forecast and its interval; or .png
… --to=forecast.csv           time, and of each channel forecast, low and high

A run that was trained with quantiles gives the interval between the lowest and the
highest of them. Any other gives that of the errors of its forecasts of the validation
split, at the same step and channel, which assumes that they stay as they were.
"""

import argparse
import csv
import pathlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from research.data import csv_windows, time_axis, time_series
from research.reports import forecasting as report
from research.training import run as runs

_INTERVAL = 0.8
_MOST = 8  # channels drawn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of forecasting."""
    parser.add_argument("--interval", type=float, help="share that the interval holds")
    parser.add_argument("--picture", help="SVG or PNG to draw")
    parser.add_argument("--to", help="CSV to write")


@dataclass(frozen=True)
class Forecast:
    """The future of a series, in the units of its file.

    Attributes:
      series: as it was read.
      times: (h,) datetime64[s] of the future.
      forecast: (h, c).
      low, high: (h, c), ends of the interval.
      interval: share of the truth that it is to hold.
      source: what the interval is made of.
    """

    series: time_series.Series
    times: np.ndarray
    forecast: np.ndarray
    low: np.ndarray
    high: np.ndarray
    interval: float
    source: str


def of_run(opened: runs.Run, options: argparse.Namespace) -> Iterator[dict]:
    """Yields {"file", "time", "interval", "source", "channels"} of each future step.

    "channels" is name -> {"forecast", "low", "high"}.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: not one file was given, it is no such series, or an option is wrong.
    """
    if len(options.inputs) != 1:
        raise ValueError(
            f"predict needs one .csv file of a series, got {len(options.inputs)}; "
            "name one"
        )
    for name, suffixes in (("picture", (".svg", ".png")), ("to", (".csv",))):
        value = getattr(options, name)
        if value and pathlib.Path(value).suffix.lower() not in suffixes:
            raise ValueError(
                f"--{name}={value} must end in {' or '.join(suffixes)}; name such a "
                "file"
            )
    found = forecast(opened, pathlib.Path(options.inputs[0]), options.interval)
    if options.to:
        _write(pathlib.Path(options.to), found)
    if options.picture:
        draw(pathlib.Path(options.picture), found)
    return _rows(options.inputs[0], found)


def show(rows: Iterable[dict], options: argparse.Namespace) -> None:
    """Prints a line per step: each channel's forecast and its interval."""
    for number, row in enumerate(rows):
        if not number:
            print(f"{row['interval']:.0%} interval from {row['source']}")
        told = "  ".join(
            f"{name} {v['forecast']:.5g} [{v['low']:.5g}, {v['high']:.5g}]"
            for name, v in row["channels"].items()
        )
        print(f"{row['time']}  {told}")
    for name in ("to", "picture"):
        if getattr(options, name):
            print(f"written: {getattr(options, name)}")


def forecast(
    opened: runs.Run, file: pathlib.Path, interval: float | None = None
) -> Forecast:
    """Forecasts the steps behind the last row of a file.

    Args:
      opened: a run of the task forecasting.
      file: with the columns that the run was trained on.
      interval: share of the truth that the interval is to hold; None: that of the
        run's quantiles, or 0.8.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is no such series, is too short, or the interval cannot be
        made.
    """
    experiment = opened.programs.experiment
    data, spec = experiment.config.data, experiment.spec
    scale, length = spec.scales["history"], spec.sizes["length"]
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}; correct its name")
    series = time_series.read(
        file,
        columns=[name for name, _, _ in scale],
        **{key: data[key] for key in ("time", "missing") if key in data},
    )
    if len(series.values) < length:
        raise ValueError(
            f"{file} has {len(series.values)} rows, fewer than the {length} that the "
            "network reads; bring more"
        )
    answer, horizon = _predicted(opened, series), spec.sizes["horizon"]
    middle = answer["forecast"]
    low, high, share, source = _interval(opened, answer, interval)
    mean, std = (np.array([column[k] for column in scale]) for k in (1, 2))
    count = series.axis.count
    return Forecast(
        series,
        series.axis.times(count, count + horizon),
        *(values * std + mean for values in (middle, low, high)),
        share,
        source,
    )


def draw(file: pathlib.Path, found: Forecast) -> None:
    """Draws the end of the past, the forecast and its interval, channel by channel."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names, horizon = found.series.names[:_MOST], len(found.times)
    figure = Figure(figsize=(9, 1.2 + 1.7 * len(names)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
    past = min(len(found.series.values), max(3 * horizon, 24))
    count = found.series.axis.count
    # From the last known row on, so that the lines meet.
    times = np.concatenate([found.series.axis.times(count - 1, count), found.times])
    for index, (name, axis) in enumerate(zip(names, axes, strict=True)):
        values = found.series.values[-past:, index]
        axis.plot(
            found.series.axis.times(count - past, count),
            values,
            color="#57534e",
            linewidth=1.0,
        )
        future, low, high = (
            np.concatenate([values[-1:], each[:, index]])
            for each in (found.forecast, found.low, found.high)
        )
        axis.fill_between(times, low, high, color="#2563eb", alpha=0.2, linewidth=0)
        axis.plot(times, future, color="#2563eb", linewidth=1.4)
        axis.set_ylabel(name)
    axes[0].set_title(
        f"forecast of {horizon} steps, {found.interval:.0%} interval from "
        f"{found.source}",
        fontsize="medium",
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)


def _predicted(opened: runs.Run, series: time_series.Series) -> dict[str, np.ndarray]:
    """Applies the network to the last rows; (h, c), or (h, c, q) of quantiles."""
    spec = opened.programs.experiment.spec
    length, horizon = spec.sizes["length"], spec.sizes["horizon"]
    axis, count = series.axis, series.axis.count
    rows = csv_windows.scaled(series.values[-length:], spec.scales["history"])
    batch = {"history": rows, "target": np.zeros((horizon, rows.shape[1]))}
    if "history_time" in spec.features:
        times = axis.times(count - length, count + horizon)
        marks = time_axis.calendar(times, axis.step, axis.unit)
        width = spec.features["history_time"].shape[1]
        if marks.shape[1] != width:
            raise ValueError(
                f"the run's rows have {width} calendar features, this file's, "
                f"{time_axis.told(axis.step, axis.unit)} apart, have "
                f"{marks.shape[1]}; resample it to the run's step"
            )
        batch |= {"history_time": marks[:length], "target_time": marks[length:]}
    copies = opened.programs.mesh.size  # one for each device
    batch = {k: np.stack([v.astype(np.float32)] * copies) for k, v in batch.items()}
    answer = opened.programs.predict(opened.state, batch)
    return {name: np.asarray(value)[0] for name, value in answer.items()}


def _interval(opened: runs.Run, answer, share: float | None):
    """Returns (low, high, share, what they are made of), standardised."""
    levels = opened.programs.experiment.task.quantiles
    if levels:
        held = levels[-1] - levels[0]
        if share is not None and abs(share - held) > 1e-6:
            raise ValueError(
                f"the run's quantiles hold an interval of {held:g}, got "
                f"--interval={share:g}; leave it out, or train with other "
                "config.task.quantiles"
            )
        made = answer["quantiles"]
        return made[..., 0], made[..., -1], held, "trained quantiles"
    share = _INTERVAL if share is None else share
    widest = report.LEVELS[-1] - report.LEVELS[0]
    if not 0 < share <= widest + 1e-9:
        raise ValueError(
            f"--interval must be in (0, {widest:g}], got {share:g}; use 0.8 or 0.9"
        )
    known = report.residuals(opened.folder)
    ends = []
    for level in ((1 - share) / 2, (1 + share) / 2):
        k = min(np.searchsorted(report.LEVELS, level - 1e-9), len(report.LEVELS) - 1)
        k = max(k, 1)
        a, b = report.LEVELS[k - 1], report.LEVELS[k]
        weight = (level - a) / (b - a)
        ends.append(
            answer["forecast"] + (1 - weight) * known[k - 1] + weight * known[k]
        )
    return *ends, share, "validation errors"


def _rows(name: str, found: Forecast) -> Iterator[dict]:
    for step, time in enumerate(found.series.axis.written(found.times)):
        yield {
            "file": name,
            "time": time,
            "interval": round(found.interval, 6),
            "source": found.source,
            "channels": {
                channel: {
                    key: float(getattr(found, key)[step, index])
                    for key in ("forecast", "low", "high")
                }
                for index, channel in enumerate(found.series.names)
            },
        }


def _write(file: pathlib.Path, found: Forecast) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "w", newline="", encoding="utf-8") as opened:
        writer = csv.writer(opened)
        parts = ("forecast", "low", "high")
        names = [f"{n} {part}" for n in found.series.names for part in parts]
        writer.writerow(["time", *names])
        for row in _rows("", found):
            numbers = [row["channels"][n][p] for n in found.series.names for p in parts]
            writer.writerow([row["time"], *(f"{v:.7g}" for v in numbers)])

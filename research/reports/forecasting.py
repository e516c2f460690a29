"""What is shown of a forecasting run: forecasts beside the truth, errors by step.

`write` runs after an evaluation and needs the data; `section` draws what it left in
the run directory and needs nothing else.
"""

import pathlib
from collections.abc import Mapping

import numpy as np

from research.data import source
from research.reports import evaluations, figures, page
from research.tasks import forecasting
from research.training import workdir

# Of target - forecast; scripts/predict.py makes its intervals of them.
LEVELS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)
_SHOWN = 3  # windows, each with its own channel
_MOST = 2_000  # windows that the quantiles are of
_BASELINES = {"repeat": "the last value", "seasonal": "the last season"}


def write(
    folder: pathlib.Path,
    split: str,
    *,
    spec: source.Spec,
    examples: source.Source,
    predictions: Mapping[str, np.ndarray],
    metrics: Mapping[str, float],
    step: int,
    checkpoint: str,
) -> dict[str, pathlib.Path]:
    """Writes `evaluation/<split>.json`, with errors by step and channel in it.

    Args:
      folder: the run directory.
      split: its name.
      spec: of the data.
      examples: the split.
      predictions: forecast (n, h, c), in the order of the split.
      metrics: `<split>/<metric>` -> value.
      step: updates that the parameters had seen.
      checkpoint: how it was chosen: best, latest or a step.

    Returns:
      {}: there are no pictures.
    """
    values = evaluations.record(
        split, metrics=metrics, examples=len(examples), step=step, checkpoint=checkpoint
    )
    task = workdir.read_json(folder / "config.json")["task"]
    forecast = np.asarray(predictions["forecast"])
    values["by_step"], squared = _by_step(examples, forecast, task.get("period", 0))
    scale = spec.scales.get("history") or _unscaled(forecast.shape[2])
    values["channels"] = {
        name: evaluations.plain(error)
        for (name, _, _), error in zip(scale, squared, strict=True)
    }
    values["windows"] = _windows(examples, predictions, scale, task.get("period", 0))
    if split == "validation":
        values["residuals"] = _residuals(examples, forecast)
    evaluations.write(folder, values)
    return {}


def section(folder: pathlib.Path) -> str:
    """Draws forecasts and errors of each evaluated split."""
    parts = []
    for values in evaluations.read(folder):
        if "by_step" not in values:
            continue
        plots = [
            figures.line_plot(
                title, {n: list(enumerate(y, first)) for n, (first, y) in lines.items()}
            )
            for title, lines in _lines(values)
        ]
        body = _table(values) + page.grid("plots", plots)
        body += page.table(
            ("channel", "squared error"),
            [(name, page.number(v, "mse")) for name, v in values["channels"].items()],
        )
        body += (
            '<p class="muted">Forecasts are drawn in the units of the data, errors '
            "are of the standardised channels.</p>"
        )
        parts.append(page.section(f"Forecasts: {page.escape(values['split'])}", body))
    return "".join(parts)


def residuals(folder: pathlib.Path) -> np.ndarray:
    """Returns quantiles (levels, h, c) of target - forecast, standardised.

    Raises:
      ValueError: the validation split was not evaluated.
    """
    for values in evaluations.read(folder):
        if values["split"] == "validation" and "residuals" in values:
            return np.array(values["residuals"], np.float64)
    raise ValueError(
        f"{folder} knows no errors of validation forecasts, which make the intervals; "
        "measure them with scripts/evaluate.py --split=validation"
    )


def _by_step(examples, forecast, period: int) -> tuple[dict, np.ndarray]:
    """Averages squared errors; returns (name -> (h,), those of each channel (c,))."""
    sums, squared = {}, np.zeros(forecast.shape[2])
    first = 0
    for batch in forecasting.chunks(examples):
        target = batch["target"].astype(np.float64)
        made = {"mse": forecast[first : first + len(target)]}
        made["repeat"] = forecasting.repeat(batch["history"], target.shape[1], 1)
        if 0 < period <= batch["history"].shape[1]:
            made["seasonal"] = forecasting.repeat(
                batch["history"], target.shape[1], period
            )
        for name, values in made.items():
            error = (values - target) ** 2
            sums[name] = sums.get(name, 0.0) + error.sum(axis=0)
            squared += error.sum(axis=(0, 1)) if name == "mse" else 0.0
        first += len(target)
    by_step = {
        name: [_brief(v) for v in (total.mean(axis=1) / first).tolist()]
        for name, total in sums.items()
    }
    return by_step, squared / (first * forecast.shape[1])


def _windows(examples, predictions, scale, period: int) -> list[dict]:
    """Chooses windows through the split, a channel of each, in the data's units."""
    forecast, shown = predictions["forecast"], min(_SHOWN, len(examples))
    # The last channel is what the ETT data is about, the oil temperature.
    places = np.linspace(0, len(examples) - 1, shown + 2).astype(int)[1:-1]
    batch, windows = examples.gather(places), []
    for row, place in enumerate(places):
        channel = (forecast.shape[2] - 1 - row) % forecast.shape[2]
        name, mean, std = scale[channel]
        history = batch["history"][row : row + 1]
        lines = {
            "history": history[0],
            "truth": batch["target"][row],
            "forecast": forecast[place],
            "repeat": forecasting.repeat(history, forecast.shape[1], 1)[0],
        }
        if 0 < period <= history.shape[1]:
            lines["seasonal"] = forecasting.repeat(history, forecast.shape[1], period)[
                0
            ]
        told = {
            key: [_brief(v) for v in (line[:, channel] * std + mean).tolist()]
            for key, line in lines.items()
        }
        windows.append({"window": int(place), "channel": name, "lines": told})
    return windows


def _residuals(examples, forecast) -> list:
    """Measures quantiles of the errors, (levels, h, c), over windows of the split."""
    rows = np.arange(0, len(forecast), -(-len(forecast) // _MOST))
    error = examples.gather(rows)["target"] - forecast[rows]
    found = np.quantile(error, LEVELS, axis=0)
    return [[[_brief(v) for v in row] for row in level] for level in found.tolist()]


def _lines(values: Mapping):
    """Yields (title, name -> (first step, values by step)) of each plot."""
    errors = values["by_step"]
    named = {"forecast": (1, errors["mse"])}
    named |= {told: (1, errors[n]) for n, told in _BASELINES.items() if n in errors}
    yield "Squared error by step of the horizon", named
    for window in values["windows"]:
        lines = window["lines"]
        # As much of the past as there is future, so that both can be seen.
        past = lines["history"][-len(lines["truth"]) :]
        drawn = {
            "truth": (0, past + lines["truth"]),
            "forecast": (len(past), lines["forecast"]),
        }
        for name, told in _BASELINES.items():
            if name in lines:
                drawn[told] = len(past), lines[name]
        yield f"{window['channel']}, window {window['window']}", drawn


def _table(values: Mapping) -> str:
    """Sets the errors beside those of baselines without a network."""
    measured = {k.partition("/")[2]: v for k, v in values["metrics"].items()}
    rows = [("this network", "mse", "mae")]
    rows += [(f"repeating {t}", f"{n}_mse", f"{n}_mae") for n, t in _BASELINES.items()]
    cells = [
        (name, *(page.number(measured[key], key) for key in keys))
        for name, *keys in rows
        if all(key in measured for key in keys)
    ]
    return page.table(("method", "squared error", "absolute error"), cells)


def _unscaled(channels: int) -> list:
    return [(f"channel {number}", 0.0, 1.0) for number in range(channels)]


def _brief(value: float) -> float | None:
    return evaluations.plain(f"{value:.5g}")

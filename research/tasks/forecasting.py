"""Forecasting: the future of several channels from their past.

Batch: history (b, t, c) and target (b, h, c) float32, standardised; with a calendar
also history_time (b, t, f) and target_time (b, h, f), which the model is then given;
mask (b,) float32, 0 for padding. The model returns (b, h, c, q): q = 1 for a point
forecast, otherwise one number for each quantile of the task.

Metrics, over the standardised channels, each an average over windows, steps and
channels, whatever the batches: `mse`, `mae`, of the median where there are quantiles;
`loss`, what is minimised; of quantiles also `coverage`, the share of the truth between
the lowest and the highest, and `width`, the mean distance of these two. The windows of
a split begin at each of its rows, so that the averages are those of a rolling origin
with parameters that stay. All windows count: published scripts often left out those of
a last, partial batch.

Scores, on the same windows: `repeat_mse`, `repeat_mae` of repeating the last value, and
`seasonal_mse`, `seasonal_mae` of repeating the last `period` steps.
"""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from research.models import kernels, layers
from research.tasks import gradient
from research.tasks.task import Task
from research.training.state import TrainState

SCORES = ("repeat_mse", "repeat_mae", "seasonal_mse", "seasonal_mae")
LOSSES = ("squared", "absolute")
_TIMES = ("history_time", "target_time")
_CHUNK = 256  # windows that a score reads at once


@dataclass(frozen=True)
class Forecasting(Task):
    """The task's pure functions, over one model and one optimizer."""

    input: ClassVar[str] = "history"

    model: nn.Module
    tx: optax.GradientTransformation
    loss: str
    quantiles: tuple[float, ...]
    period: int
    options: gradient.Options

    @property
    def median(self) -> int:
        """Which of the model's numbers is the forecast."""
        return len(self.quantiles) // 2

    def init(self, seed: jax.Array, batch) -> TrainState:
        """Draws the initial state; `batch` gives shapes only.

        Raises:
          ValueError: the model forecasts another number of steps, channels or
            quantiles, or there is a calendar that it does not read.
        """
        reads = "times" in inspect.signature(type(self.model).__call__).parameters
        if _TIMES[0] in batch and not reads:
            raise ValueError(
                f"config.data.calendar=True, but {type(self.model).__name__} reads no "
                "times; leave it False"
            )
        outputs, variables = self.model.init_with_output(
            kernels.key(seed), *self._inputs(batch), train=False
        )
        wanted = (*batch["target"].shape, len(self.quantiles) or 1)
        if outputs.shape != wanted:
            raise ValueError(
                f"the model gives {outputs.shape[1:]} (steps, channels, numbers), the "
                f"task needs {wanted[1:]}; set config.model.outputs={wanted[-1]}, one "
                "for each of config.task.quantiles"
            )
        return gradient.first_state(variables, self.tx, seed, self.options)

    def train_step(self, state: TrainState, batch):
        """Makes one update; returns (state, metrics)."""
        step = gradient.make_train_step(self._loss, self.tx, self.options)
        return step(state, batch)

    def eval_step(self, state: TrainState, batch) -> gradient.Metrics:
        """Measures a batch with the averaged parameters, where there are any."""
        return self._metrics(self._outputs(state, batch), batch)

    def predict(self, state: TrainState, batch) -> dict[str, jax.Array]:
        """Returns {"forecast": (b, h, c)} and, where there are some, "quantiles".

        Both are standardised as the data is; the quantiles (b, h, c, q) rise with their
        levels, where the model's cross (Chernozhukov et al. 2010).
        """
        outputs = self._outputs(state, batch)
        if not self.quantiles:
            return {"forecast": outputs[..., 0]}
        rising = jnp.sort(outputs, axis=-1)
        return {"forecast": rising[..., self.median], "quantiles": rising}

    def score(self, predictions, examples) -> dict[str, float]:
        """Measures what needs no network, on all windows."""
        del predictions
        sums = dict.fromkeys(SCORES, 0.0)
        count = 0
        for batch in chunks(examples):
            history, target = batch["history"], batch["target"].astype(np.float64)
            count += target.size
            errors = {"repeat": repeat(history, target.shape[1], 1) - target}
            if 0 < self.period <= history.shape[1]:
                errors["seasonal"] = (
                    repeat(history, target.shape[1], self.period) - target
                )
            for name, error in errors.items():
                sums[f"{name}_mse"] += float((error**2).sum())
                sums[f"{name}_mae"] += float(np.abs(error).sum())
        if not 0 < self.period <= history.shape[1]:
            sums = {k: v for k, v in sums.items() if k.startswith("repeat")}
        return {name: total / count for name, total in sums.items()}

    def _inputs(self, batch) -> tuple:
        if _TIMES[0] not in batch:
            return (batch["history"],)
        return batch["history"], tuple(batch[name] for name in _TIMES)

    def _outputs(self, state, batch):
        variables = {"params": state.eval_params(), **state.model_state}
        return self.model.apply(variables, *self._inputs(batch), train=False)

    def _loss(self, params, model_state, batch, rng):
        outputs, model_state = self.model.apply(
            {"params": params, **model_state},
            *self._inputs(batch),
            train=True,
            rngs={"dropout": rng},
            mutable=list(model_state),
        )
        return self._metrics(outputs, batch), model_state

    def _metrics(self, outputs, batch) -> gradient.Metrics:
        mask, target = batch["mask"], batch["target"].astype(jnp.float32)
        outputs = outputs.astype(jnp.float32)

        def averaged(values):
            return (values.mean(axis=(1, 2)) * mask).sum(), mask.sum()

        error = outputs[..., self.median] - target
        metrics = {"mse": averaged(error**2), "mae": averaged(jnp.abs(error))}
        if not self.quantiles:
            name = "mse" if self.loss == "squared" else "mae"
            return {"loss": metrics[name], **metrics}
        low, high = outputs.min(axis=-1), outputs.max(axis=-1)
        inside = ((low <= target) & (target <= high)).astype(jnp.float32)
        pinball = quantile_loss(outputs, target[..., None], self.quantiles)
        return {
            "loss": averaged(pinball.mean(axis=-1)),
            **metrics,
            "coverage": averaged(inside),
            "width": averaged(high - low),
        }


def quantile_loss(forecast, target, levels):
    """Measures quantile forecasts: max(p d, (p - 1) d), d = target - forecast.

    Koenker & Bassett: Regression Quantiles, 1978, https://doi.org/10.2307/1913643; its
    mean is least where a share p of the targets lies below the forecast.

    Args:
      forecast: (..., q).
      target: (..., 1).
      levels: q numbers p in (0, 1).
    """
    d = target - forecast
    p = jnp.asarray(levels, jnp.float32).reshape((1,) * (d.ndim - 1) + (-1,))
    return jnp.maximum(p * d, (p - 1) * d)


def repeat(history: np.ndarray, horizon: int, period: int) -> np.ndarray:
    """Repeats the last `period` steps of (b, t, c) into the future (b, horizon, c)."""
    last = history[:, history.shape[1] - period :]
    return last[:, np.arange(horizon) % period]


def chunks(examples) -> Iterator[dict[str, np.ndarray]]:
    """Yields all windows of a split, some at a time."""
    for first in range(0, len(examples), _CHUNK):
        yield examples.gather(np.arange(first, min(first + _CHUNK, len(examples))))


def build(
    model: nn.Module,
    tx: optax.GradientTransformation,
    options: gradient.Options,
    *,
    loss: str = "squared",
    quantiles: tuple[float, ...] = (),
    period: int = 0,
) -> Forecasting:
    """Builds the task.

    Args:
      model: maps (b, t, c) to (b, h, c, q).
      tx: the optimizer.
      options: switches of the gradient step.
      loss: of point forecasts: "squared" or "absolute".
      quantiles: rising levels in (0, 1), 0.5 in the middle, whose quantile losses are
        minimised instead; (): a point forecast.
      period: steps of a season, for the baseline that repeats it; 0: none.

    Raises:
      ValueError: an option is out of range.
    """
    layers.check_choice("task.loss", loss, LOSSES)
    rising = all(a < b for a, b in zip((0, *quantiles), (*quantiles, 1), strict=True))
    # The middle one is what "autoregressive" of lstm_forecaster reads again.
    if quantiles and not (rising and quantiles[len(quantiles) // 2] == 0.5):
        raise ValueError(
            "config.task.quantiles must rise within (0, 1) with 0.5 in the middle, got "
            f"{tuple(quantiles)}; write (0.1, 0.5, 0.9)"
        )
    if period < 0:
        raise ValueError(
            f"config.task.period must be at least 0 steps, got {period}; use 24 for a "
            "day of hours"
        )
    return Forecasting(model, tx, loss, tuple(quantiles), period, options)

"""Forecasting against numpy: metrics, quantiles, baselines, mistakes."""

import os
import pathlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.data import source, synthetic_time_series, time_series
from research.data.series_windows import SeriesWindows
from research.tasks import forecasting, gradient


class Line(nn.Module):
    """Maps the past of each channel linearly to its future."""

    horizon: int = 3
    outputs: int = 1

    @nn.compact
    def __call__(self, history, *, train: bool):
        y = nn.Dense(self.horizon * self.outputs)(history.swapaxes(1, 2))
        return y.reshape(*y.shape[:2], self.horizon, -1).swapaxes(1, 2)


def _task(outputs=1, **fields):
    model = Line(outputs=outputs)
    return forecasting.build(model, optax.sgd(0.1), gradient.Options(), **fields)


def _batch():
    rng = np.random.default_rng(0)
    shapes = {"history": (6, 5, 2), "target": (6, 3, 2)}
    batch = {k: rng.normal(size=s).astype(np.float32) for k, s in shapes.items()}
    return batch | {"mask": np.array([1, 1, 1, 1, 0, 0], np.float32)}


def _value(pair):
    assert pair[1] == 4  # windows that the mask keeps
    return float(pair[0] / pair[1])


@pytest.mark.parametrize("loss", forecasting.LOSSES)
def test_errors_are_means_over_what_the_mask_keeps(loss):
    task, batch = _task(loss=loss), _batch()
    state = task.init(0, batch)
    forecast = np.asarray(task.predict(state, batch)["forecast"], np.float64)
    error = (forecast - batch["target"])[:4]
    metrics = task.eval_step(state, batch)
    wanted = {"mse": (error**2).mean(), "mae": np.abs(error).mean()}
    for name, value in wanted.items():
        assert _value(metrics[name]) == pytest.approx(value, rel=1e-5)
    chosen = wanted["mse" if loss == "squared" else "mae"]
    assert _value(metrics["loss"]) == pytest.approx(chosen, rel=1e-5)
    _, trained = jax.jit(task.train_step)(state, batch)
    assert {"loss", "mse", "mae", "norm/grad"} <= set(trained)


def test_quantiles_have_a_loss_a_coverage_and_an_order():
    levels = (0.1, 0.5, 0.9)
    task, batch = _task(3, quantiles=levels), _batch()
    state = task.init(0, batch)
    made = task.predict(state, batch)
    assert (np.diff(made["quantiles"], axis=-1) >= 0).all()
    np.testing.assert_array_equal(made["forecast"], made["quantiles"][..., 1])
    raw = np.asarray(
        task.model.apply({"params": state.params}, batch["history"], train=False)
    )[:4]
    target = batch["target"][:4, ..., None]
    pinball = [
        np.where(target[..., 0] > raw[..., k], p, p - 1)
        * (target[..., 0] - raw[..., k])
        for k, p in enumerate(levels)
    ]
    metrics = task.eval_step(state, batch)
    assert _value(metrics["loss"]) == pytest.approx(np.mean(pinball), rel=1e-5)
    inside = (raw.min(-1) <= target[..., 0]) & (target[..., 0] <= raw.max(-1))
    assert _value(metrics["coverage"]) == pytest.approx(inside.mean(), rel=1e-5)
    spread = raw.max(-1) - raw.min(-1)
    assert _value(metrics["width"]) == pytest.approx(spread.mean(), rel=1e-5)


def test_the_quantile_loss_is_least_at_the_quantile():
    target = np.random.default_rng(0).normal(size=20_001).astype(np.float32)
    tried = np.linspace(-2, 2, 81, dtype=np.float32)
    loss = forecasting.quantile_loss(
        jnp.asarray(tried)[None, :, None], target[:, None, None], (0.9,)
    )
    best = tried[np.asarray(loss).mean(axis=(0, 2)).argmin()]
    assert abs(best - np.quantile(target, 0.9)) <= 0.05


def test_repeating_the_past():
    history = np.arange(5.0)[None, :, None]
    assert forecasting.repeat(history, 3, 1).ravel().tolist() == [4, 4, 4]
    assert forecasting.repeat(history, 5, 3).ravel().tolist() == [2, 3, 4, 2, 3]


def test_baselines_of_all_windows():
    examples = synthetic_time_series.load("test", length=30, horizon=24, count=1800)
    assert len(examples) > forecasting._CHUNK
    scores = _task(period=24).score({}, examples)
    batch = examples.gather(np.arange(len(examples)))
    error = batch["history"][:, -24:] - batch["target"]
    assert scores["seasonal_mse"] == pytest.approx((error**2).mean(), rel=1e-5)
    error = batch["history"][:, -1:] - batch["target"]
    assert scores["repeat_mae"] == pytest.approx(np.abs(error).mean(), rel=1e-5)
    # A season that is longer than the past has no such baseline.
    assert set(_task(period=48).score({}, examples)) == {"repeat_mse", "repeat_mae"}


@pytest.mark.skipif("RESEARCH_DATA" not in os.environ, reason="needs real data")
@pytest.mark.parametrize(
    ("horizon", "mse", "mae"),
    [(96, 1.295, 0.713), (192, 1.325, 0.733), (336, 1.323, 0.744), (720, 1.339, 0.756)],
)
def test_repeating_reaches_the_published_errors(horizon, mse, mae):
    """Those on ETTh1, whose loader left out the last, partial batch of 32 windows.

    Zeng et al. 2023, https://arxiv.org/abs/2205.13504, Table 2; all windows, which the
    task counts, are within 0.007 of them.
    """
    file = pathlib.Path(os.environ["RESEARCH_DATA"], "ett", "ETTh1.csv")
    if not file.exists():
        pytest.skip(f"{file} is not there")
    options = dict(length=336, horizon=horizon, borders=(8_640, 11_520, 14_400))
    every = time_series.load("test", str(file), **options)
    whole = source.Subset(every, np.arange(len(every) // 32 * 32))
    scores = _task().score({}, whole)
    assert scores["repeat_mse"] == pytest.approx(mse, abs=0.001)
    assert scores["repeat_mae"] == pytest.approx(mae, abs=0.001)
    assert _task().score({}, every)["repeat_mse"] == pytest.approx(mse, abs=0.008)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            dict(loss="huber"),
            "unknown task.loss 'huber'; use one of squared, absolute",
        ),
        (
            dict(quantiles=(0.1, 0.9)),
            "config.task.quantiles must rise within (0, 1) with 0.5 in the middle, got "
            "(0.1, 0.9); write (0.1, 0.5, 0.9)",
        ),
        (
            dict(quantiles=(0.5, 0.7, 0.9)),
            "config.task.quantiles must rise within (0, 1) with 0.5 in the middle, got "
            "(0.5, 0.7, 0.9); write (0.1, 0.5, 0.9)",
        ),
        (
            dict(period=-1),
            "config.task.period must be at least 0 steps, got -1; use 24 for a day of "
            "hours",
        ),
    ],
)
def test_an_option_out_of_range_is_one_sentence(fields, message):
    with pytest.raises(ValueError) as error:
        _task(**fields)
    assert str(error.value) == message


def test_a_model_that_does_not_fit_is_one_sentence():
    with pytest.raises(ValueError) as error:
        _task(1, quantiles=(0.1, 0.5, 0.9)).init(0, _batch())
    assert str(error.value) == (
        "the model gives (3, 2, 1) (steps, channels, numbers), the task needs "
        "(3, 2, 3); set config.model.outputs=3, one for each of config.task.quantiles"
    )
    rows = np.zeros((9, 2), np.float32)
    examples = SeriesWindows(rows, length=5, horizon=3, calendar=rows)
    with pytest.raises(ValueError) as error:
        _task().init(0, examples.gather(np.arange(2)))
    assert str(error.value) == (
        "config.data.calendar=True, but Line reads no times; leave it False"
    )

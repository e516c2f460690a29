"""Regression against the squared error in numpy."""

import flax.linen as nn
import jax
import numpy as np
import optax
import pytest

from research.data import source
from research.tasks import gradient, regression


class Linear(nn.Module):
    """Outputs are a linear map of the input."""

    num_classes: int = 2

    @nn.compact
    def __call__(self, x, *, train: bool):
        return nn.Dense(self.num_classes)(x)


def _task(k=2):
    return regression.build(Linear(k), optax.sgd(0.1), gradient.Options(), input="x")


def _batch(k=2):
    rng = np.random.default_rng(0)
    target = rng.normal(size=(8, k) if k > 1 else 8).astype(np.float32)
    mask = np.array([1, 1, 1, 1, 1, 1, 0, 0], np.float32)
    return {"x": rng.normal(size=(8, 3)).astype(np.float32), "target": target} | {
        "mask": mask
    }


@pytest.mark.parametrize("k", [1, 2])
def test_metrics_are_means_over_what_the_mask_keeps(k):
    task, batch = _task(k), _batch(k)
    state = task.init(0, batch)
    prediction = np.asarray(task.predict(state, batch)["prediction"], np.float64)
    error = (prediction - batch["target"].reshape(8, k))[:6]
    metrics = task.eval_step(state, batch)
    for name, values in (("loss", error**2), ("absolute_error", abs(error))):
        total, weight = metrics[name]
        assert weight == 6
        assert total / weight == pytest.approx(values.mean(), rel=1e-5)


def test_a_step_follows_the_gradient():
    task, batch = _task(1), _batch(1)
    state = task.init(0, batch)
    kernel = np.asarray(state.params["Dense_0"]["kernel"], np.float64)
    error = batch["x"] @ kernel[:, 0] - batch["target"]
    slope = 2 * ((error * batch["mask"])[:, None] * batch["x"]).sum(axis=0) / 6
    state, metrics = jax.jit(task.train_step)(state, batch)
    moved = state.params["Dense_0"]["kernel"][:, 0]
    np.testing.assert_allclose(moved, kernel[:, 0] - 0.1 * slope, rtol=1e-5)
    assert {"loss", "absolute_error", "norm/grad"} <= set(metrics)


def test_r2_is_what_a_constant_leaves_to_be_explained():
    task, examples = _task(1), source.Arrays({"target": _batch(1)["target"]})
    target = examples.arrays["target"]
    constant = {"prediction": np.full((8, 1), target.mean())}
    assert task.score(constant, examples)["r2"] == pytest.approx(0, abs=1e-6)
    assert task.score({"prediction": target[:, None]}, examples) == {"r2": 1.0}
    alike = source.Arrays({"target": np.ones(8, np.float32)})
    assert np.isnan(task.score(constant, alike)["r2"])


def test_another_number_of_outputs_is_one_sentence():
    with pytest.raises(ValueError) as error:
        _task(3).init(0, _batch(2))
    assert str(error.value) == (
        "the model gives 3 outputs for targets of 2; set config.model.num_classes=2"
    )

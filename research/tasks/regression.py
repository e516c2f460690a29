"""Regression with the squared error: numbers for each example.

Batch: the input feature (b, ...) as the model takes it; target (b,) or (b, k) float32;
mask (b,) float32, 0 for padding. The model returns (b, k), k = 1 for a target (b,).

Metrics: loss, the squared error, a mean over k; absolute_error likewise. Score: r2,
the share of the targets' variance that is explained, 1 - loss / variance: 0 is what
always answering the mean of the targets reaches.
"""

from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from research.models import kernels
from research.tasks import gradient
from research.tasks.task import Task
from research.training.state import TrainState

SCORES = ("r2",)


@dataclass(frozen=True)
class Regression(Task):
    """The task's pure functions, over one model and one optimizer."""

    model: nn.Module
    tx: optax.GradientTransformation
    input: str
    options: gradient.Options

    def init(self, seed: jax.Array, batch) -> TrainState:
        """Draws the initial state; `batch` gives shapes only.

        Raises:
          ValueError: the model gives another number of outputs than there are targets.
        """
        outputs, variables = self.model.init_with_output(
            kernels.key(seed), batch[self.input], train=False
        )
        wanted = batch["target"].reshape(len(outputs), -1).shape
        if outputs.shape != wanted:
            raise ValueError(
                f"the model gives {outputs.shape[-1]} outputs for targets of "
                f"{wanted[-1]}; set config.model.num_classes={wanted[-1]}"
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
        """Returns {"prediction": (b, k) float32}."""
        return {"prediction": self._outputs(state, batch)}

    def score(self, predictions, examples) -> dict[str, float]:
        """Compares the squared error with the targets' variance."""
        prediction = np.asarray(predictions["prediction"], np.float64)
        target = examples.gather(np.arange(len(prediction)))["target"]
        target = target.reshape(prediction.shape)
        variance = np.mean((target - target.mean(axis=0)) ** 2)
        error = np.mean((prediction - target) ** 2)
        return {"r2": float(1 - error / variance) if variance else float("nan")}

    def _outputs(self, state, batch):
        variables = {"params": state.eval_params(), **state.model_state}
        outputs = self.model.apply(variables, batch[self.input], train=False)
        return outputs.astype(jnp.float32)

    def _loss(self, params, model_state, batch, rng):
        outputs, model_state = self.model.apply(
            {"params": params, **model_state},
            batch[self.input],
            train=True,
            rngs={"dropout": rng},
            mutable=list(model_state),
        )
        return self._metrics(outputs.astype(jnp.float32), batch), model_state

    def _metrics(self, outputs, batch) -> gradient.Metrics:
        error, mask = outputs - batch["target"].reshape(outputs.shape), batch["mask"]
        squared, absolute = (error**2).mean(axis=1), jnp.abs(error).mean(axis=1)
        return {
            "loss": ((squared * mask).sum(), mask.sum()),
            "absolute_error": ((absolute * mask).sum(), mask.sum()),
        }


def build(
    model: nn.Module,
    tx: optax.GradientTransformation,
    options: gradient.Options,
    *,
    input: str = "sequence",
) -> Regression:
    """Builds the task.

    Args:
      model: maps the input feature to (b, k) outputs.
      tx: the optimizer.
      options: switches of the gradient step.
      input: name of the batch's feature that the model reads.
    """
    return Regression(model, tx, input, options)

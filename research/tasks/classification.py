"""Classification with softmax cross-entropy: one label per example.

Batch: the input feature (b, ...) as the model takes it; label (b,) int32 in [0, k),
or (b, k) float32 probabilities where an augmentation mixes examples; mask (b,)
float32, 0 for padding. Metrics: loss (nats), accuracy, accuracy_top5 (k > 5).
"""

from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from research.metrics import accuracy
from research.models import kernels
from research.tasks import gradient, likelihood
from research.tasks.task import Task
from research.training.state import TrainState


@dataclass(frozen=True)
class Classification(Task):
    """The task's pure functions, over one model and one optimizer."""

    model: nn.Module
    tx: optax.GradientTransformation
    label_smoothing: float
    rejection: float
    input: str
    options: gradient.Options

    def init(self, seed: jax.Array, batch) -> TrainState:
        """Draws the initial state; `batch` gives shapes only."""
        variables = self.model.init(kernels.key(seed), batch[self.input], train=False)
        return gradient.first_state(variables, self.tx, seed, self.options)

    def train_step(self, state: TrainState, batch):
        """Makes one update; returns (state, metrics)."""
        step = gradient.make_train_step(self._loss, self.tx, self.options)
        return step(state, batch)

    def eval_step(self, state: TrainState, batch) -> gradient.Metrics:
        """Measures a batch with the averaged parameters, where there are any."""
        return self._metrics(self._logits(state, batch), batch, smoothing=0.0)

    def predict(self, state: TrainState, batch) -> dict[str, jax.Array]:
        """Returns {"probability": (b, k) float32}."""
        return {"probability": jax.nn.softmax(self._logits(state, batch))}

    def _logits(self, state, batch):
        variables = {"params": state.eval_params(), **state.model_state}
        logits = self.model.apply(variables, batch[self.input], train=False)
        return logits.astype(jnp.float32)

    def _loss(self, params, model_state, batch, rng):
        logits, model_state = self.model.apply(
            {"params": params, **model_state},
            batch[self.input],
            train=True,
            rngs={"dropout": rng},
            mutable=list(model_state),
        )
        logits = logits.astype(jnp.float32)
        return self._metrics(logits, batch, self.label_smoothing), model_state

    def _metrics(self, logits, batch, smoothing: float) -> gradient.Metrics:
        label, mask = batch["label"], batch["mask"]
        k = logits.shape[-1]
        target = label if label.ndim == 2 else jax.nn.one_hot(label, k)
        target = optax.smooth_labels(target, smoothing)  # eps / k on every class
        loss = optax.softmax_cross_entropy(*self._with_rejection(logits, target))
        hard = label.argmax(-1) if label.ndim == 2 else label
        metrics = {
            "loss": ((loss * mask).sum(), mask.sum()),
            "accuracy": accuracy.top_k(logits, hard, mask),
        }
        if k > 5:
            metrics["accuracy_top5"] = accuracy.top_k(logits, hard, mask, k=5)
        return metrics

    def _with_rejection(self, logits, target):
        """Appends the constant logit of "none of the classes", never the target."""
        if not self.rejection:
            return logits, target
        column = (*logits.shape[:-1], 1)
        logits = jnp.concatenate([logits, jnp.full(column, -self.rejection)], axis=-1)
        return logits, jnp.concatenate([target, jnp.zeros(column)], axis=-1)


def build(
    model: nn.Module,
    tx: optax.GradientTransformation,
    options: gradient.Options,
    *,
    label_smoothing: float = 0.0,
    rejection: float = 0.0,
    input: str = "image",
) -> Classification:
    """Builds the task.

    Args:
      model: maps the input feature to (b, k) logits.
      tx: the optimizer.
      options: switches of the gradient step.
      label_smoothing: share of the target spread over all k classes, in [0, 1).
      rejection: j > 0 adds exp(-j) to the softmax's sum, the weight of an image that
        shows no class, as Eq. (9) of LeCun et al. (1998) does; 0 adds nothing.
      input: name of the batch's feature that the model reads.

    Raises:
      ValueError: label_smoothing or rejection out of range.
    """
    likelihood.check_smoothing(label_smoothing)
    if rejection < 0:
        raise ValueError(
            f"rejection must be at least 0, got {rejection}; 0 switches it off"
        )
    return Classification(model, tx, label_smoothing, rejection, input, options)

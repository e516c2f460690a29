"""Classification or scoring of sentences, and of pairs of them.

Batch: token and type (b, t) int32; length (b,) int32, the tokens that are real; label
(b,) int32 in [0, k), or float32, a score; mask (b,) float32, 0 for padding. The model
takes the tokens and, by the names of its arguments, `token_type_ids` and
`attention_mask` or `mask`, (b, t) bool; it returns (b, k) logits, or a dict with
"logits". Classes are learnt by cross-entropy, scores by the squared error.
Metrics: loss, accuracy of classes. Scores: matthews of classes (CoLA's), pearson and
spearman of scores (STS-B's).
"""

import inspect
import math
from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from research.metrics import accuracy, correlation, matthews
from research.models import kernels
from research.tasks import gradient, likelihood
from research.tasks.task import Task
from research.training.state import TrainState

SCORES = ("matthews", "pearson", "spearman")
_ROWS = ("token", "type")  # features with an axis of tokens


@dataclass(frozen=True)
class TextClassification(Task):
    """The task's pure functions, over one model and one optimizer."""

    model: nn.Module
    tx: optax.GradientTransformation
    label_smoothing: float
    widths: int
    options: gradient.Options

    def init(self, seed: jax.Array, batch) -> TrainState:
        """Draws the initial state; `batch` gives shapes only."""
        tokens, named = self._inputs(batch)
        variables = self.model.init(kernels.key(seed), tokens, train=False, **named)
        return gradient.first_state(variables, self.tx, seed, self.options)

    def train_step(self, state: TrainState, batch):
        """Makes one update; returns (state, metrics)."""
        step = gradient.make_train_step(self._loss, self.tx, self.options)
        cuts = _cuts(batch["token"].shape[1], self.widths)
        # The narrowest that cuts nothing but padding off.
        chosen = sum((batch["length"].max() > cut).astype(int) for cut in cuts[:-1])
        branches = [
            lambda state, batch, cut=cut: step(
                state, batch | {name: batch[name][:, :cut] for name in _ROWS}
            )
            for cut in cuts
        ]
        return jax.lax.switch(chosen, branches, state, batch)

    def eval_step(self, state: TrainState, batch) -> gradient.Metrics:
        """Measures a batch with the averaged parameters, where there are any."""
        return self._metrics(self._logits(state, batch), batch, smoothing=0.0)

    def predict(self, state: TrainState, batch) -> dict[str, jax.Array]:
        """Returns {"probability": (b, k) float32}; of scores {"score": (b,)}."""
        logits = self._logits(state, batch)
        if logits.shape[-1] == 1:
            return {"score": logits[:, 0]}
        return {"probability": jax.nn.softmax(logits)}

    def score(self, predictions, examples) -> dict[str, float]:
        """Correlates predictions with labels; see the file's SCORES."""
        label = np.asarray(examples.labels())
        if "score" in predictions:
            predicted = predictions["score"]
            return {
                "pearson": correlation.pearson(label, predicted),
                "spearman": correlation.spearman(label, predicted),
            }
        probability = np.asarray(predictions["probability"])
        predicted, k = probability.argmax(axis=1), probability.shape[1]
        return {"matthews": matthews.correlation(label, predicted, k)}

    def _inputs(self, batch):
        """Returns (tokens, what else the model takes of the batch, by name)."""
        token = batch["token"]
        place = jax.lax.broadcasted_iota(jnp.int32, token.shape, 1)
        real = place < batch["length"][:, None]
        known = {"token_type_ids": batch["type"], "attention_mask": real, "mask": real}
        taken = inspect.signature(type(self.model).__call__).parameters
        return token, {name: known[name] for name in known if name in taken}

    def _logits(self, state, batch):
        tokens, named = self._inputs(batch)
        variables = {"params": state.eval_params(), **state.model_state}
        return _of(self.model.apply(variables, tokens, train=False, **named))

    def _loss(self, params, model_state, batch, rng):
        tokens, named = self._inputs(batch)
        outputs, model_state = self.model.apply(
            {"params": params, **model_state},
            tokens,
            train=True,
            rngs={"dropout": rng},
            mutable=list(model_state),
            **named,
        )
        metrics = self._metrics(_of(outputs), batch, self.label_smoothing)
        return metrics, model_state

    def _metrics(self, logits, batch, smoothing) -> gradient.Metrics:
        label, mask = batch["label"], batch["mask"]
        if jnp.issubdtype(label.dtype, jnp.floating):
            loss = (logits[:, 0] - label) ** 2
            return {"loss": ((loss * mask).sum(), mask.sum())}
        target = jax.nn.one_hot(label, logits.shape[-1])
        target = optax.smooth_labels(target, smoothing)  # eps / k on every class
        loss = optax.softmax_cross_entropy(logits, target)
        return {
            "loss": ((loss * mask).sum(), mask.sum()),
            "accuracy": accuracy.top_k(logits, label, mask),
        }


def _cuts(width: int, count: int) -> list[int]:
    """Lists widths, each about 0.7 times the next one; the last is the batch's own."""
    return sorted({max(4, math.ceil(width * 2 ** (-k / 2))) for k in range(count)})


def _of(outputs) -> jax.Array:
    logits = outputs["logits"] if isinstance(outputs, dict) else outputs
    return logits.astype(jnp.float32)


def build(
    model: nn.Module,
    tx: optax.GradientTransformation,
    options: gradient.Options,
    *,
    label_smoothing: float = 0.0,
    widths: int = 1,
) -> TextClassification:
    """Builds the task.

    Args:
      model: maps tokens to (b, k) logits, k = 1 for a score.
      tx: the optimizer.
      options: switches of the gradient step.
      label_smoothing: share of the target spread over all k classes, in [0, 1).
      widths: to how many widths a training batch may be cut, the one that just holds
        its longest text; each is 0.7 times the next and has a compiled step of its own.
        It saves padding where `config.data.sort_pool` sorts by length.

    Raises:
      ValueError: label_smoothing or widths out of range.
    """
    likelihood.check_smoothing(label_smoothing)
    if widths < 1:
        raise ValueError(f"widths must be at least 1, got {widths}; 4 is usual")
    return TextClassification(model, tx, label_smoothing, widths, options)

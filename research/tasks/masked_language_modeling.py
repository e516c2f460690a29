"""BERT's pre-training: hidden tokens, and whether one segment follows the other.

Batch: token, type and word (b, t) int32, length and mask_token (b,) int32, and with
pairs label (b,) int32, see research/data/masked_text.py; mask (b,) float32, 0 for
padding. In training other tokens are hidden in every step, drawn from its key; in
evaluation they follow from the example alone, so that every evaluation is the same.

The model is called as BERT is and returns "mlm_logits" and, for pairs, "nsp_logits".
Minimised is the sum of the two mean cross-entropies. Metrics: loss, of the hidden
tokens, in nats per token; accuracy of those; nsp_loss, nsp_accuracy; and perplexity,
exp(loss).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from research.metrics import accuracy
from research.models import kernels
from research.tasks import gradient, likelihood, masking
from research.tasks.task import Task
from research.training.state import TrainState


@dataclass(frozen=True)
class MaskedLanguageModeling(Task):
    """The task's pure functions, over one model and one optimizer."""

    model: nn.Module
    tx: optax.GradientTransformation
    rate: float
    whole_words: bool
    options: gradient.Options
    predicted: int

    def init(self, seed: jax.Array, batch) -> TrainState:
        """Draws the initial state; `batch` gives shapes only."""
        variables = self.model.init(kernels.key(seed), batch["token"], train=False)
        return gradient.first_state(variables, self.tx, seed, self.options)

    def train_step(self, state: TrainState, batch):
        """Makes one update; returns (state, metrics)."""
        step = gradient.make_train_step(self._loss, self.tx, self.options)
        return step(state, batch)

    def eval_step(self, state: TrainState, batch) -> gradient.Metrics:
        """Measures a batch with the averaged parameters, where there are any."""
        masked, outputs = self._read(state, batch)
        return self._metrics(outputs, masked, batch)

    def predict(self, state: TrainState, batch) -> dict[str, jax.Array]:
        """Fills in the hidden tokens.

        Returns:
          {"token": (b, t) int32, as the model read them; "position", "target",
          "predicted": (b, p) int32; "probability": (b, p) float32 of what is predicted;
          "weight": (b, p), 0 for places that are not used}.
        """
        masked, outputs = self._read(state, batch)
        probability = jax.nn.softmax(outputs["mlm_logits"])
        return {
            **masked._asdict(),
            "predicted": probability.argmax(-1).astype(jnp.int32),
            "probability": probability.max(-1),
        }

    def derive(self, averages: Mapping[str, float]) -> dict[str, float]:
        """Adds the perplexity of hidden tokens."""
        return {**averages, "perplexity": likelihood.perplexity(averages["loss"])}

    def _mask(self, keys, batch) -> masking.Masked:
        return masking.mask(
            keys,
            batch["token"],
            batch["word"],
            batch["mask_token"],
            vocabulary_size=self.model.vocab_size,
            rate=self.rate,
            whole_words=self.whole_words,
        )

    def _read(self, state, batch):
        masked = self._mask(masking.keys_of(batch["token"]), batch)
        variables = {"params": state.eval_params(), **state.model_state}
        outputs = self.model.apply(
            variables, masked.token, train=False, **_named(masked, batch)
        )
        return masked, outputs

    def _loss(self, params, model_state, batch, rng):
        draws, dropout = jax.random.split(rng)
        masked = self._mask(jax.random.split(draws, len(batch["token"])), batch)
        outputs, model_state = self.model.apply(
            {"params": params, **model_state},
            masked.token,
            train=True,
            rngs={"dropout": dropout},
            mutable=list(model_state),
            **_named(masked, batch),
        )
        metrics = self._metrics(outputs, masked, batch)
        means = [
            metrics[name][0] / jnp.maximum(metrics[name][1], 1)
            for name in ("loss", "nsp_loss")
            if name in metrics
        ]
        examples = batch["mask"].sum()
        metrics["objective"] = (sum(means) * examples, examples)
        return metrics, model_state

    def _metrics(self, outputs, masked: masking.Masked, batch) -> gradient.Metrics:
        weight = masked.weight * batch["mask"][:, None]
        metrics = _measured(outputs["mlm_logits"], masked.target, weight)
        if ("label" in batch) != ("nsp_logits" in outputs):
            raise ValueError(
                f"config.model.nsp_head={'nsp_logits' in outputs} must agree with "
                f"config.data.pairs={'label' in batch}; change one of them"
            )
        if "label" in batch:
            pair = _measured(outputs["nsp_logits"], batch["label"], batch["mask"])
            metrics |= {f"nsp_{name}": value for name, value in pair.items()}
        return metrics


def _named(masked: masking.Masked, batch) -> dict:
    place = jax.lax.broadcasted_iota(jnp.int32, masked.token.shape, 1)
    return {
        "token_type_ids": batch["type"],
        "attention_mask": place < batch["length"][:, None],
        "mlm_positions": masked.position,
    }


def _measured(logits, target, weight) -> gradient.Metrics:
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, target)
    return {
        "loss": ((loss * weight).sum(), weight.sum()),
        "accuracy": accuracy.top_k(logits, target, weight),
    }


def build(
    model: nn.Module,
    tx: optax.GradientTransformation,
    options: gradient.Options,
    *,
    rate: float = 0.15,
    whole_words: bool = False,
    predicted: int = 64,
) -> MaskedLanguageModeling:
    """Builds the task.

    Args:
      model: BERT, with an MLM head, and an NSP head where the data has pairs.
      tx: the optimizer.
      options: switches of the gradient step.
      rate: share of the tokens that are hidden, in (0, 1).
      whole_words: hide all tokens of a word or none.
      predicted: examples of a split that the report shows predictions of.

    Raises:
      ValueError: a number is out of range, or the model has no MLM head.
    """
    if not 0 < rate < 1:
        raise ValueError(f"task.rate must be in (0, 1), got {rate}; 0.15 is usual")
    if predicted < 1:
        raise ValueError(f"task.predicted must be at least 1, got {predicted}; use 64")
    if not getattr(model, "mlm_head", False):
        raise ValueError(
            "masked language modeling needs a model with an MLM head, got "
            f"{type(model).__name__} without; set config.model.mlm_head=True"
        )
    return MaskedLanguageModeling(model, tx, rate, whole_words, options, predicted)

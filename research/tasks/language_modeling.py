"""Language modeling: each token from those before it.

Batch: token (b, t + 1) int32 in [0, v), -1 where the text has ended; mask (b,) float32,
0 for padding; from contiguous text also start (b,) bool, true where a stream begins.
The model reads token[:, :-1] and is asked for token[:, 1:].

Metrics: loss, the negative log-likelihood in nats per token; accuracy. From the loss
follow perplexity, exp(loss), and bits per token or character, loss / log 2, both of
the whole split's total, not means over batches.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from research.metrics import accuracy
from research.models import kernels, layers
from research.tasks import generation, gradient, likelihood, sampling
from research.tasks.task import Task
from research.training.state import TrainState

_UNITS = ("token", "character", "byte", "word")
_PER = ("token", "sequence")


@dataclass(frozen=True)
class LanguageModeling(Task):
    """The task's pure functions, over one model and one optimizer."""

    model: nn.Module
    tx: optax.GradientTransformation
    carry: bool
    per: str
    unit: str
    temperature: float
    activation_penalty: float
    slowness_penalty: float
    options: gradient.Options
    predicted: int

    def init(self, seed: jax.Array, batch) -> TrainState:
        """Draws the initial state; `batch` gives shapes only."""
        token = batch["token"]
        variables = self.model.init(
            kernels.key(seed), jnp.maximum(token[:, :-1], 0), train=False
        )
        if self.carry:
            carry = self.model.initial_carry(len(token))
            variables = {**variables, "carry": carry}
        return gradient.first_state(variables, self.tx, seed, self.options)

    def train_step(self, state: TrainState, batch):
        """Makes one update; returns (state, metrics)."""
        step = gradient.make_train_step(self._loss, self.tx, self.options)
        return step(state, batch)

    def init_carry(self, batch_size: int) -> Any:
        """Makes the carry that an evaluation begins with, where there is one."""
        return self.model.initial_carry(batch_size) if self.carry else None

    def eval_step(self, state: TrainState, batch, carry=None):
        """Measures a batch; returns metrics, or (metrics, carry) where one is given."""
        variables = {"params": state.eval_params(), **_fixed(state.model_state)}
        token = batch["token"]
        logits = self.model.apply(
            variables, jnp.maximum(token[:, :-1], 0), carry=carry, train=False
        )
        if carry is None:
            return self._metrics(logits, batch)
        logits, carry = logits
        return self._metrics(logits, batch), carry

    def predict(self, state: TrainState, batch) -> dict[str, jax.Array]:
        """Goes on with the first half of each text.

        Returns:
          {"token": (b, t + 1) int32}: the first half as given, the rest drawn.
        """
        prompt = batch["token"][:, : -(-batch["token"].shape[1] // 2)]
        variables = {"params": state.eval_params(), **_fixed(state.model_state)}
        drawn = generation.generate(
            self.model,
            variables,
            jnp.maximum(prompt, 0),
            max_tokens=batch["token"].shape[1] - prompt.shape[1],
            how=sampling.Sampling(self.temperature),
            key=state.rng(),
        )
        return {"token": jnp.concatenate([prompt, drawn], axis=1)}

    def derive(self, averages: Mapping[str, float]) -> dict[str, float]:
        """Adds perplexity and bits per unit."""
        loss = averages["loss"]
        bits = {f"bits_per_{self.unit}": loss / math.log(2)}
        return {**averages, "perplexity": likelihood.perplexity(loss), **bits}

    def _loss(self, params, model_state, batch, rng):
        variables = {"params": params, **_fixed(model_state)}
        inputs, carry = jnp.maximum(batch["token"][:, :-1], 0), None
        if self.carry:
            _check_streams(batch)
            first = self.model.initial_carry(len(inputs))
            carry = _reset(model_state["carry"], first, batch["start"])
        outputs, moved = self.model.apply(
            variables,
            inputs,
            carry=carry,
            train=True,
            rngs={"dropout": rng},
            mutable=[*_fixed(model_state), "intermediates"],
        )
        states = moved.pop("intermediates", {})
        if self.carry:
            outputs, moved["carry"] = outputs
        metrics = self._metrics(outputs, batch)
        total, count = metrics["loss"]
        if self.per == "sequence":
            count = batch["mask"].sum()
            metrics["objective"] = (total, count)
        if self.activation_penalty or self.slowness_penalty:
            metrics["objective"] = (total + count * self._penalty(states), count)
        return metrics, moved

    def _penalty(self, states) -> jax.Array:
        """Computes the penalties of Merity et al. 2018, section 4.3: AR and TAR."""
        if "dropped_output" not in states:
            raise ValueError(
                "config.task.activation_penalty and slowness_penalty act on the "
                f"outputs of a recurrent network, got {type(self.model).__name__}; set "
                "both to 0 or use config.model.name=rnn"
            )
        (output,), (dropped,) = states["output"], states["dropped_output"]
        change = output[:, 1:] - output[:, :-1]
        return self.activation_penalty * jnp.mean(
            dropped**2
        ) + self.slowness_penalty * jnp.mean(change**2)

    def _metrics(self, logits, batch) -> gradient.Metrics:
        target = batch["token"][:, 1:]
        counted = (target >= 0) * batch["mask"][:, None]
        logits = logits.astype(jnp.float32)
        loss = optax.softmax_cross_entropy_with_integer_labels(
            logits, jnp.maximum(target, 0)
        )
        return {
            "loss": ((loss * counted).sum(), counted.sum()),
            "accuracy": accuracy.top_k(logits, jnp.maximum(target, 0), counted),
        }


def _check_streams(batch) -> None:
    if "start" not in batch:
        raise ValueError(
            "config.task.carry=True goes on from batch to batch, which needs streams "
            "of text; set config.data.contiguous=True as well"
        )


def _fixed(model_state) -> dict:
    return {name: value for name, value in model_state.items() if name != "carry"}


def _reset(carry, first, start):
    """Begins again in the rows where a stream begins."""

    def choose(old, new):
        return jnp.where(start.reshape(-1, *(1,) * (old.ndim - 1)), new, old)

    return jax.tree.map(choose, carry, first)


def build(
    model: nn.Module,
    tx: optax.GradientTransformation,
    options: gradient.Options,
    *,
    carry: bool = False,
    per: str = "token",
    unit: str = "token",
    temperature: float = 1.0,
    activation_penalty: float = 0.0,
    slowness_penalty: float = 0.0,
    shown: int = 4,
) -> LanguageModeling:
    """Builds the task.

    Args:
      model: token (b, t) -> logits (b, t, v), see research/models/gpt.py and rnn.py.
      tx: the optimizer.
      options: switches of the gradient step.
      carry: a recurrent network's state goes on from batch to batch (truncated
        backpropagation through time); needs `config.data.contiguous`.
      per: what the gradient's loss is averaged over: "token", or "sequence", which sums
        over a window's tokens, as recipes do whose learning rate and clipping are
        meant for that sum (Zaremba et al. 2014).
      unit: what a token is, in the name of the metric `bits_per_<unit>`.
      temperature: of the texts that are shown, at least 0; 0 takes the likeliest token.
      activation_penalty: alpha, of the mean square of the last layer's output as it is
        dropped out (AR; Merity et al. 2018, section 4.3); for `rnn`.
      slowness_penalty: beta, of the mean square of that output's change from token to
        token (TAR).
      shown: texts of a split that are continued for the report.

    Raises:
      ValueError: an unknown choice, or a carry where it cannot be.
    """
    layers.check_choice("task.per", per, _PER)
    layers.check_choice("task.unit", unit, _UNITS)
    _check_numbers(temperature, activation_penalty, slowness_penalty, shown)
    if carry:
        _check_carry(model, options)
    return LanguageModeling(
        model,
        tx,
        carry,
        per,
        unit,
        temperature,
        activation_penalty,
        slowness_penalty,
        options,
        shown,
    )


def _check_carry(model: nn.Module, options: gradient.Options) -> None:
    context = getattr(model, "context", None)
    if context:
        raise ValueError(
            f"config.task.carry=True reads on without end, but {type(model).__name__} "
            f"holds context={context} tokens at most; set it to False, or use "
            "config.model.name=rnn"
        )
    if options.accumulate > 1:
        raise ValueError(
            f"train.accumulate={options.accumulate} splits the streams that task.carry "
            "reads on in; set it to 1 or use a smaller batch"
        )


def _check_numbers(temperature, activation_penalty, slowness_penalty, shown) -> None:
    sampling.Sampling(temperature)  # checks it before anything is trained
    for name, value, least in (
        ("activation_penalty", activation_penalty, 0),
        ("slowness_penalty", slowness_penalty, 0),
        ("shown", shown, 1),
    ):
        if value < least:
            raise ValueError(
                f"config.task.{name} must be at least {least}, got {value}; correct it"
            )

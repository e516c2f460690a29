"""Reconstruction: what an autoencoder learns, from its input or from a corrupted one.

Batch: the input feature (b, ...) float32; mask (b,) float32, 0 for padding.
Metrics, per example, summed over its elements: loss (the one that is asked for),
squared_error, cross_entropy (nats; logistic outputs); with noise also identity_error,
the squared error of leaving the corrupted input as it is; with a sparse penalty
code_norm, the code's L1 norm; and by name each loss (b,) that the model sows into the
collection "losses", which is added to what is minimised. Scores: see `comparing`; of a
codebook also perplexity, exp of the entropy of its entries' use.
"""

from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from research.models import kernels, layers
from research.tasks import comparing, corruption, gradient
from research.tasks.task import Task
from research.training.state import TrainState

LOSSES = ("squared_error", "cross_entropy")
OUTPUTS = ("linear", "logistic")
SCORES = ("perplexity", *comparing.SCORES)
# Folded into the seed for the noise of evaluations: that of no training step.
_EVALUATION = 0x7FFF_FFFF


@dataclass(frozen=True)
class Reconstruction(Task):
    """The task's pure functions, over one model and one optimizer."""

    model: nn.Module
    tx: optax.GradientTransformation
    loss: str
    output: str
    noise: str
    noise_level: float
    sparsity: float
    quantile: float
    input: str
    options: gradient.Options

    def init(self, seed: jax.Array, batch) -> TrainState:
        """Draws the initial state; `batch` gives shapes only."""
        variables = self.model.init(kernels.key(seed), batch[self.input], train=False)
        kept = {k: v for k, v in variables.items() if k != "losses"}
        return gradient.first_state(kept, self.tx, seed, self.options)

    def train_step(self, state: TrainState, batch):
        """Makes one update; returns (state, metrics)."""
        step = gradient.make_train_step(self._loss, self.tx, self.options)
        return step(state, batch)

    def eval_step(self, state: TrainState, batch) -> gradient.Metrics:
        """Measures a batch with the averaged parameters; noise is the same always."""
        x = batch[self.input]
        seen = self._corrupted(state, x)
        raw, code, losses = self._apply(state, seen)
        return self._metrics(raw, code, losses, x, seen, batch["mask"])

    def predict(self, state: TrainState, batch) -> dict[str, jax.Array]:
        """Reconstructs what it is given.

        Returns:
          reconstruction (b, ...); code (b, d); error (b,), the loss of each example;
          with noise also corrupted (b, ...) and denoised (b, ...), its reconstruction;
          of a codebook indices (b, m), the entries that a code consists of.
        """
        x = batch[self.input]
        raw, code, _ = self._apply(state, x)
        predicted = {
            "reconstruction": self._squashed(raw),
            "code": code,
            "error": self._errors(raw, x)["loss"],
        }
        if self.noise != "none":
            seen = self._corrupted(state, x)
            denoised = self._squashed(self._apply(state, seen)[0])
            predicted |= {"corrupted": seen, "denoised": denoised}
        if hasattr(self.model, "indices"):
            variables = self._variables(state)
            predicted["indices"] = self.model.apply(variables, code, method="indices")
        return predicted

    def decode(self, state: TrainState, code, shape: tuple[int, ...]) -> jax.Array:
        """Decodes codes (n, d) to examples (n, *shape)."""
        raw = self.model.apply(
            self._variables(state), code, shape, train=False, method="decode"
        )
        return self._squashed(raw)

    def score(self, predictions, examples) -> dict[str, float]:
        """Measures how evenly a codebook is used, from 1 to the number of entries."""
        if "indices" not in predictions:
            return {}
        share = np.bincount(predictions["indices"].ravel())
        share = share[share > 0] / share.sum()
        return {"perplexity": float(np.exp(-(share * np.log(share)).sum()))}

    def compare(self, measured, others) -> dict[str, float]:
        """Measures baselines and anomalies; see `Task.compare` and `comparing`."""
        return comparing.scores(measured, others, self.input, self.quantile)

    def _corrupted(self, state, x):
        key = jax.random.fold_in(kernels.key(state.seed), _EVALUATION)
        return corruption.corrupt(x, self.noise, self.noise_level, key)

    def _variables(self, state):
        return {"params": state.eval_params(), **state.model_state}

    def _apply(self, state, x):
        (raw, code), sown = self.model.apply(
            self._variables(state),
            x,
            train=False,
            method=_outputs_and_code,
            mutable=["losses"],
        )
        return raw, code, sown.get("losses", {})

    def _loss(self, params, model_state, batch, rng):
        x = batch[self.input]
        noise_key, key = jax.random.split(rng)
        seen = corruption.corrupt(x, self.noise, self.noise_level, noise_key)
        (raw, code), model_state = self.model.apply(
            {"params": params, **model_state},
            seen,
            train=True,
            method=_outputs_and_code,
            rngs={"dropout": key},
            mutable=[*model_state, "losses"],
        )
        losses = model_state.pop("losses", {})
        metrics = self._metrics(raw, code, losses, x, seen, batch["mask"])
        return metrics, model_state

    def _squashed(self, raw):
        return jax.nn.sigmoid(raw) if self.output == "logistic" else raw

    def _errors(self, raw, x) -> dict[str, jax.Array]:
        """Returns the errors (b,) of each example, by name."""
        # Flat first: XLA's CPU sums over a last axis of size 1 take ten times as long.
        raw, x = (v.reshape(v.shape[0], -1) for v in (raw, x))
        errors = {"squared_error": _sum((self._squashed(raw) - x) ** 2)}
        if self.output == "logistic":
            # -x log sigmoid(a) - (1 - x) log(1 - sigmoid(a))
            errors["cross_entropy"] = _sum(jax.nn.softplus(raw) - x * raw)
        return {"loss": errors[self.loss], **errors}

    def _metrics(self, raw, code, losses, x, seen, mask) -> gradient.Metrics:
        errors = self._errors(raw, x)
        objective = errors["loss"] + sum(losses.values())
        if self.noise != "none":
            errors["identity_error"] = _sum((seen - x) ** 2)
        sparse = not (isinstance(self.sparsity, float) and self.sparsity == 0)
        if sparse:
            errors["code_norm"] = _sum(jnp.abs(code))
            objective = objective + self.sparsity * errors["code_norm"]
        if sparse or losses:
            errors |= {**losses, "objective": objective}
        return {k: ((v * mask).sum(), mask.sum()) for k, v in errors.items()}


def _outputs_and_code(module: nn.Module, x, *, train: bool):
    code = module.encode(x, train=train)
    return module.decode(code, x.shape[1:], train=train), code


def _sum(values: jax.Array) -> jax.Array:
    return values.reshape(values.shape[0], -1).sum(-1)


def build(
    model: nn.Module,
    tx: optax.GradientTransformation,
    options: gradient.Options,
    *,
    loss: str = "squared_error",
    output: str = "linear",
    noise: str = "none",
    noise_level: float = 0.0,
    sparsity: float = 0.0,
    quantile: float = 0.95,
    input: str = "image",
) -> Reconstruction:
    """Builds the task.

    Args:
      model: has `encode(x, *, train)` and `decode(code, shape, *, train)`.
      tx: the optimizer.
      options: switches of the gradient step.
      loss: "squared_error" or "cross_entropy", summed over an example.
      output: "linear", or "logistic": squashed into (0, 1), for data in [0, 1].
      noise: that the input suffers: none, masking, gaussian or salt_and_pepper.
      noise_level: share of its elements, or the standard deviation.
      sparsity: weight of the code's L1 norm in what is minimised; 0: none.
      quantile: share of the validation split's errors below the threshold of an
        anomaly, in (0, 1).
      input: name of the batch's feature that is reconstructed.

    Raises:
      ValueError: a choice is unknown, or a number out of range.
    """
    layers.check_choice("task.loss", loss, LOSSES)
    layers.check_choice("task.output", output, OUTPUTS)
    layers.check_choice("task.noise", noise, corruption.NOISES)
    _check_numbers(loss, output, noise, noise_level, sparsity)
    comparing.check_quantile(quantile)
    fields = (loss, output, noise, noise_level, sparsity, quantile, input)
    return Reconstruction(model, tx, *fields, options)


def _check_numbers(loss, output, noise, noise_level, sparsity) -> None:
    if loss == "cross_entropy" and output != "logistic":
        raise ValueError(
            f"task.loss=cross_entropy needs outputs in (0, 1), got task.output={output}"
            "; set task.output=logistic"
        )
    if noise_level < 0 or (noise not in ("none", "gaussian") and noise_level > 1):
        raise ValueError(
            f"task.noise_level must be a share in [0, 1], or a standard deviation >= 0 "
            f"of gaussian noise, got {noise_level}; correct it"
        )
    if (noise == "none") != (noise_level == 0):
        raise ValueError(
            f"task.noise={noise} and task.noise_level={noise_level} contradict each "
            "other; set both or neither"
        )
    if sparsity < 0:
        raise ValueError(
            f"task.sparsity must be at least 0, got {sparsity}; 0 switches it off"
        )

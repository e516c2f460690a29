"""Diffusion and flow matching: a network learns to undo noise, and data are drawn.

What noise is added is in `noise`, what the network predicts of it in
`parameterisation`, how data are drawn in `samplers`. The losses:
  simple       mean squared error of the prediction (Ho et al. 2020, Eq. (14))
  variational  the bound on -log p(x), see `bound`

With label_dropout some examples have no label in training, so that one network also
knows the data of any label: classifier-free guidance (Ho & Salimans 2022).

Batch: the input feature (b, h, w, c) float32, in [-1, 1] for a bound of meaning, which
data.mean = data.std = 0.5 give; label (b,) int32 where the model has classes; mask (b,)
float32, 0 for padding. Metrics, per example: loss, what is minimised; squared_error of
the prediction; of discrete processes bits_per_dimension, an upper bound on -log2 p(x)
over the numbers of x, by one step drawn for each example (in evaluations also the first
step, which has much of the sum).
"""

from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from research.models import kernels, layers
from research.tasks import (
    bound,
    denoising,
    drawing,
    gradient,
    noise,
    parameterisation,
    samplers,
)
from research.tasks.task import Task
from research.training.state import TrainState

LOSSES = ("simple", "variational")
# Folded into the seed for the draws of evaluations: those of no training step.
_EVALUATION = 0x7FFF_FFFF
STAGES = 8  # pictures of a walk, and levels of noise, that `predict` returns


@dataclass(frozen=True)
class Diffusion(Task):
    """The task's pure functions, over one model and one optimizer."""

    model: nn.Module
    tx: optax.GradientTransformation
    options: gradient.Options
    process: noise.Discrete | noise.EDM | noise.Flow
    prediction: str
    loss: str
    variance: str
    clip: bool
    label_dropout: float
    sampling: drawing.Sampling
    input: str
    predicted: int | None = 64  # examples that an evaluation's pictures need

    @property
    def classes(self) -> int:
        """Labels that the model knows; 0: it reads none."""
        return self.model.classes

    @property
    def network(self) -> denoising.Network:
        """The model with what it predicts."""
        return denoising.Network(self.model, self.prediction, self.clip)

    def init(self, seed: jax.Array, batch) -> TrainState:
        """Draws the initial state; `batch` gives shapes only."""
        x = batch[self.input]
        outputs = getattr(self.model, "outputs", 0)
        if outputs not in (0, x.shape[-1]):
            raise ValueError(
                f"model.outputs={outputs} must be the channels of the images, "
                f"{x.shape[-1]}, to be trained here; set it to 0"
            )
        time = jnp.zeros(x.shape[:1])
        key = kernels.key(seed)
        variables = self.model.init(key, x, time, self._label(batch), train=False)
        return gradient.init_state(variables["params"], {}, self.tx, seed, self.options)

    def train_step(self, state: TrainState, batch):
        """Makes one update; returns (state, metrics)."""
        return gradient.make_train_step(self._loss, self.tx, self.options)(state, batch)

    def eval_step(self, state: TrainState, batch) -> gradient.Metrics:
        """Measures a batch with the averaged parameters; draws are the same always."""
        # Of the batch's own contents, so that batches draw different steps. A sum of
        # integers is the same on any number of devices.
        contents = jnp.sum(jnp.round(255 * batch[self.input]).astype(jnp.int32))
        key = jax.random.fold_in(kernels.key(state.seed), _EVALUATION)
        key = jax.random.fold_in(key, contents)
        return self._metrics(state.eval_params(), batch, key, train=False)

    def predict(self, state: TrainState, batch) -> dict[str, jax.Array]:
        """Draws an example for each of the batch, of its label; shows noise removed.

        Returns:
          sample (b, h, w, c); walk (b, STAGES, h, w, c), the estimates of the data on
          the way to it; noisy and denoised, likewise: the example with more and more
          noise, and the network's estimate of it.
        """
        x, label = batch[self.input], self._label(batch)
        key = jax.random.fold_in(kernels.key(state.seed), _EVALUATION)
        made, seen = self.sample(state, key, x.shape, label)
        stages = jnp.round(jnp.linspace(0, len(seen) - 1, STAGES)).astype(jnp.int32)
        noisy, denoised = self.network.look(
            state.eval_params(),
            self.process.levels(STAGES),
            *(x, label, jax.random.normal(key, x.shape)),
        )
        walk = jnp.moveaxis(seen[stages], 0, 1)
        return {"sample": made, "walk": walk, "noisy": noisy, "denoised": denoised}

    def sample(
        self,
        state: TrainState,
        key: jax.Array,
        shape: tuple[int, ...],
        label=None,
        *,
        sampling: drawing.Sampling | None = None,
        start: drawing.Start | None = None,
    ) -> tuple[jax.Array, jax.Array]:
        """Draws data.

        Args:
          state: TrainState; the averaged parameters draw.
          key: of all noise.
          shape: (b, h, w, c).
          label: (b,) int32, `classes` for any; None: the model has no classes.
          sampling: how; None: as the config says.
          start: see `drawing.Start`; None: noise alone.

        Returns:
          (the data (b, h, w, c); the estimates of them on the way (steps, b, h, w, c))

        Raises:
          ValueError: something asked for is not possible.
        """
        how = sampling or self.sampling
        self.check(how)
        params, levels = state.eval_params(), self.process.levels(how.steps)

        def denoiser(levels):
            return self.network.denoiser(params, levels, label, how.guidance)

        return drawing.draw(denoiser, levels, key, shape, how, self.variance, start)

    def check(self, how: drawing.Sampling) -> None:
        """Checks what is asked of a sampler; see `drawing.check`."""
        drawing.check(how, self.process, self.classes, self.label_dropout)

    def _label(self, batch):
        return batch["label"] if self.classes else None

    def _loss(self, params, model_state, batch, rng):
        return self._metrics(params, batch, rng, train=True), model_state

    def _metrics(self, params, batch, key, train: bool) -> gradient.Metrics:
        x0, mask, label = batch[self.input], batch["mask"], self._label(batch)
        keys = jax.random.split(key, 4)
        alpha, sigma, time, index = self.process.draw(keys[0], len(x0))
        eps = jax.random.normal(keys[1], x0.shape)
        x = noise.add(x0, eps, alpha, sigma)
        if label is not None and train:
            dropped = jax.random.bernoulli(keys[2], self.label_dropout, label.shape)
            label = jnp.where(dropped, self.classes, label)
        rng = keys[3] if train else None
        predicted = self.network.predict(params, x, sigma, time, label, rng)
        wanted = parameterisation.target(self.prediction, x0, eps, alpha, sigma)
        squared = _mean((predicted - wanted) ** 2)
        values = {"loss": squared, "squared_error": squared}
        if index is not None and (self.loss == "variational" or not train):
            found = parameterisation.to_x0(self.prediction, x, predicted, alpha, sigma)
            found = found if train else jnp.clip(found, -1, 1)
            term = bound.terms(self.process, self.variance, x0, found, x, index)
            first = 0.0
            if not train:  # much of the sum, so it is measured for itself
                term = jnp.where(index == 0, 0.0, term)
                first = self._first_term(params, x0, label, keys[2])
            bits = self.process.steps * term + first + bound.prior(self.process, x0)
            values["bits_per_dimension"] = bits
            if self.loss == "variational":
                values["loss"] = bits
        return {k: ((v * mask).sum(), mask.sum()) for k, v in values.items()}

    def _first_term(self, params, x0, label, key):
        """Returns L_0 of each example, (b,), in bits per dimension."""
        index = jnp.zeros(x0.shape[:1], jnp.int32)
        alpha, sigma, time = self.process.at(index)
        x = noise.add(x0, jax.random.normal(key, x0.shape), alpha, sigma)
        predicted = self.network.predict(params, x, sigma, time, label)
        found = parameterisation.to_x0(self.prediction, x, predicted, alpha, sigma)
        found = jnp.clip(found, -1, 1)
        return bound.terms(self.process, self.variance, x0, found, x, index)


def _mean(values: jax.Array) -> jax.Array:
    return values.reshape(values.shape[0], -1).mean(-1)


def build(
    model: nn.Module,
    tx: optax.GradientTransformation,
    options: gradient.Options,
    *,
    process: str = "discrete",
    schedule: str = "linear",
    timesteps: int = 1000,
    prediction: str = "",
    loss: str = "simple",
    variance: str = "large",
    clip: bool = True,
    label_dropout: float = 0.0,
    sampler: str = "ddim",
    steps: int = 50,
    eta: float = 0.0,
    guidance: float = 1.0,
    input: str = "image",
) -> Diffusion:
    """Builds the task.

    Args:
      model: called as (x, time, label, *, train); has the field `classes`.
      tx, options: the optimizer, and switches of the gradient step.
      process: of noise.PROCESSES; "discrete" reads schedule and timesteps.
      schedule: of noise.SCHEDULES.
      timesteps: T.
      prediction: what the network predicts, see `parameterisation`; empty: the usual.
      loss: "simple", or of discrete processes "variational".
      variance: of ancestral sampling and the bound, see `samplers`.
      clip: estimates of the data are clipped to [-1, 1] when sampling.
      label_dropout: share of the examples without a label in training, in [0, 1).
      sampler, steps, eta, guidance: of an evaluation's samples, see `drawing.Sampling`.
      input: name of the batch's feature.

    Raises:
      ValueError: a choice is unknown, or a number out of range.
    """
    _check(loss, variance, process)
    if not 0 <= label_dropout < 1 or (label_dropout and not model.classes):
        raise ValueError(
            "task.label_dropout must be in [0, 1), and 0 without model.classes, got "
            f"{label_dropout} with model.classes={model.classes}; correct one of them"
        )
    task = Diffusion(
        *(model, tx, options),
        process=noise.make(process, schedule, timesteps),
        prediction=parameterisation.choose(process, prediction),
        loss=loss,
        variance=variance,
        clip=clip,
        label_dropout=label_dropout,
        sampling=drawing.Sampling(sampler, steps, eta, guidance),
        input=input,
    )
    task.check(task.sampling)
    return task


def _check(loss: str, variance: str, process: str) -> None:
    layers.check_choice("task.loss", loss, LOSSES)
    layers.check_choice("task.variance", variance, samplers.VARIANCES)
    if loss == "variational" and process != "discrete":
        raise ValueError(
            f"task.loss=variational needs task.process=discrete, got {process}; change "
            "one of them"
        )

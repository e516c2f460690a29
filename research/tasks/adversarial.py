"""Adversarial learning: a generator against a discriminator, one optimizer each.

A step cuts the batch into `discriminator_steps` parts, updates the discriminator with
each of them, and then the generator once, with new noise and the last part's labels
(Algorithm 1 of Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661). What both
minimise is in `adversaries.py`, what keeps them stable in `penalties.py`. Penalties
with an interval are updates of their own in every so many steps, and weigh as much more
(lazy regularization, Karras et al. 2020, https://arxiv.org/abs/1912.04958, section 3.1
and appendix B). Noise on what the discriminator sees fades in a line (Sonderby et al.
2017, https://arxiv.org/abs/1610.04490).

Batch: image (b, h, w, c) float32; mask (b,) float32, 0 for padding; label (b,) int32
where the model has `classes`. Metrics: loss of the discriminator, generator_loss, and
penalties by their names; accuracy, the share of pairs whose real image gets the higher
logit; diversity, the squared distance of two made images over that of two real ones;
healthy_step, the step while `warnings` has nothing to say and -1 otherwise, so that the
checkpoint with the largest is the last good one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from research.models import kernels, layers
from research.tasks import adversaries, averaging, gradient, health, turns
from research.tasks.game import PRIORS, Game
from research.tasks.penalties import Stability
from research.tasks.task import Task
from research.training.state import TrainState

SHOWN = 64  # images of fixed noise that are watched
# Folded into the seed for the noise of evaluations: those of no training step.
_EVALUATION = 0x7FFF_FFFF
_PARTS = ("generator", "discriminator")
_NOISES = ("new", "last")


@dataclass(frozen=True)
class Adversarial(Task):
    """The task's pure functions, over one model of two networks and one recipe."""

    game: Game
    tx: optax.GradientTransformation
    options: gradient.Options
    discriminator_steps: int
    generator_noise: str
    ema_rampup: float
    predicted = SHOWN

    @property
    def model(self) -> nn.Module:
        """The two networks."""
        return self.game.model

    @property
    def input(self) -> str:
        """Name of the batch's feature."""
        return self.game.input

    def init(self, seed: jax.Array, batch) -> TrainState:
        """Draws the initial state; `batch` gives shapes only."""
        x = batch[self.input]
        _check_parts(len(x), self.discriminator_steps * self.options.accumulate)
        z = jnp.zeros((len(x), self.model.latent))
        variables = self.model.init(
            kernels.key(seed), z, x, self._label(batch), train=False
        )
        if self.game.stability.path_length:
            variables = {**variables, "path_length": {"mean": jnp.zeros(())}}
        state = gradient.first_state(variables, self.tx, seed, self.options)
        # Whole paths, so that "^generator/" names parameters in multipliers and freeze.
        each = {part: self.tx.init({part: state.params[part]}) for part in _PARTS}
        return state.replace(opt_state=each)

    def train_step(self, state: TrainState, batch):
        """Makes one update of the generator; returns (state, metrics)."""
        count, game = self.discriminator_steps, self.game
        used = {self.input: batch[self.input], "mask": batch["mask"]}
        if self.model.classes:
            used["label"] = self._label(batch)
        batches = gradient.split(used, count)
        last = jax.tree.map(lambda x: x[-1], batches)
        maker, judge = (
            turns.Player(part, self.tx, self.options, state) for part in _PARTS
        )

        loss = partial(game.discriminator_loss, state.step, state.params["generator"])
        critic, metrics = gradient.repeated(
            lambda standing, at: judge.move(loss, standing, *at),
            judge.start(state.model_state),
            batches,
            count,
        )
        if game.stability.r1_apart:
            every, loss = game.stability.r1_every, partial(game.r1_loss, state.step)
            critic, more = judge.move_every(every, loss, critic, last, count + 1)
            metrics |= more

        rival = critic.params["discriminator"]
        loss = partial(game.generator_loss, state.step, rival)
        number = count - 1 if self.generator_noise == "last" else count
        made, more = maker.move(loss, maker.start(critic.model_state), last, number)
        metrics |= more
        if game.stability.path_length:
            every, loss = game.stability.path_every, game.path_loss
            made, more = maker.move_every(every, loss, made, last, count + 2)
            metrics |= more

        params = {**made.params, **critic.params}
        metrics |= maker.norm("norm/param", params)
        opt_state = dict(zip(_PARTS, (made.opt_state, critic.opt_state), strict=True))
        return state.replace(
            step=state.step + 1,
            params=params,
            model_state=made.model_state,
            opt_state=opt_state,
            ema_params=self._averaged(state, params),
        ), metrics

    def eval_step(self, state: TrainState, batch) -> gradient.Metrics:
        """Measures both networks, the generator averaged; noise is the same always."""
        x, label, mask = batch[self.input], self._label(batch), batch["mask"]
        z = self.game.noise(self._fixed(state), len(x))
        made = self.generate(state, z, x.shape[1:], label)
        logits = [
            self.game.run("discriminate", state.params, state.model_state, y, label)[0]
            for y in (x, made)
        ]
        game = adversaries.LOSSES[self.game.loss]
        values = {"loss": game.discriminator(*logits)}
        values["generator_loss"] = game.generator(logits[1])
        values["accuracy"] = (logits[0] > logits[1]).astype(jnp.float32)
        values["updates"] = jnp.full_like(mask, state.step, jnp.float32)
        metrics = {k: ((v * mask).sum(), mask.sum()) for k, v in values.items()}
        return metrics | health.distances(x, made, mask)

    def predict(self, state: TrainState, batch) -> dict[str, jax.Array]:
        """Makes as many images as the batch has: {"sample": (b, h, w, c)}."""
        x = batch[self.input]
        z = self.game.noise(self._fixed(state), len(x))
        label = jnp.arange(len(x)) % max(1, self.model.classes)
        return {"sample": self.generate(state, z, x.shape[1:], label)}

    def snapshot(self, state: TrainState, batch) -> dict[str, jax.Array]:
        """Makes images of the same noise at every evaluation."""
        first = {self.input: jnp.zeros((SHOWN, *batch[self.input].shape[1:]))}
        return self.predict(state, first)

    def generate(
        self, state: TrainState, z, shape, label=None, truncation=1.0
    ) -> jax.Array:
        """Makes images (n, *shape) of z (n, latent) with the averaged generator."""
        fields = dict(train=False, truncation=truncation)
        return self.apply(state, "generate", z, tuple(shape), label, **fields)

    def apply(self, state: TrainState, method: str, z, shape, label, **fields):
        """Calls a method of the averaged generator with z, shape and label."""
        label = label if self.model.classes else None
        variables = {"params": state.eval_params(), **state.model_state}
        variables.pop("path_length", None)
        return self.model.apply(variables, z, shape, label, method=method, **fields)

    def derive(self, averages: Mapping[str, float]) -> dict[str, float]:
        """Adds diversity and healthy_step; see the module's docstring."""
        return health.derive(averages)

    def warnings(self, metrics: Mapping[str, float]) -> list[str]:
        """Says in words what is wrong with the game, by metrics of an evaluation."""
        return health.warnings(metrics)

    def _averaged(self, state: TrainState, params):
        """Moves the generator's average; the discriminator stays as it is."""
        if state.ema_params is None:
            return None
        decay = self.options.ema_decay
        if self.ema_rampup:
            decay = averaging.ramped(decay, state.step, self.ema_rampup)
        averaged = gradient.averaged(state, params, decay)
        return {**averaged, "discriminator": params["discriminator"]}

    def _fixed(self, state: TrainState) -> jax.Array:
        return jax.random.fold_in(kernels.key(state.seed), _EVALUATION)

    def _label(self, batch):
        return batch["label"] if self.model.classes else None


def build(
    model: nn.Module,
    tx: optax.GradientTransformation,
    options: gradient.Options,
    *,
    loss: str = "non_saturating",
    discriminator_steps: int = 1,
    generator_noise: str = "new",
    prior: str = "normal",
    ema_rampup: float = 0.0,
    r1: float = 0.0,
    r1_every: int = 1,
    gradient_penalty: float = 0.0,
    path_length: float = 0.0,
    path_every: int = 1,
    instance_noise: float = 0.0,
    noise_steps: int = 0,
    input: str = "image",
) -> Adversarial:
    """Builds the task.

    Args:
      model: has `latent`, `classes`, `generate(z, shape, label, *, train, truncation)`
        and `discriminate(x, label, *, train)`, and the submodules `generator` and
        `discriminator`.
      tx: the optimizer; each network has its own state of it.
      options: switches of the gradient step.
      loss: a key of adversaries.LOSSES.
      discriminator_steps: its updates per update of the generator; must divide the
        batch.
      generator_noise: that the generator learns from: "new", or "last", that of the
        discriminator's last update, whose images need not be made again.
      prior: of z, "normal" or "uniform" in [-1, 1].
      ema_rampup: the average's half-life is at most this share of the steps made; 0:
        as averaging.py has it.
      r1, r1_every, gradient_penalty, path_length, path_every, instance_noise,
        noise_steps: see `penalties.Stability`.
      input: name of the batch's feature.

    Raises:
      ValueError: a choice is unknown, or a number out of range.
    """
    _check(loss, prior, generator_noise, discriminator_steps, ema_rampup)
    stability = Stability(
        *(r1, r1_every, gradient_penalty, path_length, path_every),
        *(instance_noise, noise_steps),
    )
    stability.check(hasattr(model, "synthesise"))
    game = Game(model, loss, prior, stability, input)
    return Adversarial(
        game, tx, options, discriminator_steps, generator_noise, ema_rampup
    )


def _check_parts(size: int, parts: int) -> None:
    if size % parts:
        raise ValueError(
            f"task.discriminator_steps times train.accumulate, {parts}, must divide "
            f"data.batch_size={size}; use {-(-size // parts) * parts}"
        )


def _check(loss, prior, generator_noise, discriminator_steps, ema_rampup) -> None:
    layers.check_choice("task.loss", loss, adversaries.LOSSES)
    layers.check_choice("task.prior", prior, PRIORS)
    layers.check_choice("task.generator_noise", generator_noise, _NOISES)
    least = {
        "discriminator_steps": (discriminator_steps, 1),
        "ema_rampup": (ema_rampup, 0),
    }
    for name, (value, bottom) in least.items():
        if value < bottom:
            raise ValueError(
                f"task.{name} must be at least {bottom}, got {value}; correct it"
            )

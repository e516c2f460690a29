"""The updates of one network within a step of an adversarial game."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from research.tasks import gradient
from research.training.state import TrainState


class Standing(NamedTuple):
    """What an update changes.

    Attributes:
      params: {"generator" or "discriminator": its parameters}.
      opt_state: of their optimizer.
      model_state: collections of both networks.
    """

    params: Any
    opt_state: Any
    model_state: Any


@dataclass(frozen=True)
class Player:
    """One of the networks in one step.

    Attributes:
      part: "generator" or "discriminator".
      tx: the optimizer.
      options: switches of the gradient step.
      state: before the step.
    """

    part: str
    tx: optax.GradientTransformation
    options: gradient.Options
    state: TrainState

    def start(self, model_state) -> Standing:
        """Returns what the first update begins with."""
        part = self.part
        params, opt_state = self.state.params[part], self.state.opt_state[part]
        return Standing({part: params}, opt_state, model_state)

    def move(
        self, loss: Callable, standing: Standing, batch, number
    ) -> tuple[Standing, gradient.Metrics]:
        """Makes an update.

        Args:
          loss: (params, model_state, batch, rng) -> (metrics with the objective; model
            state).
          standing: before.
          batch: what it learns from.
          number: of the random draws within the step.
        """
        params, opt_state, model_state = standing
        rng = jax.random.fold_in(self.state.rng(), number)
        grads, metrics, model_state = gradient.make_gradient(loss, self.options)(
            params, model_state, batch, rng
        )
        metrics.pop("objective")
        metrics |= self.norm(f"norm/grad_{self.part}", grads)
        opt_state = self._clocked(opt_state)
        updates, opt_state = self.tx.update(grads, opt_state, params)
        params = optax.apply_updates(params, updates)
        return Standing(params, opt_state, model_state), metrics

    def move_every(
        self, every: int, loss: Callable, standing: Standing, batch, number
    ) -> tuple[Standing, gradient.Metrics]:
        """Makes an update in every so many steps: of a penalty, by itself.

        Its metrics have no weight in the other steps, and no norms of gradients.
        """

        def due(standing):
            standing, metrics = self.move(loss, standing, batch, number)
            kept = {k: v for k, v in metrics.items() if not k.startswith("norm/")}
            return standing, kept

        def rest(standing):
            _, shapes = jax.eval_shape(due, standing)
            return standing, jax.tree.map(lambda x: jnp.zeros(x.shape), shapes)

        return jax.lax.cond(self.state.step % every == 0, due, rest, standing)

    def norm(self, name: str, tree) -> gradient.Metrics:
        """Measures a norm where it is due, see `gradient.norms`."""
        step = self.state.step + 1
        return gradient.norms(step, self.options.norms_every, {name: tree})

    def _clocked(self, opt_state):
        """Sets schedules to the run's step, however often this network moves."""

        def is_clock(leaf):
            return isinstance(leaf, optax.ScaleByScheduleState)

        def clocked(leaf):
            return leaf._replace(count=self.state.step) if is_clock(leaf) else leaf

        return jax.tree.map(clocked, opt_state, is_leaf=is_clock)

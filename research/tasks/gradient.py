"""The gradient step that every task with one loss and one optimizer shares."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

from research.tasks import averaging, remat
from research.training import state as states
from research.training.state import TrainState

# (sum, weight) pairs: sums over batches, micro-batches and hosts average exactly.
Metrics = dict[str, tuple[jax.Array, jax.Array]]


@dataclass(frozen=True)
class Options:
    """Switches of the gradient step that every task honours.

    Attributes:
      accumulate: micro-batches per update; must divide the batch.
      ema_decay: of the averaged parameters; 0 keeps none.
      average_after: n of averaging that waits for a trigger; 0: off. See averaging.py.
      norms_every: steps between two measurements of norms.
      remat: a key of remat.POLICIES.
      freeze: regular expressions of the paths of parameters without a gradient.
    """

    accumulate: int = 1
    ema_decay: float = 0.0
    average_after: int = 0
    norms_every: int = 1
    remat: str = "none"
    freeze: tuple[str, ...] = ()


def init_state(params, model_state, tx, seed, options: Options) -> TrainState:
    """Makes the state before the first step.

    Args:
      params: pytree of parameters.
      model_state: the model's other collections, possibly {}.
      tx: the optax optimizer.
      seed: () uint32.
      options: switches of the step.
    """
    averages = options.ema_decay or options.average_after
    after = options.average_after
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        model_state=model_state,
        opt_state=tx.init(params),
        ema_params=jax.tree.map(jnp.array, params) if averages else None,
        seed=jnp.asarray(seed, jnp.uint32),
        trigger=averaging.waiting(after) if after else None,
    )


def first_state(variables, tx, seed, options: Options) -> TrainState:
    """Makes that state of what a model's `init` returned; see `init_state`.

    Args:
      variables: "params" and the model's other collections.
      tx, seed, options: as for `init_state`.
    """
    model_state = {k: v for k, v in variables.items() if k != "params"}
    return init_state(variables["params"], model_state, tx, seed, options)


def make_train_step(loss: Callable, tx: optax.GradientTransformation, options: Options):
    """Returns step(state, batch) -> (state, metrics); pure, un-jitted.

    Args:
      loss: (params, model_state, batch, rng) -> (metrics, model_state); the gradient
        is that of `metrics["loss"]`, sum over weight, or of `metrics["objective"]`
        where what is minimised is not what is reported as the loss.
      tx: the optimizer.
      options: switches of the step.
    """

    gradient = make_gradient(loss, options)

    def step(state: TrainState, batch) -> tuple[TrainState, Metrics]:
        grads, metrics, model_state = gradient(
            state.params, state.model_state, batch, state.rng()
        )
        updates, opt_state = tx.update(grads, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        trees = {"norm/grad": grads, "norm/param": params, "norm/update": updates}
        metrics |= norms(state.step + 1, options.norms_every, trees)
        state = state.replace(
            step=state.step + 1,
            params=params,
            model_state=model_state,
            opt_state=opt_state,
            ema_params=averaged(state, params, options.ema_decay),
        )
        return state, metrics

    return step


def make_gradient(loss: Callable, options: Options) -> Callable:
    """Returns gradient(params, model_state, batch, rng); pure.

    It gives (gradients of the average, metrics, model_state): what a task needs that
    updates in its own way.

    Args:
      loss: as for `make_train_step`.
      options: switches of the step.
    """

    def objective(params, model_state, batch, rng):
        params = _hold(params, options.freeze)
        metrics, model_state = loss(params, model_state, batch, rng)
        return _minimised(metrics)[0], (metrics, model_state)

    if options.remat != "none":
        objective = remat.segmented(objective, remat.POLICIES[options.remat])
    value_and_grad = jax.value_and_grad(objective, has_aux=True)

    def gradient(params, model_state, batch, rng):
        grads, metrics, model_state = _accumulated(
            value_and_grad, (params, model_state), batch, rng, options.accumulate
        )
        weight = _minimised(metrics)[1]
        grads = jax.tree.map(lambda g: g / weight.astype(g.dtype), grads)
        return grads, metrics, model_state

    return gradient


def _minimised(metrics: Metrics) -> tuple[jax.Array, jax.Array]:
    return metrics["objective"] if "objective" in metrics else metrics["loss"]


def _hold(params, freeze: tuple[str, ...]):
    """Hides frozen parameters from the gradient, so that none is computed."""

    def hold(path, leaf):
        frozen = states.matches(states.path_name(path), freeze)
        return jax.lax.stop_gradient(leaf) if frozen else leaf

    return jax.tree_util.tree_map_with_path(hold, params) if freeze else params


def _accumulated(value_and_grad, variables, batch, rng, count: int):
    """Sums gradients and metrics over `count` micro-batches of equal size."""
    params, model_state = variables
    if count == 1:
        (_, (metrics, model_state)), grads = value_and_grad(
            params, model_state, batch, rng
        )
        return grads, metrics, model_state

    def micro_step(model_state, at):
        index, micro = at
        (_, (metrics, model_state)), grads = value_and_grad(
            params, model_state, micro, jax.random.fold_in(rng, index)
        )
        return model_state, (grads, metrics)

    # XLA:CPU runs convolutions several times slower inside a loop: unroll there.
    model_state, parts = jax.lax.scan(
        micro_step,
        model_state,
        (jnp.arange(count), split(batch, count)),
        unroll=count if jax.default_backend() == "cpu" else 1,
    )
    grads, metrics = jax.tree.map(lambda x: x.sum(0), parts)
    return grads, metrics, model_state


def split(batch, count: int):
    """Cuts a batch into `count` parts of equal size: (b, ...) -> (count, b/count, ...).

    Strided, so that every device keeps a share of each part.
    """
    return jax.tree.map(
        lambda x: jnp.swapaxes(
            x.reshape(x.shape[0] // count, count, *x.shape[1:]), 0, 1
        ),
        batch,
    )


def repeated(update: Callable, carry, parts, count: int):
    """Repeats an update over parts of a batch, and sums the metrics.

    XLA:CPU runs convolutions several times slower in a loop, even in one of one turn.

    Args:
      update: (carry, (part, its number)) -> (carry, metrics).
      carry: before the first.
      parts: of `split`.
      count: of the parts.

    Returns:
      (carry, metrics)
    """
    numbers, total = jnp.arange(count), None
    if count > 1 and jax.default_backend() != "cpu":
        carry, rows = jax.lax.scan(update, carry, (parts, numbers))
        return carry, jax.tree.map(lambda x: x.sum(0), rows)
    for k in range(count):
        part = jax.tree.map(lambda x, k=k: x[k], parts)
        carry, metrics = update(carry, (part, numbers[k]))
        total = jax.tree.map(jnp.add, total, metrics) if total else metrics
    return carry, total


def norms(step, every: int, trees: Mapping[str, Any]) -> Metrics:
    """Measures gradient, parameters and update, each by its Euclidean norm.

    Only in every `every`-th step (weight 0 otherwise): reading all of them again takes
    a fifth of a small network's step.

    Args:
      step: updates made, this one included.
      every: steps between two measurements.
      trees: metric -> pytree.
    """
    due = step % every == 0
    found = jax.lax.cond(
        due,
        lambda trees: {k: optax.tree.norm(v) for k, v in trees.items()},
        lambda trees: {k: jnp.zeros(()) for k in trees},
        dict(trees),
    )
    return {name: (norm, due.astype(jnp.float32)) for name, norm in found.items()}


def averaged(state: TrainState, params: Any, decay: float | jax.Array) -> Any:
    """Moves the average of the parameters, where there is one.

    Args:
      state: before the update.
      params: after it.
      decay: of the exponential average.
    """
    if state.ema_params is None:
        return None
    if state.trigger is not None:
        return averaging.mean_since(
            state.ema_params, params, state.trigger, state.step + 1
        )
    return averaging.exponential(state.ema_params, params, state.step, decay)

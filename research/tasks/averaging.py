"""Averages of the parameters along training, which are evaluated in their place.

Exponential: a moving average whose decay grows with its age, as TensorFlow's
ExponentialMovingAverage has it: decay_t = min(decay, (1 + t) / (10 + t)).

Triggered (NT-ASGD; Merity et al. 2018, https://arxiv.org/abs/1708.02182, Algorithm 1):
the plain mean of all parameters since the first evaluation whose loss is worse than the
best of those more than n evaluations ago.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp


class Trigger(NamedTuple):
    """What starts the mean.

    Attributes:
      since: () int32, the step after which parameters are averaged; -1: not yet.
      recent: (n,) float32, losses of the last n evaluations, the newest last.
      best: () float32, lowest loss of all before those.
    """

    since: jax.Array
    recent: jax.Array
    best: jax.Array


def waiting(n: int) -> Trigger:
    """Makes the trigger before any evaluation."""
    infinity = jnp.array(jnp.inf, jnp.float32)
    return Trigger(jnp.array(-1, jnp.int32), jnp.full((n,), infinity), infinity)


def observe(trigger: Trigger, step: jax.Array, loss) -> Trigger:
    """Notes an evaluation, made after `step` updates; pure."""
    loss = jnp.asarray(loss, jnp.float32)
    starts = (trigger.since < 0) & (loss > trigger.best)
    return Trigger(
        since=jnp.where(starts, step, trigger.since),
        recent=jnp.concatenate([trigger.recent[1:], loss[None]]),
        best=jnp.minimum(trigger.best, trigger.recent[0]),
    )


def mean_since(average: Any, params: Any, trigger: Trigger, step: jax.Array) -> Any:
    """Moves the mean; until the trigger it is the parameters themselves.

    Args:
      average: before this update.
      params: after it.
      trigger: when the mean began.
      step: updates made, this one included.
    """
    count = jnp.where(trigger.since < 0, 1, jnp.maximum(step - trigger.since, 1))
    share = 1 / count.astype(jnp.float32)
    return _mixed(average, params, share)


def exponential(average: Any, params: Any, step: jax.Array, decay: float) -> Any:
    """Moves the exponential average.

    Args:
      average: before this update.
      params: after it.
      step: updates made before it.
      decay: of an old average, in [0, 1).
    """
    t = step.astype(jnp.float32)
    return _mixed(average, params, 1 - jnp.minimum(decay, (1 + t) / (10 + t)))


def ramped(decay: float, step: jax.Array, share: float) -> jax.Array:
    """Lowers a decay while its half-life is above a share of the steps made.

    Args:
      decay: of an old average, in [0, 1).
      step: updates made before.
      share: of them, > 0.
    """
    half_life = share * (step + 1).astype(jnp.float32)
    return jnp.minimum(decay, 0.5 ** (1 / half_life))


def _mixed(average, params, share):
    return jax.tree.map(
        lambda a, p: ((1 - share) * a + share * p).astype(a.dtype), average, params
    )

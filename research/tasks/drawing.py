"""Drawing data from a denoiser: what a user may ask for, and how a walk begins."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from research.tasks import noise, samplers


@dataclass(frozen=True)
class Sampling:
    """How data are drawn.

    Attributes:
      sampler: of samplers.NAMES.
      steps: evaluations of the network, or twice as many less one (heun).
      eta: of "ddim".
      guidance: 1 is the conditional model, 0 the one of any label, more is more like
        the label.
    """

    sampler: str
    steps: int
    eta: float = 0.0
    guidance: float = 1.0


def check(how: Sampling, process, classes: int, label_dropout: float) -> None:
    """Checks what is asked of a sampler.

    Args:
      how: what is asked.
      process: of `noise`.
      classes: of the model.
      label_dropout: of the task.

    Raises:
      ValueError: a choice is unknown, a number out of range, guidance without classes.
    """
    samplers.check(how.sampler, how.steps, how.eta)
    if isinstance(process, noise.Discrete) and how.steps > process.steps:
        raise ValueError(
            f"steps must be at most task.timesteps={process.steps}, got {how.steps}; "
            "take fewer"
        )
    if how.guidance != 1 and not (classes and label_dropout):
        raise ValueError(
            f"guidance={how.guidance} needs a network trained with and without labels, "
            f"but model.classes={classes} and task.label_dropout={label_dropout}; use "
            "guidance 1"
        )
    if how.eta and how.sampler != "ddim":
        raise ValueError(
            f"eta={how.eta} is an option of the sampler ddim, got {how.sampler}; leave "
            "it out"
        )


@dataclass(frozen=True)
class Start:
    """What a walk starts from, or completes.

    Attributes:
      given: (b, h, w, c) data.
      mask: (h, w, 1), 1 where they are to be kept; None: nowhere.
      strength: share of the steps, the last ones, that are taken, in (0, 1]; below 1
        they start from the data with noise (SDEdit, Meng et al. 2022,
        https://arxiv.org/abs/2108.01073).
    """

    given: jax.Array
    mask: jax.Array | None = None
    strength: float = 1.0


def draw(
    make_denoiser: Callable,
    levels: noise.Levels,
    key: jax.Array,
    shape: tuple[int, ...],
    how: Sampling,
    variance: str,
    start: Start | None,
) -> tuple[jax.Array, jax.Array]:
    """Walks from noise to data.

    Args:
      make_denoiser: levels -> denoise(x, step), see `samplers`.
      levels: of the whole walk.
      key: of all noise.
      shape: (b, h, w, c).
      how: which sampler.
      variance: of ancestral sampling.
      start: what to start from; None: noise alone.

    Returns:
      (the data; the estimates of them on the way, (steps, b, h, w, c))
    """
    first, kept, on_the_way = jax.random.split(key, 3)
    eps = jax.random.normal(first, shape)
    constrain = None
    if start is not None:
        levels = levels.after(start.strength)
        if start.mask is not None:
            mask = start.mask[None]
            constrain = samplers.inpainting(start.given, mask, levels, kept)
    x = levels.sigma[0] * eps
    if start is not None and start.strength < 1:
        x = x + levels.alpha[0] * start.given
    return samplers.sample(
        how.sampler,
        make_denoiser(levels),
        x.astype(jnp.float32),
        levels,
        on_the_way,
        eta=how.eta,
        variance=variance,
        constrain=constrain,
    )

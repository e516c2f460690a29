"""Opens a run directory: its experiment and the state of one of its checkpoints."""

import pathlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from research.training import checkpoint, experiment, settings, workdir
from research.training.programs import Programs


@dataclass(frozen=True)
class Run:
    """A run as it was saved.

    Attributes:
      folder: the run directory.
      programs: its compiled functions; `programs.experiment` is what it trains.
      state: TrainState of the checkpoint.
      step: updates it had made.
      which: how it was chosen, see `open_run`.
    """

    folder: pathlib.Path
    programs: Programs
    state: Any
    step: int
    which: str


def read_config(folder: pathlib.Path) -> ConfigDict:
    """Reads the config that a run was started with, its later keys as they were.

    Raises:
      ValueError: the folder is no run directory.
    """
    config = ConfigDict(_tuples(workdir.read_json(folder / "config.json")))
    settings.complete(config)
    return config


def open_run(folder: pathlib.Path, config: ConfigDict, which: str = "best") -> Run:
    """Restores a checkpoint of a run; needs no data.

    Args:
      folder: the run directory.
      config: the run's config, possibly with other machine settings.
      which: "best" (by config.checkpoint.metric), "latest", a step, or "average:K": the
        mean of the newest K checkpoints' parameters (Vaswani et al. 2017, section 6.1).

    Raises:
      ValueError: no run, no checkpoint, or none at that step.
    """
    spec, examples = experiment.spec_from_json(workdir.read_json(folder / "data.json"))
    programs = Programs(experiment.build(config, spec, examples))
    with checkpoint.Checkpoints(
        checkpoint.folder_of(folder),
        metric=config.checkpoint.metric,
        mode=config.checkpoint.mode,
        read_only=True,
    ) as saved:
        steps = _choose(saved, which, folder)
        restored = (saved.restore(s, programs.abstract_state)[0] for s in steps)
        state = _mean(restored, len(steps))
    return Run(folder, programs, state, steps[-1], which)


def _mean(restored: Iterable, count: int):
    """Returns the last state, its parameters the mean of those of all."""
    total, state = None, None
    for state in restored:
        share = jax.tree.map(lambda x: x / count, state.eval_params())
        total = share if total is None else jax.tree.map(jnp.add, total, share)
    if count == 1:
        return state
    averaged = "params" if state.ema_params is None else "ema_params"
    return state.replace(**{averaged: total})


def _choose(
    saved: checkpoint.Checkpoints, which: str, folder: pathlib.Path
) -> list[int]:
    """Lists the steps whose checkpoints are read."""
    steps = saved.steps()
    if not steps:
        raise ValueError(
            f"{folder} has no checkpoint yet; train further, or lower checkpoint.every"
        )
    if which in ("best", "latest"):
        return [saved.best_step() if which == "best" else steps[-1]]
    kind, _, count = which.partition(":")
    if kind == "average" and count.isdecimal() and int(count) > 0:
        if int(count) > len(steps):
            raise ValueError(
                f"--checkpoint={which} needs {count} checkpoints, but {folder} has "
                f"{len(steps)}; train with checkpoint.keep={count} or more"
            )
        return steps[-int(count) :]
    if not which.isdecimal() or int(which) not in steps:
        raise ValueError(
            f"--checkpoint={which} is not in {folder}; use best, latest, average:K "
            f"or one of {', '.join(map(str, steps))}"
        )
    return [int(which)]


def _tuples(value):
    """Undoes what JSON does to tuples: a config has no lists."""
    if isinstance(value, dict):
        return {key: _tuples(each) for key, each in value.items()}
    if isinstance(value, list):
        return tuple(_tuples(each) for each in value)
    return value

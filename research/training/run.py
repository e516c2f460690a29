"""Opens a run directory: its experiment and the state of one of its checkpoints."""

import pathlib
from dataclasses import dataclass
from typing import Any

from ml_collections import ConfigDict

from research.training import checkpoint, experiment, workdir
from research.training.programs import Programs


@dataclass(frozen=True)
class Run:
    """A run as it was saved.

    Attributes:
      folder: the run directory.
      programs: its compiled functions; `programs.experiment` is what it trains.
      state: TrainState of the checkpoint.
      step: updates it had made.
      which: how it was chosen: "best", "latest" or a step.
    """

    folder: pathlib.Path
    programs: Programs
    state: Any
    step: int
    which: str


def read_config(folder: pathlib.Path) -> ConfigDict:
    """Reads the config that a run was started with.

    Raises:
      ValueError: the folder is no run directory.
    """
    return ConfigDict(_tuples(workdir.read_json(folder / "config.json")))


def open_run(folder: pathlib.Path, config: ConfigDict, which: str = "best") -> Run:
    """Restores a checkpoint of a run; needs no data.

    Args:
      folder: the run directory.
      config: the run's config, possibly with other machine settings.
      which: "best" (by config.checkpoint.metric), "latest", or a step.

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
        step = _choose(saved, which, folder)
        state, _ = saved.restore(step, programs.abstract_state)
    return Run(folder, programs, state, step, which)


def _choose(saved: checkpoint.Checkpoints, which: str, folder: pathlib.Path) -> int:
    steps = saved.steps()
    if not steps:
        raise ValueError(
            f"{folder} has no checkpoint yet; train further, or lower checkpoint.every"
        )
    if which in ("best", "latest"):
        return saved.best_step() if which == "best" else steps[-1]
    if not which.isdecimal() or int(which) not in steps:
        raise ValueError(
            f"--checkpoint={which} is not in {folder}; use best, latest or one of "
            f"{', '.join(map(str, steps))}"
        )
    return int(which)


def _tuples(value):
    """Undoes what JSON does to tuples: a config has no lists."""
    if isinstance(value, dict):
        return {key: _tuples(each) for key, each in value.items()}
    if isinstance(value, list):
        return tuple(_tuples(each) for each in value)
    return value

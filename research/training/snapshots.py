"""Pictures that a run keeps of every evaluation: `samples/progress/<step>.npz`."""

import pathlib
from collections.abc import Mapping

import jax
import numpy as np

from research.data import preprocess
from research.tasks.task import Task

_FOLDER = "samples/progress"


def make(experiment, state, batch) -> dict[str, jax.Array]:
    """Makes the task's pictures, (n, h, w, c) uint8, of a stored batch; pure."""
    data = experiment.config.data
    batch = experiment.preprocess(batch)
    with experiment.precision():
        made = experiment.task.snapshot(state, batch)
    return {k: preprocess.to_pixels(v, data.mean, data.std) for k, v in made.items()}


def keep(folder: pathlib.Path, step: int, programs, state, batches) -> None:
    """Makes and keeps the pictures of one step; only tasks that have some take time.

    Args:
      folder: the run directory.
      step: updates made.
      programs: of the run.
      state: TrainState.
      batches: of the validation split; the first is read.
    """
    if type(programs.experiment.task).snapshot is Task.snapshot:
        return
    made = programs.snapshot(state, next(iter(batches)))
    if jax.process_index() == 0:
        write(folder, step, {name: np.asarray(array) for name, array in made.items()})


def write(folder: pathlib.Path, step: int, pictures: Mapping[str, np.ndarray]) -> None:
    """Keeps the pictures of one step, over older ones of it; nothing where none are.

    Args:
      folder: the run directory.
      step: updates made.
      pictures: name -> (n, h, w, c) uint8.
    """
    if not pictures:
        return
    file = folder / _FOLDER / f"{step:09d}.npz"
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f"{file.stem}.new.npz")
    np.savez_compressed(new, **pictures)
    new.replace(file)


def read(folder: pathlib.Path, last: int | None = None) -> dict[int, dict]:
    """Reads what was kept: step -> name -> (n, h, w, c) uint8, by rising step.

    Args:
      folder: the run directory.
      last: step after which pictures are of no interest, such as those of a run that
        was resumed from there.
    """
    kept = {}
    for file in sorted((folder / _FOLDER).glob("*.npz")):
        if not file.stem.isdecimal() or (last is not None and int(file.stem) > last):
            continue
        with np.load(file) as arrays:
            kept[int(file.stem)] = {name: arrays[name] for name in arrays.files}
    return kept

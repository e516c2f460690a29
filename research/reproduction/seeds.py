"""Trains one seed of a reproduction and makes its record."""

import pathlib
import shlex
from collections.abc import Callable, Sequence

from research.reports import run as run_report
from research.reproduction import budget, evidence, opening
from research.training import loop, workdir


def train(
    config,
    folder: pathlib.Path,
    deadline: budget.Deadline,
    command: Sequence[str],
    test: Callable[[pathlib.Path], object],
) -> tuple[bool, int, dict | None]:
    """Trains, or goes on with, a run; tests it once it is finished.

    Args:
      config: checked, with the seed of this run.
      folder: the run directory.
      deadline: when to stop, with a checkpoint.
      command: what to type to make the run again.
      test: measures the best checkpoint of a run directory on the test split, and
        stores that in it; not called where that is stored already.

    Returns:
      (whether the run is finished, steps made, its record or None where nothing was
      evaluated yet)
    """
    with deadline.stopping():
        outcome = loop.train(config, folder, list(command[1:]))
    if not outcome["finished"]:
        run_report.write(folder)
    elif not (folder / "evaluation" / "test.json").exists():
        test(folder)
    record = evidence.of_run(folder, shlex.join(command), _opening(config, folder))
    return outcome["finished"], outcome["step"], record


def _opening(config, folder: pathlib.Path) -> dict:
    """Records the first steps of a run once, in its directory."""
    file = folder / "opening.json"
    if not file.exists():
        workdir.write_json(file, opening.record(config))
    return workdir.read_json(file)

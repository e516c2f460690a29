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
    test: Callable[[pathlib.Path, str], object],
) -> tuple[bool, int, dict | None]:
    """Trains, or goes on with, a run; tests it once it is finished.

    Args:
      config: checked, with the seed of this run.
      folder: the run directory.
      deadline: when to stop, with a checkpoint.
      command: what to type to make the run again.
      test: measures the best checkpoint of a run directory on a split, the one that
        is claimed, and stores that as its evaluation; called once per run.

    Returns:
      (whether the run is finished, steps made, its record or None where nothing was
      evaluated yet)
    """
    if (folder / evidence.TESTED).exists():
        workdir.claim(folder, config.to_dict())
        record = _record(config, folder, command)
        return True, record["step"], record
    with deadline.stopping():
        outcome = loop.train(config, folder, list(command[1:]))
    if outcome["finished"]:
        split = config.claim.metric.partition("/")[0]
        test(folder, split)
        # A copy: whoever evaluates the run again overwrites the original.
        measured = workdir.read_json(folder / "evaluation" / f"{split}.json")
        workdir.write_json(folder / evidence.TESTED, measured)
    else:
        run_report.write(folder)
    record = _record(config, folder, command)
    return outcome["finished"], outcome["step"], record


def _record(config, folder: pathlib.Path, command: Sequence[str]) -> dict | None:
    return evidence.of_run(folder, shlex.join(command), _opening(config, folder))


def _opening(config, folder: pathlib.Path) -> dict:
    """Records the first steps of a run once, in its directory."""
    file = folder / "opening.json"
    if not file.exists():
        workdir.write_json(file, opening.record(config))
    return workdir.read_json(file)

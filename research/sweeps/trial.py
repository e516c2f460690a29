"""Trains one trial: the ordinary training loop, once for each seed."""

import contextlib
import math
import pathlib
import time
from collections.abc import Callable

from ml_collections import ConfigDict

from research.sweeps.contract import Outcome, Trial
from research.training import loop, tracking, workdir

# Seconds in which a killed predecessor lets go of the run directory.
_PATIENCE = 15.0


class _Diverged(FloatingPointError):
    """The metric of the objective is not finite."""


def run(trial: Trial, report: Callable[[int, float], str]) -> Outcome:
    """Trains a trial's seeds, each from its newest checkpoint.

    Args:
      trial: what to train.
      report: (evaluation, value) -> "go", "prune" or "stop"; evaluations of the first
        seed count from 1, those of the others are all 0.

    Returns:
      The outcome; an exception that is not a diverged loss passes through.
    """
    began, steps, values = time.perf_counter(), 0, []
    for seed, config in enumerate(trial.configs):
        said = _Said(report if seed == 0 else lambda number, value: report(0, value))
        folder = pathlib.Path(trial.folder) / f"seed{seed}"
        evaluated = {
            step: value
            for step, value in evaluations(folder, trial.metric).items()
            if math.isfinite(value)
        }
        if evaluated:  # a kill may have come between its evaluation and the report
            said(len(evaluated), evaluated[max(evaluated)])
            said.word = "go"  # the next one decides
        try:
            result = _train(trial, ConfigDict(config), folder, evaluated, said)
        except FloatingPointError as error:
            steps += max(evaluated, default=0)
            return _outcome("diverged", began, steps, reason=str(error))
        steps += result["step"]
        if not result["finished"]:
            state = "pruned" if said.word == "prune" else "stopped"
            return _outcome(state, began, steps)
        values.append(trial.value(evaluations(folder, trial.metric)))
    return _outcome("complete", began, steps, values=tuple(values))


def evaluations(folder: pathlib.Path, metric: str) -> dict[int, float]:
    """Reads step -> value of a metric from a run directory."""
    rows = tracking.read(folder / "metrics.jsonl")
    return {row["step"]: row[metric] for row in rows if metric in row}


class _Said:
    """Passes evaluations on, and remembers the last answer."""

    def __init__(self, report):
        self._report, self.word = report, "go"

    def __call__(self, number: int, value: float) -> str:
        self.word = self._report(number, value)
        return self.word


def _train(trial: Trial, config, folder: pathlib.Path, evaluated: dict, said) -> dict:
    def watch(step: int, metrics: dict) -> bool:
        value = metrics[trial.metric]
        if not math.isfinite(value):
            raise _Diverged(f"{trial.metric} became {value} at step {step}")
        evaluated[step] = value
        number = sum(before <= step for before in evaluated)
        return said(number, value) != "go"

    command = ["scripts/sweep.py", f"trial {trial.number}"]
    with _held(folder):
        return loop.train(config, folder, command, watch=watch)


def _held(folder: pathlib.Path) -> contextlib.ExitStack:
    """Takes the run directory, once whoever was killed has let it go."""
    began = time.monotonic()
    with contextlib.ExitStack() as stack:
        while True:
            try:
                stack.enter_context(workdir.locked(folder))
                return stack.pop_all()
            except ValueError:
                if time.monotonic() - began > _PATIENCE:
                    raise
                time.sleep(0.2)


def _outcome(state: str, began: float, steps: int, values=(), reason="") -> Outcome:
    seconds = time.perf_counter() - began
    return Outcome(state, values, steps, seconds, reason)

"""The population executor: trials of equal shapes share one compiled program.

Trials are taken in groups, every seed of a trial is a member, and members that differ
only in seed and in numbers that a program can take as arguments are trained together
(`research.training.members`): nothing is compiled twice. Pruned and diverged trials
leave the population. A killed trial starts again from its beginning, because members
advance together; the checkpoint that a run directory holds at its end is its best one.
"""

import math
import pathlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from ml_collections import ConfigDict

from research.sweeps.contract import Outcome, Trial
from research.sweeps.ledger import Ledger
from research.sweeps.process import _StopRequest as StopRequest
from research.training import (
    checkpoint,
    experiment,
    members,
    settings,
    tracking,
    workdir,
)

# Steps of each form that are timed before one is chosen.
_TIMED = 5
_TURN = 1.0  # seconds between two looks for trials of other machines


def run(
    ledger: Ledger,
    *,
    members_at_once: int,
    form: str = "auto",
    watch: Callable[[], None] = lambda: None,
    say: Callable[[str], None] = lambda line: None,
) -> bool:
    """Works until every trial has ended, time is up, or a signal asks to stop.

    Args:
      ledger: of the sweep.
      members_at_once: runs (trials times seeds) in the population at most.
      form: "vmap", "interleave", or "auto": what a short measurement finds faster.
      watch: called after every change.
      say: takes a line about what was chosen.

    Returns:
      Whether every trial has ended.
    """
    minutes = ledger.sweep.minutes
    deadline = time.monotonic() + 60 * minutes if minutes else math.inf
    groups = max(1, members_at_once // ledger.sweep.seeds)
    with StopRequest() as stop:

        def stopping() -> bool:
            return stop.requested or time.monotonic() > deadline

        while not ledger.finished() and not stopping():
            trials = _claim(ledger, groups)
            watch()
            for bucket in _buckets(trials):
                _Population(ledger, bucket, form, stopping, watch, say).train()
            if not trials:  # other machines hold the rest
                time.sleep(_TURN)
    return ledger.finished()


def _claim(ledger: Ledger, most: int) -> list[Trial]:
    trials = []
    while len(trials) < most:
        trial = ledger.claim()
        if trial is None:
            break
        trials.append(trial)
    return trials


def _buckets(trials: list[Trial]) -> list[list[Trial]]:
    """Groups trials whose configs share a program."""
    buckets: dict[str, list[Trial]] = {}
    for trial in trials:
        buckets.setdefault(members.signature(trial.configs[0]), []).append(trial)
    return list(buckets.values())


@dataclass
class _Run:
    """One member: a seed of a trial, with its run directory and its best state."""

    trial: Trial
    seed: int
    folder: pathlib.Path
    window: tracking.Window = field(default_factory=tracking.Window)
    evaluated: dict[int, float] = field(default_factory=dict)
    best: tuple = ()  # (step, state, metrics)
    file: tracking.MetricsFile | None = None

    def open(self, spec, examples: int) -> None:
        """Begins the run directory anew."""
        config = self.trial.configs[self.seed]
        shutil.rmtree(checkpoint.folder_of(self.folder), ignore_errors=True)
        workdir.claim(self.folder, config)
        described = experiment.spec_to_json(spec, examples)
        workdir.write_json(self.folder / "data.json", described)
        self.file = tracking.MetricsFile(self.folder / "metrics.jsonl", 0)

    def close(self, *, save: bool) -> None:
        """Writes the state whose evaluation counts, where there is one."""
        if self.file:
            self.file.close()
        if not (save and self.best):
            return
        step, state, metrics = self.best
        config = ConfigDict(self.trial.configs[self.seed])
        with checkpoint.Checkpoints(
            checkpoint.folder_of(self.folder),
            metric=config.checkpoint.metric,
            mode=config.checkpoint.mode,
        ) as saved:
            record = {"window": {}, "config": settings.digest(config.to_dict())}
            saved.save(step, state, record, metrics)


class _Population:
    """The members of one bucket, from their first step to the end of their trials."""

    def __init__(self, ledger, trials, form, stopping, watch, say):
        self._ledger, self._stopping, self._watch = ledger, stopping, watch
        self._form, self._say = form, say
        self._trials = {trial.number: trial for trial in trials}  # that go on
        self._runs = [  # one per member of the program, in its order
            _Run(trial, seed, pathlib.Path(trial.folder) / f"seed{seed}")
            for trial in trials
            for seed in range(len(trial.configs))
        ]
        self._began = time.perf_counter()
        self._pending, self._step, self._evaluation = [], 0, 0

    def train(self) -> None:
        """Trains all members; every trial's outcome is in the ledger afterwards."""
        try:
            self._start()
            self._loop()
        except (ValueError, OSError) as error:
            for number in list(self._trials):
                self._end(number, "failed", reason=str(error))
        for number in list(self._trials):
            self._end(number, "stopped")

    def _start(self) -> None:
        config = ConfigDict(self._runs[0].trial.configs[0])
        data = experiment.open_data(config, ("train", "validation"))
        self._members = self._choose(data)
        for run in self._runs:
            run.open(data["train"].spec, len(data["train"]))

    def _choose(self, data) -> members.Members:
        configs = [run.trial.configs[run.seed] for run in self._runs]
        forms = members.FORMS if self._form == "auto" else (self._form,)
        if len(configs) == 1:
            forms = ("interleave",)
        tried = {form: members.Members(configs, data, form) for form in forms}
        seconds = dict.fromkeys(forms, 0.0)
        if len(forms) > 1:
            for form, each in tried.items():
                seconds[form] = each.seconds_per_step(_TIMED) / len(configs)
        chosen = min(forms, key=seconds.get)
        measured = ", ".join(f"{f} {1e3 * s:.2f} ms" for f, s in seconds.items() if s)
        note = f" (per member and step: {measured})" if measured else ""
        self._say(f"{len(configs)} members share one program: {chosen}{note}")
        if measured:
            tried[chosen].restart()
        return tried[chosen]

    def _loop(self) -> None:
        plan = self._members.plan
        while self._trials and self._step < plan.total and not self._stopping():
            self._pending.append(self._members.train())
            self._step += 1
            last = self._step == plan.total
            if last or self._step % plan.log_every == 0:
                self._log()
            if last or self._step % plan.eval_every == 0:
                self._collect()
                self._evaluate()
            self._ledger.beat()
        if self._step == plan.total:
            for number in list(self._trials):
                self._complete(number)

    def _living(self) -> list[tuple[int, _Run]]:
        """Lists (member, run) of the trials that go on."""
        return [
            (member, run)
            for member, run in enumerate(self._runs)
            if run.trial.number in self._trials
        ]

    def _collect(self) -> None:
        """Adds the steps made to the runs' averages; diverged trials leave."""
        rows = [np.asarray(packed) for packed in self._pending]
        self._pending, diverged = [], {}
        for member, run in self._living():
            stops = run.trial.configs[run.seed]["train"]["on_nan"] == "stop"
            for at, row in enumerate(rows, self._step - len(rows) + 1):
                metrics = self._members.unpack("train", row[member])
                run.window.add(metrics)
                loss = metrics["loss"][0]
                if stops and not math.isfinite(loss):
                    reason = f"the loss became {loss} at step {at}"
                    diverged.setdefault(run.trial.number, ("diverged", reason))
        self._leave(diverged)

    def _log(self) -> None:
        """Writes what the steps since the last line averaged to."""
        self._collect()
        derive = self._members.experiments[0].task.derive
        for _, run in self._living():
            averages = derive(run.window.averages())
            run.window = tracking.Window()
            row = {f"train/{name}": value for name, value in averages.items()}
            run.file.write({"step": self._step} | row)

    def _evaluate(self) -> None:
        self._evaluation += 1
        found, leaving = self._members.evaluate(), {}
        for member, run in self._living():
            trial = run.trial
            metrics = {f"validation/{k}": v for k, v in found[member].items()}
            run.file.write({"step": self._step} | metrics)
            value = metrics[trial.metric]
            if not math.isfinite(value):
                reason = f"{trial.metric} became {value} at step {self._step}"
                leaving[trial.number] = ("diverged", reason)
                continue
            run.evaluated[self._step] = value
            if trial.value(run.evaluated) == value:
                run.best = (self._step, self._members.state(member), metrics)
            if run.seed > 0 or trial.number in leaving:
                continue
            hopeless = self._ledger.report(trial.number, self._evaluation, value)
            if hopeless and self._step < self._members.plan.total:
                leaving[trial.number] = ("pruned", "")
        self._leave(leaving)
        self._watch()

    def _leave(self, leaving: dict[int, tuple[str, str]]) -> None:
        """Ends trials, and leaves their members out where that saves time."""
        for number, (state, reason) in leaving.items():
            self._end(number, state, reason=reason)
        members_left = [member for member, _ in self._living()]
        # A stacked program is compiled again for another number of members.
        share = 1 if self._members.form == "interleave" else 1 / 2
        if leaving and 0 < len(members_left) <= share * len(self._runs):
            assert not self._pending, "metrics of members that have left"
            self._members.keep(members_left)
            self._runs = [self._runs[member] for member in members_left]

    def _complete(self, number: int) -> None:
        trial = self._trials[number]
        runs = [run for run in self._runs if run.trial is trial]
        values = tuple(trial.value(run.evaluated) for run in runs)
        self._end(number, "complete", values=values)

    def _end(self, number: int, state: str, values=(), reason: str = "") -> None:
        trial = self._trials.pop(number)
        runs = [run for run in self._runs if run.trial is trial]
        for run in runs:
            run.close(save=state != "stopped")
        share = len(runs) / len(self._runs)
        seconds = (time.perf_counter() - self._began) * share
        steps = self._step * len(runs)
        self._ledger.finish(number, Outcome(state, values, steps, seconds, reason))
        self._watch()

"""The ledger: which trials exist, who holds them, how they ended.

Optuna records the trials; its numbers are ours. A trial changes hands only under the
storage's lock: it is created or taken (`claim`) and ended or put back (`finish`) there,
so that there are never more than were asked for and no two workers hold one. A killed
holder is noticed by its process (same machine) or by its silence (others), and its
trial is put back as it was: same number, same parameters, resumed from its checkpoint.
"""

import pathlib
import statistics
import time

import optuna
from optuna.trial import TrialState

from research.sweeps import holders, samplers, storage
from research.sweeps.contract import Outcome, Trial

_RECORD = "record"  # user attribute: what this module knows beyond Optuna
_BEAT = "beat"  # user attribute: grows as long as the holder lives
_NEW = {
    "owner": None,
    "attempts": 0,
    "failures": [],
    "state": "",
    "values": [],
    "steps": 0,
    "seconds": 0.0,
    "reason": "",
    "folder": "",
}


class Ledger:
    """One process's view of a sweep's trials; a context manager that ends it."""

    def __init__(self, sweep, folder: pathlib.Path, url: str = ""):
        """Begins a sweep, or joins one of the same specification.

        Args:
          sweep: of research/sweeps/specification.py.
          folder: of the sweep, made if missing.
          url: of the storage; empty: a file in the folder.

        Raises:
          ValueError: the storage cannot be opened, or holds another sweep.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.sweep, self.folder = sweep, folder.absolute()
        self._store, self._lock = storage.open_storage(url, folder)
        self._me = holders.me()
        self._held: dict[int, optuna.Trial] = {}
        self._beats, self._beaten = 0, time.monotonic()
        self._watch = holders.Watch(sweep.silence)
        with self._lock(sweep.name):
            self.study = optuna.create_study(
                study_name=sweep.name,
                storage=self._store,
                direction=sweep.direction,
                pruner=samplers.make_pruner(sweep),
                sampler=samplers.make(sweep, 0),
                load_if_exists=True,
            )
            known = self.study.user_attrs.get("sweep")
            if known is None:
                self.study.set_user_attr("sweep", sweep.identity())
        changed = sweep.differences(known) if known else []
        if changed:
            raise ValueError(
                f"the storage holds a sweep {sweep.name!r} of another specification "
                f"({'; '.join(changed)}); choose another --workdir, or another name "
                "where the storage is shared"
            )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        storage.close(self._store)

    def claim(self) -> Trial | None:
        """Takes a trial that waits, or a new one; None where there is neither now."""
        with self._lock(self.sweep.name):
            trials = self._trials()
            orphans = self._watch.orphans(trials)
            for frozen in orphans:
                self._put_back(frozen._trial_id, _record(frozen))
            waiting = [t.number for t in trials if t.state == TrialState.WAITING]
            waiting = sorted([*waiting, *(t.number for t in orphans)])
            if not waiting and len(trials) >= self.sweep.trials:
                return None
            number = waiting[0] if waiting else len(trials)
            self.study.sampler = samplers.make(self.sweep, number)
            asked = self.study.ask()
            assert asked.number == number, "a trial was taken without the lock"
            record = _NEW | asked.user_attrs.get(_RECORD, {})
            record |= {
                "owner": self._me,
                "attempts": record["attempts"] + 1,
                "folder": str(self.folder / "trials" / str(number)),
            }
            asked.set_user_attr(_RECORD, record)
            params = self.sweep.space.suggest(asked)
        self._held[number] = asked
        return self._trial(number, params, record)

    def _trial(self, number: int, params: dict, record: dict) -> Trial:
        sweep = self.sweep
        return Trial(
            number=number,
            params=params,
            configs=tuple(
                sweep.config(params, number, seed) for seed in range(sweep.seeds)
            ),
            folder=record["folder"],
            metric=sweep.metric,
            sign=sweep.sign(),
            checkpoint=sweep.checkpoint,
            attempt=record["attempts"],
        )

    def report(self, number: int, evaluation: int, value: float) -> bool:
        """Records an evaluation of a trial's first seed.

        Returns:
          Whether to end the trial as pruned.
        """
        held = self._held[number]
        frozen = self._store.get_trial(held._trial_id)
        if not self._holds(frozen):
            return True
        if evaluation not in frozen.intermediate_values:
            held.report(value, evaluation)
        return self.sweep.pruner != "none" and held.should_prune()

    def finish(self, number: int, outcome: Outcome) -> str:
        """Records how an attempt ended, and puts the trial back where that is due.

        Returns:
          The trial's state now, as in `rows`; "lost" where another machine took it
          over meanwhile, and nothing was recorded.
        """
        held = self._held.pop(number)
        with self._lock(self.sweep.name):
            frozen = self._store.get_trial(held._trial_id)
            if not self._holds(frozen):
                return "lost"
            record = _record(frozen)
            record["seconds"] += outcome.seconds
            record["steps"] = max(record["steps"], outcome.steps)
            if outcome.state == "failed":
                record["failures"] = [*record["failures"], outcome.reason]
            tries_left = len(record["failures"]) <= self.sweep.retries
            again = outcome.state == "failed" and tries_left and not outcome.final
            if outcome.state == "stopped" or again:
                self._put_back(held._trial_id, record)
                return "waiting"
            record |= {
                "owner": None,
                "state": outcome.state,
                "values": list(outcome.values),
                "reason": outcome.reason,
            }
            self._store.set_trial_user_attr(held._trial_id, _RECORD, record)
            # To the sampler a diverged trial is worse than all: pruned without value.
            if outcome.state == "complete":
                self.study.tell(held, statistics.fmean(outcome.values))
            elif outcome.state == "failed":
                self.study.tell(held, state=TrialState.FAIL)
            else:
                self.study.tell(held, state=TrialState.PRUNED)
        return outcome.state

    def beat(self) -> None:
        """Shows other machines that this one lives, when that is due."""
        if time.monotonic() - self._beaten < self.sweep.silence / 3:
            return
        self._beats, self._beaten = self._beats + 1, time.monotonic()
        for held in self._held.values():
            frozen = self._store.get_trial(held._trial_id)
            if self._holds(frozen):
                self._store.set_trial_user_attr(held._trial_id, _BEAT, self._beats)

    def finished(self) -> bool:
        """Tells whether every trial has ended, on whatever machine."""
        trials = self._trials()
        ended = sum(trial.state.is_finished() for trial in trials)
        return ended == len(trials) >= self.sweep.trials

    def rows(self) -> list[dict]:
        """Lists all trials by number, see `row`."""
        return [row(trial, self.sweep) for trial in self._trials()]

    def _trials(self) -> list[optuna.trial.FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    def _holds(self, frozen: optuna.trial.FrozenTrial) -> bool:
        running = frozen.state == TrialState.RUNNING
        return running and _record(frozen)["owner"] == self._me

    def _put_back(self, trial_id: int, record: dict) -> None:
        """Lets a trial wait; without an owner first, so that a kill loses nothing."""
        record = record | {"owner": None}
        self._store.set_trial_user_attr(trial_id, _RECORD, record)
        self._store.set_trial_state_values(trial_id, TrialState.WAITING)


def row(trial: optuna.trial.FrozenTrial, sweep) -> dict:
    """Describes a trial as JSON values.

    Returns:
      number; state: waiting, running, complete, pruned, diverged, failed; value (mean
      over seeds) and spread (their standard deviation), or None; values; params:
      config key -> value; evaluations: number -> metric of the first seed; steps,
      seconds, attempts, failures, reason, folder.
    """
    record = _record(trial)
    state = record["state"] or trial.state.name.lower()
    done = trial.state == TrialState.COMPLETE
    several = done and len(record["values"]) > 1
    kept = ("values", "steps", "seconds", "attempts", "failures", "reason", "folder")
    return {
        "number": trial.number,
        "state": state if trial.state.is_finished() else trial.state.name.lower(),
        "value": trial.value if done else None,
        "spread": statistics.stdev(record["values"]) if several else None,
        "params": sweep.space.sets(trial.params),
        "evaluations": dict(sorted(trial.intermediate_values.items())),
    } | {name: record[name] for name in kept}


def best(rows: list[dict], sweep) -> list[dict]:
    """Sorts the complete trials, the best first; equal ones by number."""
    complete = [row for row in rows if row["state"] == "complete"]
    return sorted(complete, key=lambda r: (-sweep.sign() * r["value"], r["number"]))


def _record(trial: optuna.trial.FrozenTrial) -> dict:
    return _NEW | trial.user_attrs.get(_RECORD, {})

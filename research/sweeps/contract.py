"""What passes between the ledger of trials and an executor.

An executor is a function `run(ledger, …)` that works until no trial is left:

  trial = ledger.claim()                        # None: nothing to do now
  ledger.report(trial.number, evaluation, value)    # True: end this trial as pruned
  ledger.finish(trial.number, outcome)          # every claimed trial, however it ended
  ledger.beat()                                 # at least every `silence` / 3 seconds
  ledger.finished()                             # all trials of all machines are done

Evaluations are those of the trial's first seed, counted 1, 2, …; an evaluation that was
reported before a kill may be reported again.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Trial:
    """A trial that this process holds.

    Attributes:
      number: 0, 1, …; the same after every kill and retry.
      params: of the space, as stored; `configs` holds them already.
      configs: the config of each seed, as plain values.
      folder: of the trial; seed k trains in `<folder>/seed<k>`.
      metric: what the objective is, "validation/accuracy".
      sign: 1 where more is better, else -1.
      checkpoint: "best" or "last": whose metric counts.
      attempt: 1, or more after kills and crashes.
    """

    number: int
    params: dict
    configs: tuple[dict, ...]
    folder: str
    metric: str
    sign: int
    checkpoint: str
    attempt: int

    def value(self, evaluated: dict[int, float]) -> float:
        """Returns a run's objective from its evaluations, step -> value of metric."""
        if self.checkpoint == "last":
            return evaluated[max(evaluated)]
        return self.sign * max(self.sign * value for value in evaluated.values())


@dataclass(frozen=True)
class Outcome:
    """How an attempt at a trial ended.

    Attributes:
      state: complete; pruned; diverged (the loss is no longer finite: never retried);
        failed (retried as the sweep says); stopped (asked to: goes on later).
      values: objective of each seed, where complete.
      steps: updates made, over all seeds and attempts.
      seconds: of this attempt.
      reason: of a trial that diverged or failed, in one sentence.
      final: failed in a way that another attempt would repeat.
    """

    state: str
    values: tuple[float, ...] = ()
    steps: int = 0
    seconds: float = 0.0
    reason: str = ""
    final: bool = False


@dataclass(frozen=True)
class Check:
    """What is checked before a sweep begins.

    Attributes:
      configs: (what distinguishes it, config as plain values) of sample trials; the
        first is the sweep's config without parameters.
      metric: of the objective.
    """

    configs: tuple[tuple[str, dict], ...]
    metric: str

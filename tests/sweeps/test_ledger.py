"""The ledger: exact counts, one holder per trial, retries, take-overs, samplers."""

import itertools
import statistics
import time

import pytest

from configs.sweeps import base
from research.sweeps import holders, ledger, samplers, table
from research.sweeps.contract import Outcome

RATE = "optimizer.learning_rate"


def _value(trial) -> float:
    return -abs(trial.params[RATE] - 0.01)


def _complete(book, trial, value=None):
    value = _value(trial) if value is None else value
    return book.finish(trial.number, Outcome("complete", (value,), 10, 1.0))


def _states(book):
    return [row["state"] for row in book.rows()]


def test_trials_are_made_up_to_the_budget_and_no_further(new_sweep, tmp_path):
    one, two = (ledger.Ledger(new_sweep(), tmp_path) for _ in range(2))
    trials = [book.claim() for _ in range(3) for book in (one, two)]
    assert [trial.number for trial in trials] == list(range(6))
    assert one.claim() is None and two.claim() is None
    for trial, book in zip(trials, itertools.cycle((one, two))):  # noqa: B905
        assert not book.finished()
        assert _complete(book, trial) == "complete"
    assert one.finished() and two.finished() and one.claim() is None
    best = ledger.best(two.rows(), two.sweep)[0]
    assert best["value"] == max(_value(trial) for trial in trials)


def test_more_trials_extend_a_sweep(new_sweep, tmp_path):
    book = ledger.Ledger(new_sweep(trials=1), tmp_path)
    _complete(book, book.claim())
    assert book.finished()
    book = ledger.Ledger(new_sweep(trials=2), tmp_path)
    assert not book.finished() and book.claim().number == 1


def test_another_specification_is_refused(new_sweep, tmp_path):
    ledger.Ledger(new_sweep(), tmp_path)
    with pytest.raises(ValueError) as error:
        ledger.Ledger(new_sweep(sampler_seed=1, retries=9), tmp_path)
    assert str(error.value) == (
        "the storage holds a sweep 'test' of another specification (sampler_seed: 0 -> "
        "1); choose another --workdir, or another name where the storage is shared"
    )


def test_a_failed_trial_is_tried_again_as_the_same_trial(new_sweep, tmp_path):
    book = ledger.Ledger(new_sweep(trials=1, retries=1), tmp_path)
    first = book.claim()
    assert book.finish(0, Outcome("failed", reason="one", seconds=2.0)) == "waiting"
    second = book.claim()
    assert (second.number, second.params) == (0, first.params)
    assert (first.attempt, second.attempt) == (1, 2)
    assert book.finish(0, Outcome("failed", reason="two", seconds=3.0)) == "failed"
    (row,) = book.rows()
    assert row["failures"] == ["one", "two"] and row["reason"] == "two"
    assert row["seconds"] == 5.0 and row["attempts"] == 2
    assert book.finished() and book.claim() is None


def test_what_cannot_succeed_is_not_tried_again(new_sweep, tmp_path):
    book = ledger.Ledger(new_sweep(trials=2), tmp_path)
    number = book.claim().number
    assert book.finish(number, Outcome("failed", reason="x", final=True)) == "failed"
    number = book.claim().number
    assert book.finish(number, Outcome("diverged", reason="nan")) == "diverged"
    assert _states(book) == ["failed", "diverged"] and book.finished()
    assert table.winner_command(book.rows(), book.sweep) is None


def test_a_stopped_trial_goes_on_and_costs_no_retry(new_sweep, tmp_path):
    book = ledger.Ledger(new_sweep(trials=1, retries=0), tmp_path)
    for _ in range(3):
        assert book.finish(book.claim().number, Outcome("stopped")) == "waiting"
    assert _complete(book, book.claim()) == "complete"


def test_the_trial_of_a_dead_process_is_taken_over_at_once(
    new_sweep, tmp_path, monkeypatch
):
    dead = ledger.Ledger(new_sweep(trials=1), tmp_path)
    held = dead.claim()
    dead.report(0, 1, 0.5)
    book = ledger.Ledger(new_sweep(trials=1), tmp_path)
    assert book.claim() is None  # its holder lives
    monkeypatch.setattr(holders, "lives", lambda owner: False)
    trial = book.claim()
    assert (trial.number, trial.params, trial.attempt) == (0, held.params, 2)
    # What the first holder still says, if it was only slow, no longer counts.
    assert dead.report(0, 2, 0.9) is True
    assert _complete(dead, held, 0.9) == "lost"
    assert book.report(0, 1, 0.5) is False
    assert _complete(book, trial, 0.7) == "complete"
    (row,) = book.rows()
    assert row["value"] == 0.7 and row["evaluations"] == {1: 0.5}


def test_the_trial_of_a_silent_machine_is_taken_over(new_sweep, tmp_path, monkeypatch):
    monkeypatch.setattr(holders, "lives", lambda owner: None)
    far = ledger.Ledger(new_sweep(trials=1, silence=1.0), tmp_path)
    far.claim()
    book = ledger.Ledger(new_sweep(trials=1, silence=1.0), tmp_path)
    began = time.monotonic()
    while time.monotonic() - began < 1.5:  # it gives signs of life for so long
        far.beat()
        assert book.claim() is None
        time.sleep(0.1)
    began = time.monotonic()
    while book.claim() is None:
        assert time.monotonic() - began < 5
        time.sleep(0.1)
    assert time.monotonic() - began > 0.5


def test_a_kill_between_taking_and_signing_loses_nothing(new_sweep, tmp_path):
    book = ledger.Ledger(new_sweep(trials=2), tmp_path)
    book.study.ask()  # taken, but its holder never signed
    trial = book.claim()
    assert trial.number == 0 and trial.params
    assert book.claim().number == 1


def test_a_torn_last_line_of_the_journal_is_cut(new_sweep, tmp_path):
    book = ledger.Ledger(new_sweep(), tmp_path)
    _complete(book, book.claim())
    with (tmp_path / "study.journal").open("a") as journal:
        journal.write('{"op_code": 5, "tri')
    book = ledger.Ledger(new_sweep(), tmp_path)
    assert _states(book) == ["complete"] and book.claim().number == 1


@pytest.mark.parametrize("sampler", ("grid", "random", "qmc"))
def test_deterministic_samplers_depend_on_the_number_alone(
    sampler, new_sweep, tmp_path
):
    keys = {"sampler": sampler, "trials": 8}
    if sampler == "grid":
        keys["space"] = {RATE: base.spaced(1e-4, 1e-1, 8, log=True)}
    sweep = new_sweep(**keys)
    straight, broken = (ledger.Ledger(sweep, tmp_path / x) for x in "ab")
    expected = [straight.claim().params for _ in range(8)]
    first = broken.claim()
    second = broken.claim()
    broken.finish(first.number, Outcome("stopped"))
    broken.finish(second.number, Outcome("failed", reason="x"))
    again = ledger.Ledger(sweep, tmp_path / "b")  # in another order, by another process
    found = {trial.number: trial.params for trial in (again.claim() for _ in range(8))}
    assert [found[number] for number in range(8)] == expected
    assert len({params[RATE] for params in expected}) == 8


CASES = [(sampler, "none") for sampler in samplers.SAMPLERS if sampler != "gp"]
CASES.append(pytest.param("gp", "none", marks=pytest.mark.slow))
CASES += [("tpe", pruner) for pruner in samplers.PRUNERS[1:]]
CASES += [("random", "asha"), ("cmaes", "median")]


@pytest.mark.parametrize(("sampler", "pruner"), CASES)
def test_every_sampler_and_pruner_finds_the_optimum(
    sampler, pruner, new_sweep, tmp_path
):
    if sampler == "gp":
        pytest.importorskip("torch", reason="Optuna's GP sampler needs PyTorch")
    trials = 12 if sampler == "gp" else 24
    space = {RATE: base.log_uniform(1e-4, 1.0), "data.pad": base.integer(0, 8)}
    if sampler == "grid":
        rates = base.spaced(1e-4, 1.0, 6, log=True)
        space = {RATE: rates, "data.pad": base.grid(0, 2, 4, 6)}
    keys = {"startup_trials": 6, "checkpoint": "last", "trials": trials}
    sweep = new_sweep(
        space=space,
        sampler=sampler,
        pruner=pruner,
        direction="minimize",
        metric="validation/loss",
        **keys,
    )
    book = ledger.Ledger(sweep, tmp_path)
    while trial := book.claim():
        set_to = trial.configs[0]
        error = abs(set_to["optimizer"]["learning_rate"] - 0.02) * 10
        error += abs(set_to["data"]["pad"] - 4) / 4
        for evaluation in range(1, 10):
            if book.report(trial.number, evaluation, error + 1 / evaluation):
                book.finish(trial.number, Outcome("pruned", steps=evaluation))
                break
        else:
            book.finish(trial.number, Outcome("complete", (error,), 9, 0.1))
    states = _states(book)
    assert len(states) == trials and book.finished()
    assert set(states) <= {"complete", "pruned"}
    assert ("pruned" in states) == (pruner != "none")
    best = ledger.best(book.rows(), sweep)[0]
    assert best["value"] < 0.8, best


def test_the_mean_over_seeds_counts_and_the_spread_is_kept(new_sweep, tmp_path):
    book = ledger.Ledger(new_sweep(trials=2, seeds=3), tmp_path)
    lucky, good = book.claim(), book.claim()
    assert [config["seed"] for config in lucky.configs] == [0, 1, 2]
    book.finish(lucky.number, Outcome("complete", (0.2, 0.2, 0.95), 30, 1.0))
    book.finish(good.number, Outcome("complete", (0.8, 0.8, 0.8), 30, 1.0))
    first, second = ledger.best(book.rows(), book.sweep)
    assert first["number"] == good.number and first["spread"] == 0
    assert second["value"] == pytest.approx(0.45)
    assert second["spread"] == statistics.stdev((0.2, 0.2, 0.95))
    assert "0.45 ± 0.43" in table.text(book.rows(), book.sweep)

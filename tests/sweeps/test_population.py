"""The population executor: the same trials and results as a process for each."""

import math
import os
import pathlib
import signal
import threading

import pytest

from configs.sweeps import base
from research.sweeps import ledger, population, trial
from research.training import run, tracking

RATE = "optimizer.learning_rate"
# A run of 12 steps with an evaluation every 4.
SHORT = {
    "train.log_every": 4,
    "train.eval_every": 4,
    "model.name": "mlp",
    "model.variant": "debug",
}


def _sweep(new_sweep, **keys):
    keys = {"overrides": SHORT, "steps": 12, "trials": 4, "seeds": 2} | keys
    return new_sweep(**keys)


@pytest.fixture(scope="module")
def alone(new_sweep, tmp_path_factory):
    """Three trials of two seeds, each run by the ordinary training loop."""
    sweep = _sweep(new_sweep, trials=3)
    book = ledger.Ledger(sweep, tmp_path_factory.mktemp("alone"))
    while (claimed := book.claim()) is not None:

        def report(evaluation, value, number=claimed.number):
            if evaluation:
                book.report(number, evaluation, value)
            return "go"

        book.finish(claimed.number, trial.run(claimed, report))
    return book


@pytest.mark.slow
@pytest.mark.parametrize("form", ["interleave", "vmap"])
def test_it_reaches_what_a_process_per_trial_reaches(alone, tmp_path, form):
    together = ledger.Ledger(alone.sweep, tmp_path)
    assert population.run(together, members_at_once=8, form=form)
    for ours, other in zip(together.rows(), alone.rows(), strict=True):
        assert (ours["number"], ours["params"]) == (other["number"], other["params"])
        assert ours["state"] == other["state"] == "complete"
        assert ours["values"] == pytest.approx(other["values"], abs=1e-3)
        assert ours["steps"] == other["steps"] == 24
        assert list(ours["evaluations"]) == [1, 2, 3]


def test_a_member_leaves_an_ordinary_run_directory(new_sweep, tmp_path):
    book = ledger.Ledger(_sweep(new_sweep, trials=2), tmp_path)
    assert population.run(book, members_at_once=4, form="vmap")
    for row in book.rows():
        folder = pathlib.Path(row["folder"]) / "seed1"
        rows = tracking.read(folder / "metrics.jsonl")
        assert [r["step"] for r in rows] == [4, 4, 8, 8, 12, 12]
        evaluated = {r["step"]: r["validation/accuracy"] for r in rows[1::2]}
        opened = run.open_run(folder, run.read_config(folder), "best")
        assert evaluated[opened.step] == max(evaluated.values()) == row["values"][1]
        assert int(opened.state.seed) == 1


@pytest.mark.slow
def test_shapes_that_differ_are_trained_one_after_another(new_sweep, tmp_path):
    space = {
        RATE: base.log_uniform(1e-4, 1e-1),
        "data.batch_size": base.choice(16, 32),
        "optimizer.name": base.choice("adamw", "momentum"),
    }
    said = []
    book = ledger.Ledger(_sweep(new_sweep, space=space, seeds=1), tmp_path)
    run_it = dict(members_at_once=4, form="interleave", say=said.append)
    assert population.run(book, **run_it)
    assert [row["state"] for row in book.rows()] == ["complete"] * 4
    assert len(said) > 1
    assert sum(int(line.split()[0]) for line in said) == 4


def test_a_diverged_trial_leaves_and_the_others_go_on(new_sweep, tmp_path):
    space = {RATE: base.choice(1e-3, 1e30, 2e-3)}
    keys = dict(space=space, sampler="grid", trials=0, seeds=1)
    overrides = SHORT | {"optimizer.name": "sgd"}
    book = ledger.Ledger(_sweep(new_sweep, overrides=overrides, **keys), tmp_path)
    assert population.run(book, members_at_once=8, form="vmap")
    states = {row["params"][RATE]: row["state"] for row in book.rows()}
    assert states == {1e-3: "complete", 1e30: "diverged", 2e-3: "complete"}
    (gone,) = [row for row in book.rows() if row["state"] == "diverged"]
    assert "became" in gone["reason"] and gone["attempts"] == 1


@pytest.mark.slow
def test_hopeless_trials_are_pruned_and_the_population_shrinks(new_sweep, tmp_path):
    # Lines of the log that do not coincide with evaluations: members leave between two.
    keys = dict(trials=8, seeds=1, pruner="asha", reduction=2)
    keys["overrides"] = SHORT | {"train.log_every": 3}
    book = ledger.Ledger(_sweep(new_sweep, **keys), tmp_path)
    assert population.run(book, members_at_once=8, form="vmap")
    states = [row["state"] for row in book.rows()]
    assert states.count("pruned") >= 3 and states.count("complete") >= 1
    assert len(states) == 8 == states.count("pruned") + states.count("complete")
    for row in book.rows():
        if row["state"] == "pruned":
            assert row["steps"] < 12


def test_a_stopped_sweep_goes_on_with_the_same_trials(new_sweep, tmp_path):
    sweep = _sweep(new_sweep, steps=2000, trials=2, seeds=1)
    book = ledger.Ledger(sweep, tmp_path)
    stop = threading.Timer(4.0, os.kill, (os.getpid(), signal.SIGTERM))
    stop.start()
    assert not population.run(book, members_at_once=2, form="interleave")
    stop.cancel()
    assert {row["state"] for row in book.rows()} == {"waiting"}
    params = [row["params"] for row in book.rows()]
    again = ledger.Ledger(sweep, tmp_path)
    first, second = again.claim(), again.claim()
    assert [sweep.space.sets(t.params) for t in (first, second)] == params
    assert again.claim() is None and first.attempt == 2


@pytest.mark.slow
def test_the_faster_form_is_chosen_and_said(new_sweep, tmp_path):
    said = []
    book = ledger.Ledger(_sweep(new_sweep, trials=2, seeds=1), tmp_path)
    assert population.run(book, members_at_once=2, say=said.append)
    (line,) = said
    times = {
        form: float(line.split(f"{form} ")[-1].split(" ms")[0])
        for form in ("vmap", "interleave")
    }
    chosen = line.split("one program: ")[1].split()[0]
    assert times[chosen] == min(times.values()) and not math.isnan(times[chosen])
    values = [row["values"] for row in book.rows()]
    fixed = ledger.Ledger(_sweep(new_sweep, trials=2, seeds=1), tmp_path / "fixed")
    assert population.run(fixed, members_at_once=2, form=chosen)
    assert values == [row["values"] for row in fixed.rows()]

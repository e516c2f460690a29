"""A trial by the real training loop: its objective, its ends, its resumption."""

import json
import pathlib

import pytest

from configs.sweeps import base
from research.sweeps import ledger, trial
from research.training import loop

RATE = "optimizer.learning_rate"
TINY = {
    "model.variant": "debug",
    "data.count": 256,
    "data.batch_size": 64,
    "data.eval_batch_size": 64,
    "train.eval_every": 2,
    "train.log_every": 2,
    "checkpoint.keep_best": 0,
}


@pytest.fixture
def claim(new_sweep, tmp_path):
    """Claims the first trial of a sweep of a tiny perceptron."""

    def first(rate=1e-3, overrides=None, **keys):
        sweep = new_sweep(
            config="mlp_mnist:quick",
            space={RATE: base.grid(rate)},
            sampler="grid",
            trials=1,
            overrides=TINY | (overrides or {}),
            **{"steps": 6} | keys,
        )
        return ledger.Ledger(sweep, tmp_path).claim()

    return first


def test_it_completes_over_its_seeds_and_reports_the_first(claim):
    heard = []
    held = claim(seeds=2)
    outcome = trial.run(held, lambda *said: heard.append(said) or "go")
    assert outcome.state == "complete" and outcome.steps == 12
    assert len(outcome.values) == 2 and outcome.seconds > 0
    assert [number for number, _ in heard] == [1, 2, 3, 0, 0, 0]
    assert outcome.values[0] == max(value for number, value in heard if number)
    for seed in range(2):
        config = json.loads(
            pathlib.Path(held.folder, f"seed{seed}", "config.json").read_text()
        )
        assert config["seed"] == seed and config["wandb"]["group"] == "test"


def test_the_last_checkpoint_may_count_instead(claim):
    heard = []
    held = claim(checkpoint="last", metric="validation/loss", direction="minimize")
    outcome = trial.run(held, lambda *said: heard.append(said[1]) or "go")
    assert outcome.values == (heard[-1],)


def test_a_pruned_trial_ends_where_it_was_told(claim):
    held = claim()
    outcome = trial.run(held, lambda number, value: "prune" if number == 2 else "go")
    assert (outcome.state, outcome.steps, outcome.values) == ("pruned", 4, ())


def test_a_stopped_trial_goes_on_and_counts_on(claim, monkeypatch):
    held = claim()
    outcome = trial.run(held, lambda number, value: "stop" if number == 1 else "go")
    assert (outcome.state, outcome.steps) == ("stopped", 2)
    steps, real = [], loop._Run._evaluate
    monkeypatch.setattr(
        loop._Run, "_evaluate", lambda self: steps.append(self.step) or real(self)
    )
    heard = []
    outcome = trial.run(held, lambda *said: heard.append(said[0]) or "go")
    assert outcome.state == "complete" and steps == [4, 6]
    assert heard == [1, 2, 3]  # 1 again: its report may have been lost
    # Killed between its last step and the ledger: the result is read, not made again.
    again = trial.run(held, lambda *said: heard.append(said[0]) or "go")
    assert again.values == outcome.values and heard == [1, 2, 3, 3]


def test_a_diverged_trial_says_where(claim):
    held = claim(rate=1e30, overrides={"optimizer.name": "sgd"})
    outcome = trial.run(held, lambda *said: "go")
    assert outcome.state == "diverged"
    assert outcome.reason.startswith("the loss became ")
    assert f"--workdir={held.folder}/seed0" in outcome.reason

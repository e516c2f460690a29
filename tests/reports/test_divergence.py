import jax
import numpy as np
import pytest

from research.reports import divergence
from research.training import loop, programs
from scripts import app


def _rows(*losses):
    return [
        {"step": 10 * i, "train/loss": loss, "time/input_wait": loss * i}
        for i, loss in enumerate(losses, 1)
    ]


@pytest.mark.parametrize(
    ("a", "b", "sentence"),
    [
        ((1.0, 0.5), (1.0, 0.5), "the logs are equal in all 2 values, up to step 20"),
        (
            (1.0, 0.5, 0.25),
            (1.0, 0.5),
            "the logs are equal in all 2 values, up to step 20",
        ),
        (
            (1.0, 0.5, 0.25),
            (1.0, 0.5, 0.26),
            "the logs are equal up to step 20 and differ first at step 30: train/loss "
            "0.25 and 0.26",
        ),
        (
            (1.0,),
            (2.0,),
            "the logs are never equal and differ first at step 10: train/loss 1.0 and "
            "2.0",
        ),
        ((), (1.0,), "the logs have no step in common"),
        (
            (float("nan"),),
            (float("nan"),),
            "the logs are equal in all 1 values, up to step 10",
        ),
    ],
)
def test_logs(a, b, sentence):
    assert divergence.in_logs(_rows(*a), _rows(*b)) == sentence


def test_the_first_leaf_of_a_state_in_its_order():
    a = {"params": {"one": np.zeros(4), "two": np.ones(2)}, "zeta": np.int32(3)}
    assert divergence.first_leaf(a, jax.tree.map(np.copy, a)) is None
    b = jax.tree.map(np.copy, a)
    b["params"]["two"][1], b["zeta"] = 1.5, np.int32(4)
    assert divergence.first_leaf(a, b) == (
        "first in params/two (largest difference 0.5, 50% of it), 2 of 3 leaves differ"
    )
    b = {"params": a["params"], "eta": a["zeta"]}
    assert divergence.first_leaf(a, b) == ("eta is in one of them only (2 such leaves)")
    b = a | {"zeta": np.zeros(2, np.int32)}
    assert divergence.first_leaf(a, b) == (
        "first in zeta (shapes () and (2,)), 1 of 3 leaves differ"
    )


def test_a_change_at_a_step_is_found_in_the_log_and_in_the_state(tmp_path, monkeypatch):
    config = app.read_config("mlp_mnist:quick")
    config.model.variant, config.data.count = "debug", 256
    config.data.batch_size, config.data.eval_batch_size = 32, 128
    config.train.update({"steps": 12, "log_every": 3, "eval_every": 4})
    config.checkpoint.keep = 3
    loop.train(config, tmp_path / "a", [])
    true_step = programs.Programs.train

    def changed_step(self, state, data, item):
        if int(state.step) == 6:
            head = jax.tree.map(lambda leaf: 2 * leaf, state.params["head"])
            params = state.params | {"head": head}
            state = state.replace(params=params)
        return true_step(self, state, data, item)

    monkeypatch.setattr(programs.Programs, "train", changed_step)
    loop.train(config, tmp_path / "b", [])
    log, checkpoints = divergence.describe(tmp_path / "a", tmp_path / "b")
    assert log.startswith(
        "the logs are equal up to step 6 and differ first at step 8: validation/"
    )
    assert checkpoints.startswith(
        "the checkpoints are equal at 4, and different at step 8: first in params/"
    )

"""Which checkpoints of a run are opened, and their mean."""

import json
import shutil
import types

import jax.numpy as jnp
import numpy as np
import pytest

from research.training import loop, run, settings
from research.training.state import TrainState
from scripts import app


def _saved(*steps):
    return types.SimpleNamespace(steps=lambda: list(steps), best_step=lambda: steps[0])


def _state(value: float, ema: float | None = None) -> TrainState:
    params, ema = {"w": jnp.full(2, value)}, ema and {"w": jnp.full(2, ema)}
    return TrainState(jnp.int32(value), params, {}, (), ema, jnp.uint32(0))


@pytest.mark.parametrize(
    ("which", "steps"),
    [
        ("best", [10]),
        ("latest", [40]),
        ("20", [20]),
        ("average:3", [20, 30, 40]),
        ("average:1", [40]),
    ],
)
def test_which_checkpoints(which, steps):
    assert run._choose(_saved(10, 20, 30, 40), which, "runs/x") == steps


def test_the_parameters_are_averaged_and_the_rest_is_the_last_state_s():
    averaged = run._mean(map(_state, (1.0, 2.0, 6.0)), 3)
    np.testing.assert_allclose(averaged.params["w"], 3.0, rtol=1e-6)
    assert int(averaged.step) == 6
    running = run._mean((_state(v, v + 1) for v in (1.0, 3.0)), 2)
    np.testing.assert_allclose(running.eval_params()["w"], 3.0, rtol=1e-6)
    np.testing.assert_allclose(running.params["w"], 3.0)


def test_a_run_from_before_a_key_was_added_is_opened_and_resumed(tmp_path):
    argv = ["--config=mlp_mnist:quick", "--config.train.log_every=2"]
    argv += ["--config.train.steps=4", "--config.checkpoint.every=2"]
    argv += ["--config.data.eval_batch_size=64"]
    config = app.load_config(argv)
    loop.train(config, tmp_path, ["train"])
    file = tmp_path / "config.json"
    older = json.loads(file.read_text())
    for key in settings.ADDED_KEYS:
        group, name = key.split(".")
        del older[group][name]
    assert settings.digest(older) == settings.digest(config.to_dict())
    file.write_text(json.dumps(older))
    shutil.rmtree(tmp_path / "checkpoints" / "4")  # as if it had been killed
    assert run.read_config(tmp_path).to_dict() == config.to_dict()
    assert loop.train(config, tmp_path, ["train"])["step"] == 4
    starts = json.loads((tmp_path / "environment.json").read_text())
    assert [start["from_step"] for start in starts] == [0, 2]
    file.write_text(json.dumps(older))
    changed = app.load_config([*argv, "--config.train.matmul_precision=highest"])
    with pytest.raises(ValueError, match="matmul_precision: default -> highest"):
        loop.train(changed, tmp_path, ["train"])


@pytest.mark.parametrize(
    ("which", "sentence"),
    [
        (
            "average:9",
            "--checkpoint=average:9 needs 9 checkpoints, but runs/x has 2; train with "
            "checkpoint.keep=9 or more",
        ),
        (
            "30",
            "--checkpoint=30 is not in runs/x; use best, latest, average:K or one of "
            "10, 20",
        ),
        (
            "average:0",
            "--checkpoint=average:0 is not in runs/x; use best, latest, average:K or "
            "one of 10, 20",
        ),
    ],
)
def test_what_is_not_there_is_refused(which, sentence):
    with pytest.raises(ValueError) as error:
        run._choose(_saved(10, 20), which, "runs/x")
    assert str(error.value) == sentence

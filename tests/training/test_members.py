"""Members of one program equal runs of their own, in either form."""

import copy

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from research.training import evaluation, experiment, loop, members, run
from research.training.programs import Programs
from scripts import app

TINY = (
    "--config=mlp_mnist:quick",
    "--config.data.count=256",
    "--config.data.batch_size=32",
    "--config.data.eval_batch_size=64",
    "--config.model.variant=debug",
    "--config.train.steps=6",
    "--config.schedule.name=cosine",
)
STEPS = 6
# What the members differ in, beside the seed.
VARIED = {
    "adamw": {
        "optimizer.learning_rate": (1e-2, 1e-3, 3e-3),
        "optimizer.weight_decay": (0.1, 0.01, 0.3),
        "optimizer.b1": (0.9, 0.8, 0.5),
        "optimizer.b2": (0.99, 0.9, 0.999),
        "optimizer.eps": (1e-8, 1e-3, 1e-5),
        "optimizer.clip_norm": (1.0, 0.1, 10.0),
        "schedule.end_factor": (0.2, 0.1, 0.5),
        "task.label_smoothing": (0.1, 0.2, 0.05),
        "model.dropout": (0.2, 0.5, 0.1),
    },
    "momentum": {
        "optimizer.learning_rate": (1e-1, 1e-2, 3e-2),
        "optimizer.momentum": (0.9, 0.5, 0.7),
        "optimizer.weight_decay": (0.1, 0.01, 0.3),
    },
}


def _configs(optimizer: str, *more: str) -> list[dict]:
    config = app.load_config([*TINY, f"--config.optimizer.name={optimizer}", *more])
    configs = []
    for i in range(3):
        each = copy.deepcopy(config.to_dict())
        each["seed"] = i
        for key, values in VARIED[optimizer].items():
            group, name = key.split(".")
            each[group][name] = values[i]
        configs.append(each)
    return configs


def _alone(config: dict, data) -> tuple[dict, object]:
    """The same run as the training loop makes it."""
    built = experiment.build(ConfigDict(config), data["train"].spec, len(data["train"]))
    programs = Programs(built)
    state, batches = (
        programs.init(config["seed"]),
        built.training_batches(data["train"]),
    )
    for step in range(STEPS):
        state, _ = programs.train(state, None, batches[step])
    return evaluation.evaluate(programs, state, data["validation"]), state


@pytest.mark.parametrize(
    ("optimizer", "form"),
    [
        ("adamw", "vmap"),
        pytest.param("momentum", "interleave", marks=pytest.mark.slow),
    ],
)
def test_members_equal_runs_of_their_own(optimizer, form):
    configs = _configs(optimizer, "--config.augment.pad_crop=2")
    assert len({members.signature(config) for config in configs}) == 1
    data = experiment.open_data(ConfigDict(configs[0]), ("train", "validation"))
    together = members.Members(configs, data, form)
    for _ in range(STEPS):
        together.train()
    measured = together.evaluate()
    for i, config in enumerate(configs):
        expected, state = _alone(config, data)
        assert measured[i].keys() == expected.keys()
        assert measured[i]["loss"] == pytest.approx(expected["loss"], rel=1e-4)
        for ours, alone in zip(
            jax.tree.leaves(together.state(i)), jax.tree.leaves(state), strict=True
        ):
            np.testing.assert_allclose(ours, alone, rtol=1e-3, atol=1e-5)


def test_members_begin_with_the_weights_that_are_named(tmp_path):
    config = app.load_config([*TINY])
    loop.train(config, tmp_path, ["train"])
    trained = run.open_run(tmp_path, config, "latest").state.params
    configs = _configs("adamw", f"--config.init.weights={tmp_path}")
    for each in configs:
        each["init"]["fresh"] = ()
    data = experiment.open_data(config, ("train", "validation"))
    for form in members.FORMS:
        made = members.Members(configs, data, form)
        for member in range(3):
            begun = made.state(member).params
            jax.tree.map(np.testing.assert_array_equal, begun, trained)


def test_nothing_is_compiled_for_another_member_and_some_can_leave():
    configs = _configs("momentum")
    data = experiment.open_data(ConfigDict(configs[0]), ("train", "validation"))
    for form in members.FORMS:
        together = members.Members(configs, data, form)
        together.train()
        before = together.state(2)
        together.keep([0, 2])
        assert len(together) == 2
        jax.tree.map(np.testing.assert_array_equal, together.state(1), before)
        together.train()
        expected = {"interleave": 1, "vmap": 2}  # programs: "vmap" has one per number
        assert together._train._cache_size() == expected[form]
        together.restart()
        assert int(together.state(0).step) == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [("data.batch_size", 16), ("model.dropout", 0.0), ("optimizer.name", "sgd")],
)
def test_what_changes_the_program_changes_the_signature(key, value):
    config = _configs("momentum")[0]
    other = copy.deepcopy(config)
    group, name = key.split(".")
    other[group][name] = value
    config["model"]["dropout"] = config["model"].get("dropout", 0.2)
    assert members.signature(config) != members.signature(other)
    other = copy.deepcopy(config)
    other["seed"], other["name"], other["optimizer"]["momentum"] = 7, "x", 0.1
    assert members.signature(config) == members.signature(other)

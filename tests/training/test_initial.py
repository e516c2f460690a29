"""Fine-tuning: parameters of another run, a new head, frozen parts, layers' rates."""

import jax
import numpy as np
import optax
import pytest

from research.data import source
from research.training import (
    depth,
    experiment,
    initial,
    loop,
    optimizers,
    run,
    settings,
)
from research.training import state as states
from research.training.programs import Programs
from scripts import app

TINY = (
    "--config=mlp_mnist:quick",
    "--config.data.count=256",
    "--config.data.batch_size=32",
    "--config.data.eval_batch_size=64",
    "--config.model.name=resnet",
    "--config.model.variant=debug",
    "--config.data.image_shape=(16, 16, 3)",
    "--config.train.log_every=2",
    "--config.train.steps=4",
)


def tiny(*more: str):
    config = app.load_config([*TINY, *more])
    settings.check(config)
    return config


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A finished run on ten classes."""
    folder = tmp_path_factory.mktemp("first")
    loop.train(tiny(), folder, ["train"])
    return folder


def _state(folder):
    return run.open_run(folder, run.read_config(folder), "latest").state


def test_a_linear_probe_trains_a_new_head_only(first, tmp_path):
    probe = tiny(
        f"--config.init.weights={first}",
        "--config.data.num_classes=4",
        "--config.model.norm=frozen",
        "--config.optimizer.freeze=('^(?!head/)',)",
    )
    loop.train(probe, tmp_path, ["train"])
    before, after = _state(first), _state(tmp_path)
    old = dict(states.named_leaves(before.params))
    for name, leaf in states.named_leaves(after.params):
        if name.startswith("head/"):
            assert leaf.shape[-1] == 4 and np.any(leaf != 0), name
        else:
            np.testing.assert_array_equal(leaf, old[name], err_msg=name)
    jax.tree.map(np.testing.assert_array_equal, before.model_state, after.model_state)
    learning = [n for n, _ in states.named_leaves(after.opt_state) if "stem" in n]
    assert not learning, "frozen parameters take optimizer state"


@pytest.mark.slow
def test_without_a_fresh_head_all_parameters_are_taken_and_all_train(first, tmp_path):
    tune = tiny(
        f"--config.init.weights={first}",
        "--config.init.fresh=()",
        "--config.train.ema_decay=0.5",
    )
    programs = Programs(_built(tune))
    start = initial.state(programs)
    expected = _state(first).eval_params()
    jax.tree.map(np.testing.assert_array_equal, start.params, expected)
    jax.tree.map(np.testing.assert_array_equal, start.ema_params, expected)
    loop.train(tune, tmp_path, ["train"])
    after = _state(tmp_path).params
    moved = jax.tree.map(lambda a, b: bool(np.any(a != b)), after, expected)
    assert all(jax.tree.leaves(moved))


def _built(config):
    image = source.Feature((16, 16, 3), "uint8")
    features = {"image": image, "label": source.Feature((), "int32")}
    return experiment.build(config, source.Spec(features, tuple("0123456789")), 230)


@pytest.mark.slow
def test_a_carry_belongs_to_its_batch(tmp_path):
    def reading(size, *more):
        config = app.load_config(
            ["--config=lstm_ptb:quick", "--config.train.steps=2", *more]
            + [f"--config.data.batch_size={size}", "--config.init.fresh=()"]
            + ["--config.data.eval_batch_size=8"]
        )
        settings.check(config)
        return config

    loop.train(reading(8), tmp_path / "8", ["train"])
    other = reading(16, f"--config.init.weights={tmp_path / '8'}")
    assert loop.train(other, tmp_path / "16", ["train"])["step"] == 2
    carry = jax.tree.leaves(_state(tmp_path / "16").model_state["carry"])
    assert {len(leaf) for leaf in carry} == {16}


def test_another_architecture_is_refused_with_a_table(first, tmp_path):
    other = tiny(f"--config.init.weights={first}", "--config.model.features=(16, 48)")
    with pytest.raises(ValueError) as error:
        loop.train(other, tmp_path, ["train"])
    lines = str(error.value).splitlines()
    assert lines[0] == (
        f"config.init.weights={first} does not fit this model; set config.model to "
        "what it was trained with, or name parameters to draw anew in "
        "config.init.fresh:"
    )
    kernel = "params/stage2_block1/conv1/kernel"
    assert f"  {kernel}: (1, 1, 16, 8) there, (1, 1, 16, 12) here" in lines
    assert not (tmp_path / "metrics.jsonl").exists()


def test_layers_of_a_network_in_the_order_of_its_calls():
    config = tiny("--config.model.name=vit", "--config.data.image_shape=(32, 32, 3)")
    assert depth.layers(_built(config).init) == (
        ("patch_embedding",),
        ("block1",),
        ("block2", "norm"),
        ("head",),
    )


def _update(config, layers=()):
    """The update that a gradient of ones gives, by parameter."""
    params = {
        "token": np.ones(2, np.float32),
        "first": {"kernel": np.ones((2, 2), np.float32)},
        "second": {"kernel": np.ones((2, 2), np.float32), "bias": np.ones(2)},
        "head": {"kernel": np.ones((2, 2), np.float32)},
    }
    tx = optimizers.make(config.optimizer, 1.0, layers)
    ones = jax.tree.map(np.ones_like, params)
    updates, _ = tx.update(ones, tx.init(params), params)
    return {name: float(leaf.ravel()[0]) for name, leaf in states.named_leaves(updates)}


def test_layer_decay_multiplies_the_rate_by_the_distance_from_the_head():
    config = tiny("--config.optimizer.name=sgd", "--config.optimizer.layer_decay=0.5")
    assert _update(config, (("first",), ("second",), ("head",))) == {
        "token": -0.25,
        "first/kernel": -0.25,
        "second/kernel": -0.5,
        "second/bias": -0.5,
        "head/kernel": -1.0,
    }


def test_multipliers_find_parameters_by_their_path():
    config = tiny(
        "--config.optimizer.name=sgd",
        "--config.optimizer.multipliers=(('bias$', 64.0), ('^second/', 0.5))",
        "--config.optimizer.freeze=('^first/',)",
    )
    assert _update(config) == {
        "token": -1.0,
        "first/kernel": 0.0,
        "second/kernel": -0.5,
        "second/bias": -32.0,
        "head/kernel": -1.0,
    }


@pytest.mark.slow
def test_gradients_of_frozen_parameters_are_not_computed():
    def flops(*more):
        built = _built(tiny("--config.optimizer.name=sgd", *more))
        state = jax.jit(built.init)(0)
        batch = {
            k: np.zeros(v.shape, v.dtype) for k, v in built.example_batch(8).items()
        }
        step = jax.jit(lambda s, b: built.task.train_step(s, built.preprocess(b)))
        return step.lower(state, batch).compile().cost_analysis()["flops"]

    frozen = "--config.optimizer.freeze=('^(?!head/)',)"
    assert flops(frozen, "--config.model.norm=frozen") < 0.6 * flops()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "optimizer.freeze=('^haed/',)",
            "config.optimizer.freeze: '^haed/' matches no parameter; "
            "scripts/inspect.py lists them",
        ),
        (
            "optimizer.freeze=('.',)",
            "config.optimizer.freeze=('.',) leaves nothing to train; leave some "
            "parameters out",
        ),
        (
            "optimizer.freeze=('(',)",
            "config.optimizer.freeze must hold regular expressions, got '(' (missing "
            "), unterminated subpattern at position 0); correct it",
        ),
        (
            "optimizer.multipliers=(('bias',),)",
            "config.optimizer.multipliers must hold (regex, factor) pairs, got "
            "('bias',); write for example (('bias$', 2.0),)",
        ),
    ],
)
def test_patterns_that_find_nothing_are_refused(override, message):
    with pytest.raises(ValueError) as error:
        _built(app.load_config([*TINY, f"--config.{override}"]))
    assert str(error.value) == message


def test_partition_keeps_clipping_to_what_is_trained():
    config = tiny(
        "--config.optimizer.name=sgd",
        "--config.optimizer.clip_norm=1.0",
        "--config.optimizer.freeze=('^(?!head/)',)",
    )
    assert _update(config)["head/kernel"] == pytest.approx(-0.5)  # norm 2, not more
    assert optax.tree.norm({"w": np.ones((2, 2))}) == 2

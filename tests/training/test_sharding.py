"""One run on many meshes of 8 simulated devices: equal numbers, split arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec, SingleDeviceSharding

from configs import base
from research.data import pipeline, synthetic
from research.training import experiment, programs, sharding
from research.training import state as states
from research.training.checkpoint import Checkpoints

# Kernels of 64 x 64 are the smallest that are split.
RULES = (
    ("hidden_0/kernel", (None, "tensor")),
    ("hidden_1/kernel", ("tensor", None)),
)
MESHES = {
    "data": {"data": -1},
    "fsdp": {"data": 1, "fsdp": 8},
    "data x fsdp": {"data": 2, "fsdp": 4},
    "data x tensor": {"data": 2, "tensor": 4, "rules": RULES},
    "data x fsdp x tensor": {"data": 2, "fsdp": 2, "tensor": 2, "rules": RULES},
}
STEPS = 4


def _config(mesh: str = "data", **changes):
    """A small dropout MLP with momentum; changes are "group.key" -> value."""
    config = base.get_config()
    base.use_synthetic(config, image_shape=(8, 8, 1), count=96)
    changes = {
        "data.batch_size": 32,
        "data.eval_batch_size": 16,
        "model.features": (64, 64),
        "model.dropout": 0.2,
        "optimizer.name": "momentum",
        "optimizer.learning_rate": 0.05,
        "train.ema_decay": 0.9,
        "train.steps": STEPS,
        "train.log_every": STEPS,
    } | {key.replace("__", "."): value for key, value in changes.items()}
    for key, value in changes.items():
        group, name = key.split(".")
        config[group][name] = value
    config.mesh.update(MESHES[mesh])
    return config


def _examples():
    return synthetic.load("train", image_shape=(8, 8, 1), count=96)


def _build(config) -> programs.Programs:
    examples = _examples()
    return programs.Programs(experiment.build(config, examples.spec, len(examples)))


def _items(config, per_call: int = 1):
    order = pipeline.Order(96, config.data.batch_size, config.seed)
    batches = [_examples().gather(order.indices(step)) for step in range(STEPS)]
    if per_call == 1:
        return batches
    groups = [batches[i : i + per_call] for i in range(0, STEPS, per_call)]
    return [jax.tree.map(lambda *x: np.stack(x), *group) for group in groups]


def _train(config):
    """Trains STEPS steps; returns (programs, state, [metrics of each step])."""
    built = _build(config)
    state, metrics = built.init(config.seed), []
    for item in _items(config, config.train.steps_per_call):
        state, packed = built.train(state, None, item)
        metrics += [built.unpack("train", row) for row in np.asarray(packed)]
    return built, state, metrics


@pytest.fixture(scope="module")
def single():
    """The same steps by plain jit on one device: (state, metrics)."""
    config = _config()
    examples = _examples()
    built = experiment.build(config, examples.spec, len(examples))
    step = jax.jit(lambda s, b: built.task.train_step(s, built.preprocess(b)))
    state, metrics = jax.jit(built.init)(np.uint32(config.seed)), []
    for item in _items(config):
        state, row = step(state, item)
        metrics.append({k: tuple(map(float, v)) for k, v in row.items()})
    return state, metrics


def _assert_equal_runs(state, metrics, single, rtol=1e-5):
    expected_state, expected = single
    assert len(metrics) == len(expected)
    for got, wanted in zip(metrics, expected, strict=True):
        assert set(wanted) <= set(got)
        for name, pair in wanted.items():
            np.testing.assert_allclose(got[name], pair, rtol, err_msg=name)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6),
        jax.tree.map(np.asarray, state),
        jax.tree.map(np.asarray, expected_state),
    )


@pytest.mark.parametrize(
    "mesh",
    [
        pytest.param(
            mesh, marks=pytest.mark.slow if mesh in ("fsdp", "data x fsdp") else ()
        )
        for mesh in MESHES
    ],
)
def test_losses_gradients_and_parameters_equal_one_device(mesh, single):
    _, state, metrics = _train(_config(mesh))
    _assert_equal_runs(state, metrics, single)


@pytest.mark.parametrize("accumulate", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_accumulation_on_a_mesh_equals_the_whole_batch(accumulate):
    # Without dropout, whose draws differ between micro-batches.
    whole = _train(_config("data x fsdp", model__dropout=0.0))
    parts = _train(
        _config("data x fsdp", model__dropout=0.0, train__accumulate=accumulate)
    )
    _assert_equal_runs(parts[1], parts[2], whole[1:])


@pytest.mark.parametrize("per_call", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_steps_in_one_call_equal_single_calls(per_call, single):
    config = _config("data x fsdp", train__steps_per_call=per_call)
    _, state, metrics = _train(config)
    _assert_equal_runs(state, metrics, single)


@pytest.mark.parametrize(
    "remat", [pytest.param("dots", marks=pytest.mark.slow), "full"]
)
def test_rematerialisation_on_a_mesh_is_equal(remat, single):
    _, state, metrics = _train(_config("data x fsdp", train__remat=remat))
    _assert_equal_runs(state, metrics, single)


def test_bfloat16_computes_near_float32_and_keeps_float32_parameters(single):
    _, state, metrics = _train(_config("data x fsdp", model__dtype="bfloat16"))
    floats = [
        x for x in jax.tree.leaves(state) if jnp.issubdtype(x.dtype, jnp.floating)
    ]
    assert {str(x.dtype) for x in floats} == {"float32"}
    for got, wanted in zip(metrics, single[1], strict=True):
        loss, expected = got["loss"][0], wanted["loss"][0]
        assert loss != expected  # it is another computation
        np.testing.assert_allclose(loss, expected, rtol=0.02)


def test_rounded_products_compute_near_float32_on_a_mesh(single):
    config = _config("data x fsdp", train__matmul_precision="BF16_BF16_F32")
    _, _, metrics = _train(config)
    for got, wanted in zip(metrics, single[1], strict=True):
        loss, expected = got["loss"][0], wanted["loss"][0]
        assert loss != expected  # it is another computation
        np.testing.assert_allclose(loss, expected, rtol=0.02)


@pytest.mark.parametrize("mesh", ["data x fsdp", "data x tensor"])
def test_evaluation_and_predictions_equal_one_device(mesh, single):
    built, state, _ = _train(_config(mesh))
    task, prepare = built.experiment.task, built.experiment.preprocess
    batch = next(pipeline.eval_batches(_examples(), 16))
    batch["mask"][-3:] = 0
    got = built.unpack("eval", built.eval(state, batch)[0])
    for name, pair in task.eval_step(single[0], prepare(batch)).items():
        np.testing.assert_allclose(got[name], pair, rtol=1e-5, err_msg=name)
    probability = built.predict(state, batch)["probability"]
    expected = task.predict(single[0], prepare(batch))["probability"]
    np.testing.assert_allclose(probability, expected, rtol=1e-4, atol=1e-6)


def _shard_shapes(leaf):
    return {shard.data.shape for shard in leaf.addressable_shards}


@pytest.mark.parametrize(
    ("mesh", "shards"),
    [
        ("fsdp", {(8, 64)}),
        ("data x fsdp x tensor", {(32, 64)}),
        pytest.param("data", {(64, 64)}, marks=pytest.mark.slow),
        pytest.param("data x fsdp", {(16, 64)}, marks=pytest.mark.slow),
        # By its rule.
        pytest.param("data x tensor", {(16, 64)}, marks=pytest.mark.slow),
    ],
)
def test_parameters_moments_and_averages_are_really_split(mesh, shards):
    built = _build(_config(mesh, optimizer__name="adamw"))
    state = built.init(0)
    found = {
        path: _shard_shapes(leaf)
        for path, leaf in states.named_leaves(state)
        if path.endswith("hidden_1/kernel")
    }
    assert len(found) == 4  # parameter, first and second moment, average
    assert set(map(frozenset, found.values())) == {frozenset(shards)}
    state, _ = built.train(state, None, _items(built.experiment.config)[0])
    assert _shard_shapes(state.params["hidden_1"]["kernel"]) == shards
    assert _shard_shapes(state.params["head"]["bias"]) == {(10,)}
    assert _shard_shapes(state.step) == {()}


def test_fsdp_holds_an_eighth_of_the_split_bytes_on_each_device():
    built = _build(_config("fsdp"))
    state = built.init(0)
    whole = sum(x.nbytes for x in jax.tree.leaves(state))
    here = sum(x.addressable_shards[0].data.nbytes for x in jax.tree.leaves(state))
    assert here < 0.25 * whole  # small leaves are copied


def test_a_checkpoint_restores_bit_equal_on_any_mesh_and_on_one_device(tmp_path):
    saved, state, _ = _train(_config("fsdp", optimizer__name="adamw"))
    digest = states.digest(state)
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        checkpoints.save(STEPS, state, {"note": 1})
        checkpoints.wait()
        for mesh in MESHES:
            other = _build(_config(mesh, optimizer__name="adamw"))
            restored, record = checkpoints.restore(STEPS, other.abstract_state)
            assert states.digest(restored) == digest
            assert record == {"note": 1}
            jax.tree.map(
                lambda x, wanted: (
                    x.sharding.is_equivalent_to(wanted.sharding, x.ndim)
                    or pytest.fail(f"{x.sharding} is not {wanted.sharding}")
                ),
                restored,
                other.abstract_state,
            )
        alone = SingleDeviceSharding(jax.devices()[3])
        abstract = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=alone),
            saved.abstract_state,
        )
        restored, _ = checkpoints.restore(STEPS, abstract)
        assert states.digest(restored) == digest
        assert restored.params["head"]["bias"].devices() == {jax.devices()[3]}


def test_training_goes_on_after_a_change_of_mesh(tmp_path, single):
    config = _config("fsdp")
    built = _build(config)
    state, metrics = built.init(0), []
    items = _items(config)
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        for number, item in enumerate(items):
            if number == 2:
                checkpoints.save(2, state, {})
                checkpoints.wait()
                built = _build(_config("data x tensor"))
                state, _ = checkpoints.restore(2, built.abstract_state)
            state, packed = built.train(state, None, item)
            metrics.append(built.unpack("train", np.asarray(packed)[0]))
    _assert_equal_runs(state, metrics, single)


def test_the_first_rule_that_matches_wins_and_small_leaves_stay_whole():
    mesh = sharding.make_mesh({"data": 2, "fsdp": 2, "tensor": 2})
    shapes = {
        "a": {"kernel": jax.ShapeDtypeStruct((64, 128), jnp.float32)},
        "b": {"kernel": jax.ShapeDtypeStruct((64, 128), jnp.float32)},
        "odd": jax.ShapeDtypeStruct((63, 127), jnp.float32),
        "small": jax.ShapeDtypeStruct((64, 2), jnp.float32),
        "scalar": jax.ShapeDtypeStruct((), jnp.int32),
    }
    rules = (("a/kernel", ("tensor", "fsdp")), ("kernel", (None, "tensor")), ("", ()))
    got = sharding.state_sharding(shapes, mesh, rules[:2])
    spec = jax.tree.map(lambda s: s.spec, got)
    assert spec["a"]["kernel"] == PartitionSpec("tensor", "fsdp")
    assert spec["b"]["kernel"] == PartitionSpec(None, "tensor")
    for name in ("odd", "small", "scalar"):
        assert spec[name] == PartitionSpec()
    default = sharding.state_sharding(shapes, mesh)["a"]["kernel"].spec
    assert default == PartitionSpec(None, "fsdp")  # the widest axis that divides


def _message(function, *args) -> str:
    with pytest.raises(ValueError) as error:
        function(*args)
    return str(error.value)


@pytest.mark.parametrize(
    ("sizes", "asked"),
    [
        ((3, 1, 1), "data 3 x fsdp 1 x tensor 1"),
        ((-1, 3, 1), "data -1 x fsdp 3 x tensor 1"),
        ((-1, -1, 1), "data -1 x fsdp -1 x tensor 1"),
        ((0, 8, 1), "data 0 x fsdp 8 x tensor 1"),
        ((-1, 0, 1), "data -1 x fsdp 0 x tensor 1"),
        ((-2, -4, 1), "data -2 x fsdp -4 x tensor 1"),
    ],
)
def test_a_mesh_that_does_not_fit_the_devices_is_refused(sizes, asked):
    sizes = dict(zip(sharding.AXES, sizes, strict=True))
    assert _message(sharding.make_mesh, sizes) == (
        f"config.mesh must multiply to the 8 devices here, got {asked}; set one axis "
        "to -1 to take the rest"
    )


def test_a_batch_that_the_devices_cannot_share_is_refused():
    assert _message(_build, _config(data__batch_size=36)) == (
        "config.data.batch_size=36 must be a multiple of 8, the devices that share a "
        "batch; use 40"
    )
    assert _message(_build, _config(data__eval_batch_size=4)) == (
        "config.data.eval_batch_size=4 must be a multiple of 8, the devices that share "
        "a batch; use 8"
    )


def test_a_rule_with_an_unknown_axis_is_refused():
    config = _config(mesh__rules=(("kernel", ("model", None)),))
    assert _message(_build, config) == (
        "config.mesh.rules: 'kernel' names axis 'model'; use data, fsdp, tensor or None"
    )


@pytest.mark.parametrize("axes", [("tensor",), ("data", None)])
def test_a_rule_that_does_not_fit_its_leaf_is_refused(axes):
    mesh = sharding.make_mesh({"data": 8, "fsdp": 1, "tensor": 1})
    leaf = {"kernel": jax.ShapeDtypeStruct((12, 4), jnp.float32)}
    assert _message(sharding.state_sharding, leaf, mesh, (("ker", axes),)) == (
        f"config.mesh.rules: 'ker' -> {axes} does not fit kernel of shape (12, 4) on "
        "{'data': 8, 'fsdp': 1, 'tensor': 1}; give one axis per dimension that divides "
        "it"
    )


def test_a_rule_that_names_an_axis_twice_is_refused():
    mesh = sharding.make_mesh({"data": 8, "fsdp": 1, "tensor": 1})
    leaf = {"kernel": jax.ShapeDtypeStruct((16, 8), jnp.float32)}
    rules = (("kernel", ("data", "data")),)
    assert _message(sharding.state_sharding, leaf, mesh, rules) == (
        "config.mesh.rules: 'kernel' names axis 'data' twice; split one dimension by it"
    )


def test_a_rule_that_is_no_regex_is_refused():
    mesh = sharding.make_mesh({"data": 8, "fsdp": 1, "tensor": 1})
    leaf = {"kernel": jax.ShapeDtypeStruct((16, 8), jnp.float32)}
    message = _message(sharding.state_sharding, leaf, mesh, (("(", ("data", None)),))
    assert message == (
        "config.mesh.rules: '(' is no regular expression (missing ), unterminated "
        "subpattern at position 0); correct it"
    )


def test_a_rule_that_matches_nothing_is_refused():
    config = _config(mesh__rules=(("hiden_1/kernel", ("tensor", None)),))
    assert _message(_build, config) == (
        "config.mesh.rules: 'hiden_1/kernel' matches no parameter; correct it, or use "
        "a path such as params/C1/kernel"
    )


def test_one_process_feeds_every_row():
    mesh = sharding.make_mesh({"data": 2, "fsdp": 2, "tensor": 2})
    np.testing.assert_array_equal(sharding.process_rows(mesh, 12), np.arange(12))

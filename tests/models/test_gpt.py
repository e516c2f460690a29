"""GPT beyond the zoo's contract: its start, its masks, its limits, many devices.

That it computes what transformers' GPT-2 computes is tests/weights/
test_huggingface_gpt2.py; that its cache changes nothing, tests/tasks/
test_generation.py.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import PartitionSpec

from configs import gpt2_124m
from research.models import gpt
from research.training import experiment, programs
from research.training import state as states


def _init(**fields):
    model = gpt.build("debug", **fields)
    init = jax.jit(partial(model.init, train=False))
    return model, init(jax.random.key(0), jnp.zeros((1, 4), jnp.int32))


def test_it_starts_as_published():
    """N(0, 0.02); on the residual path less by the root of its additions."""
    wide = dict(width=128, heads=4, mlp_dim=512, depth=2, vocab_size=200)
    _, variables = _init(**wide)
    for name, leaf in states.named_leaves(variables["params"]):
        if leaf.ndim == 1:
            assert not np.any(leaf - name.endswith("scale")), name
            continue
        residual = name.endswith(("attention/out/kernel", "mlp_out/kernel"))
        expected = 0.02 / (2 if residual else 1)
        assert abs(float(leaf.std()) / expected - 1) < 0.05, name


def test_biases_and_the_tied_head_are_options():
    def names(**fields):
        init = partial(gpt.build("debug", **fields).init, train=False)
        token = jnp.zeros((1, 4), jnp.int32)
        variables = jax.eval_shape(init, jax.random.key(0), token)
        return {name for name, _ in states.named_leaves(variables["params"])}

    assert not any(name.endswith("bias") for name in names(bias=False))
    assert names(tied=False) - names() == {"head/kernel"}


def test_padding_on_the_left_and_later_tokens_change_nothing():
    model, variables = _init()
    run = jax.jit(partial(model.apply, train=False))
    token = jnp.asarray([[1, 2, 3, 4, 5]])
    alone = run(variables, token)
    padded = jnp.pad(token, ((0, 0), (3, 0)), constant_values=7)
    mask = jnp.arange(8)[None] >= 3
    np.testing.assert_allclose(
        run(variables, padded, mask=mask)[:, 3:], alone, rtol=0, atol=1e-6
    )
    later = run(variables, token.at[0, 3].set(9))
    np.testing.assert_allclose(later[:, :3], alone[:, :3], rtol=0, atol=1e-6)
    assert np.abs(later[:, 3] - alone[:, 3]).max() > 1e-3


def test_what_is_too_long_and_impossible_heads_are_refused():
    model, variables = _init()
    sentence = (
        "gpt has positions for 32 tokens, got a text of 33; shorten it, or build the "
        "model with context=33"
    )
    token = jnp.zeros((1, 33), jnp.int32)
    for function in (
        lambda: model.apply(variables, token, train=False),
        lambda: model.initial_carry(1, 33),
    ):
        with pytest.raises(ValueError) as error:
            function()
        assert str(error.value) == sentence
    assert model.initial_carry(2)[0].key.shape == (2, 2, 32, 8)
    with pytest.raises(ValueError) as error:
        gpt.build("debug", heads=5)
    assert str(error.value) == (
        "gpt heads=5 must divide width=16; choose another number of heads"
    )


MESHES = {
    "data": dict(data=-1),
    "all": dict(data=2, fsdp=2, tensor=2),
}


def _train(mesh: str):
    """Makes three steps of configs/gpt2_124m.py in small on a mesh of 8 devices."""
    config = gpt2_124m.get_config("quick")
    config.mesh.update(MESHES[mesh])
    config.model.width, config.model.heads, config.model.mlp_dim = 64, 4, 256
    config.train.steps = 3
    config.schedule.warmup_steps = 1
    data = experiment.open_data(config, ("train",))["train"]
    built = programs.Programs(experiment.build(config, data.spec, len(data)))
    state, losses = built.init(0), []
    for step in range(3):
        rows = np.arange(32) + 32 * step
        batch = data.gather(rows)
        batch |= {"mask": np.ones(32, np.float32), "example": rows}
        state, packed = built.train(state, None, batch)
        loss, weight = built.unpack("train", np.asarray(packed)[0])["loss"]
        losses.append(loss / weight)
    return state, losses


@pytest.mark.slow
def test_tensor_parallel_training_equals_data_parallel():
    whole, expected = _train("data")
    state, losses = _train("all")
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        jax.tree.map(np.asarray, state.params),
        jax.tree.map(np.asarray, whole.params),
    )
    split = {
        "block1/attention/qkv/kernel": ("fsdp", "tensor"),
        "block1/attention/out/kernel": ("tensor", "fsdp"),
        "block1/mlp_in/kernel": ("fsdp", "tensor"),
        "block1/mlp_in/bias": ("tensor",),
        "block1/mlp_out/kernel": ("tensor", "fsdp"),
    }
    found = states.named_leaves((state.params, state.opt_state))  # and its moments
    for path, axes in split.items():
        leaves = [leaf for name, leaf in found if name.endswith(path)]
        assert len(leaves) == 3
        for leaf in leaves:
            assert leaf.sharding.spec == PartitionSpec(*axes), path
            part = leaf.addressable_shards[0].data
            assert [2 * n for n in part.shape] == list(leaf.shape)

"""The contract that every model of the zoo keeps, checked on its "debug" variant.

A new architecture adds one row to CASES of zoo.py. The loss of these tests fits every
output to fixed random numbers, so that one matrix serves classifiers, generators and
sequence models.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research import lookup
from research.models import kernels
from tests.zoo import CASES

NAMES = lookup.names("models")
BATCH = 4
# Whose training, or whose two forms, take long to compile: their files have tests of
# their own, and so have the kernels.
_LONG = (
    *("airbench", "alexnet", "bert", "dcgan", "itransformer", "m5", "patchtst"),
    *("resnet", "seq2seq", "transformer", "vgg", "vit", "vqvae"),
)
_TWICE = (*_LONG, "audio_cnn", "gpt", "lstm_forecaster", "vae")


def _trained(also: tuple[str, ...] = ()) -> list:
    """Lists the models, those that compile for long marked as slow."""
    slow = pytest.mark.slow
    return [
        pytest.param(name, marks=slow if CASES[name].heavy or name in also else ())
        for name in NAMES
        if name in CASES
    ]


def test_every_model_has_a_case():
    assert sorted(CASES) == NAMES, "tests/zoo.py needs one row per model file"


def _debug(name, **overrides):
    return lookup.module("models", name).build("debug", **overrides)


def _init(name, key, *inputs):
    """Draws the variables of a model; to be compiled, or evaluated by shape."""
    variables = _debug(name).init(key, *inputs, train=False)
    return {name: tree for name, tree in variables.items() if name != "losses"}


@functools.cache
def _variables(name):
    init = jax.jit(functools.partial(_init, name))
    return init(kernels.key(0), *CASES[name].inputs(BATCH))


def _apply(model, variables, inputs, *, train, seed=0):
    """Returns (outputs, new model state)."""
    return model.apply(
        variables,
        *inputs,
        train=train,
        rngs={"dropout": kernels.key(seed)},
        mutable=[name for name in variables if name != "params"],
    )


def _loss(model, variables, inputs, targets):
    """Mean squared distance of outputs from fixed random numbers; and own losses."""
    outputs, model_state = model.apply(
        variables,
        *inputs,
        train=True,
        rngs={"dropout": kernels.key(0)},
        mutable=[*(name for name in variables if name != "params"), "losses"],
    )
    model_state, own = dict(model_state), model_state.get("losses", {})
    model_state.pop("losses", None)
    leaves = jax.tree.leaves(outputs)
    keys = jax.random.split(kernels.key(7), len(leaves))
    errors = [
        jnp.mean((leaf - targets(key, leaf.shape)) ** 2)
        for key, leaf in zip(keys, leaves, strict=True)
    ]
    return sum(errors) + sum(leaf.mean() for leaf in jax.tree.leaves(own)), model_state


@functools.cache
def _training(name):
    """Fits one batch; returns (losses, gradients, first and fourth params, compiled).

    Steps 0, 1, 2 make the fourth parameters; the gradients are the first step's.
    """
    model, inputs = _debug(name), CASES[name].inputs(BATCH)
    tx = optax.adam(CASES[name].learning_rate)

    @jax.jit
    def step(variables, opt_state):
        def loss_fn(params):
            targets = CASES[name].targets
            return _loss(model, {**variables, "params": params}, inputs, targets)

        (loss, model_state), gradients = jax.value_and_grad(loss_fn, has_aux=True)(
            variables["params"]
        )
        updates, opt_state = tx.update(gradients, opt_state)
        params = optax.apply_updates(variables["params"], updates)
        return (
            {**variables, **model_state, "params": params},
            opt_state,
            loss,
            gradients,
        )

    first = variables = _variables(name)
    opt_state, losses, history = tx.init(variables["params"]), [], []
    for _ in range(150):
        variables, opt_state, loss, gradients = step(variables, opt_state)
        losses.append(float(loss))
        if len(history) < 3:
            history.append((gradients, variables["params"]))
    return losses, history[0][0], first["params"], history[2][1], step._cache_size()


def _assert_close(a, b, tolerance):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        bound = tolerance * (1 + float(jnp.abs(y).max()))
        np.testing.assert_allclose(x, y, rtol=0, atol=bound)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_outputs_are_float32_of_one_row_per_example(name, dtype):
    model, inputs = _debug(name, dtype=jnp.dtype(dtype)), CASES[name].inputs(BATCH)
    outputs = jax.eval_shape(
        lambda v, x: _apply(model, v, x, train=False)[0],
        jax.eval_shape(functools.partial(_init, name), kernels.key(0), *inputs),
        inputs,
    )
    for leaf in jax.tree.leaves(outputs):
        assert leaf.dtype == jnp.float32 and leaf.shape[0] == BATCH


@pytest.mark.parametrize("name", NAMES)
def test_parameters_have_the_dtype_asked_for(name):
    model = _debug(name, param_dtype=jnp.bfloat16)
    init = functools.partial(model.init, train=False)
    variables = jax.eval_shape(init, kernels.key(0), *CASES[name].inputs(BATCH))
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(variables["params"])}
    assert dtypes == {jnp.dtype("bfloat16")}


@pytest.mark.parametrize(
    "name", [name for name in NAMES if hasattr(_debug(name), "num_classes")]
)
def test_classes_can_be_changed(name):
    model, inputs = _debug(name, num_classes=3), CASES[name].inputs(BATCH)
    init = functools.partial(model.init_with_output, train=False)
    outputs, _ = jax.eval_shape(init, kernels.key(0), *inputs)
    logits = outputs["logits"] if isinstance(outputs, dict) else outputs
    assert logits.shape[-1] == 3


@pytest.mark.parametrize("name", NAMES)
def test_every_published_variant_is_counted(name):
    variants = set(lookup.module("models", name).VARIANTS) - {"debug"}
    assert set(CASES[name].parameters) == variants


def _published() -> list:
    """Lists (model, variant); networks of many layers, long to trace, are slow."""
    return [
        pytest.param(name, variant, marks=pytest.mark.slow if count > 200e6 else ())
        for name, case in CASES.items()
        for variant, count in case.parameters.items()
    ]


@pytest.mark.parametrize(("name", "variant"), _published())
def test_parameters_of_published_variants(name, variant):
    module, case = lookup.module("models", name), CASES[name]
    model = module.build(variant, kernels="native")  # is traced in half the time
    init = functools.partial(model.init, train=False)
    inputs = case.published.get(variant, case.inputs)(1)
    variables = jax.eval_shape(init, kernels.key(0), *inputs)
    count = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    assert count == case.parameters[variant]


@pytest.mark.parametrize("name", _trained((*_TWICE, "cnn", "lenet", "mlp")))
def test_jit_equals_eager(name):
    model, variables, inputs = _debug(name), _variables(name), CASES[name].inputs(BATCH)
    forward = functools.partial(_apply, model, train=False)
    _assert_close(jax.jit(forward)(variables, inputs), forward(variables, inputs), 1e-5)


@pytest.mark.parametrize("name", _trained(_TWICE))
def test_randomness_comes_from_the_key_and_train_takes_effect(name):
    model, variables, inputs = _debug(name), _variables(name), CASES[name].inputs(BATCH)
    # Away from zero, where a head may start and hide what happens before it.
    moved = jax.tree.map(lambda leaf: leaf + 0.1, variables["params"])
    variables = {**variables, "params": moved}

    @functools.partial(jax.jit, static_argnames="train")
    def forward(variables, seed, train):
        return _apply(model, variables, inputs, train=train, seed=seed)

    def differ(a, b):
        return any(
            not np.array_equal(x, y)
            for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
        )

    once, again = (forward(variables, 1, train=True) for _ in range(2))
    assert not differ(once, again)
    random = getattr(model, "dropout", 0) > 0
    assert differ(once, forward(variables, 2, train=True)) == random
    resting, resting_state = forward(variables, 1, train=False)
    assert not differ(resting, forward(variables, 2, train=False)[0])
    stateful = set(variables) > {"params"}
    assert differ(once[0], resting) == (random or stateful)
    # Running statistics move in training only.
    old_state = {k: v for k, v in variables.items() if k != "params"}
    assert not differ(old_state, resting_state)
    assert differ(old_state, once[1]) == stateful


@pytest.mark.parametrize("name", _trained(_LONG))
def test_gradients_are_finite(name):
    gradients = _training(name)[1]
    for path, leaf in jax.tree.leaves_with_path(gradients):
        assert np.isfinite(leaf).all(), jax.tree_util.keystr(path)


@pytest.mark.parametrize("name", _trained(_LONG))
def test_every_parameter_moves_within_three_steps(name):
    # Three, because a layer that starts at zero blocks those before it for one.
    _, _, before, after, _ = _training(name)
    for path, leaf in jax.tree.leaves_with_path(before):
        if "/".join(key.key for key in path) in CASES[name].resting:
            continue
        moved = functools.reduce(lambda tree, key: tree[key.key], path, after)
        assert not np.array_equal(leaf, moved), jax.tree_util.keystr(path)


@pytest.mark.parametrize("name", _trained(_LONG))
def test_one_batch_is_overfitted(name):
    losses = _training(name)[0]
    assert losses[-1] < 0.1 * losses[0], (losses[0], losses[-1])


@pytest.mark.parametrize("name", _trained(_LONG))
def test_a_second_step_compiles_nothing(name):
    assert _training(name)[-1] == 1


@pytest.mark.parametrize("name", _trained(_TWICE))
def test_native_kernels_equal_auto(name):
    variables, inputs = _variables(name), CASES[name].inputs(BATCH)

    def loss_and_gradients(kernels):
        model = _debug(name, kernels=kernels)

        def loss(params):
            targets = CASES[name].targets
            return _loss(model, {**variables, "params": params}, inputs, targets)[0]

        return jax.jit(jax.value_and_grad(loss))(variables["params"])

    _assert_close(loss_and_gradients("auto"), loss_and_gradients("native"), 1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_unknown_names_are_refused_with_the_nearest(name):
    module = lookup.module("models", name)
    with pytest.raises(ValueError) as error:
        module.build("debgu")
    assert str(error.value) == (
        "unknown variant 'debgu'; did you mean 'debug'? use one of "
        + ", ".join(module.VARIANTS)
    )
    with pytest.raises(ValueError, match="; did you mean 'kernels'[?] use one of "):
        module.build("debug", kernel="native")

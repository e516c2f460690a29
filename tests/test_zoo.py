"""The contract that every model of the zoo keeps, checked on its "debug" variant.

A new architecture adds one row to CASES: example inputs, and the parameters of each of
its published variants. The loss of these tests fits every output to fixed random
numbers, so that one matrix serves classifiers, generators and sequence models.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research import lookup


@dataclass(frozen=True)
class Case:
    """What the matrix has to know of a model.

    Attributes:
      inputs: batch size -> the arguments of the model.
      parameters: exact number of each published variant, counted with `inputs`.
      learning_rate: of Adam, with which one batch is fitted in 150 steps.
      published: inputs of variants that are counted with others than `inputs`.
      targets: draws the numbers that the outputs are fitted to.
      resting: paths of parameters that the published network never moves.
      heavy: takes so long to compile that its training is tested with `-m slow`.
    """

    inputs: Callable[[int], tuple]
    parameters: dict[str, int]
    learning_rate: float = 1e-2
    published: dict[str, Callable[[int], tuple]] = field(default_factory=dict)
    targets: Callable = jax.random.normal
    resting: tuple[str, ...] = ()
    heavy: bool = False


def _image(*shape):
    def inputs(batch):
        generator = np.random.default_rng(0)
        return (jnp.asarray(generator.normal(size=(batch, *shape)), jnp.float32),)

    return inputs


def _sound(length):
    def inputs(batch):
        generator = np.random.default_rng(0)
        return (jnp.asarray(generator.normal(0, 0.1, (batch, length)), jnp.float32),)

    return inputs


def _noisy(side, channels, classes=0):
    """Noisy images, their times and, with classes, labels."""

    def inputs(batch):
        generator = np.random.default_rng(0)
        image = jnp.asarray(
            generator.normal(size=(batch, side, side, channels)), jnp.float32
        )
        time = jnp.asarray(generator.uniform(0, 1000, batch), jnp.float32)
        label = jnp.asarray(generator.integers(0, max(classes, 1), batch), jnp.int32)
        return (image, time, label) if classes else (image, time)

    return inputs


def _tokens(vocabulary, *lengths):
    def inputs(batch):
        generator = np.random.default_rng(0)
        drawn = [generator.integers(0, vocabulary, (batch, n)) for n in lengths]
        return tuple(jnp.asarray(tokens, jnp.int32) for tokens in drawn)

    return inputs


def _game(latent, *shape):
    """Noise and images: what both networks of a game read."""

    def inputs(batch):
        generator = np.random.default_rng(0)
        return tuple(
            jnp.asarray(generator.normal(size=(batch, *each)), jnp.float32)
            for each in ((latent,), shape)
        )

    return inputs


def _at(inputs, variants):
    return {variant: inputs for variant in variants}


_AUTOENCODER = {
    **{"64": 101_200, "32": 50_992, "hinton": 2_837_314},
    **{"32-16-8": 52_344, "conv-64": 211_905},
}
_DIT = {
    **{"S/2": 32_865_056, "B/2": 130_315_808, "L/2": 457_840_672},
    **{"XL/2": 674_834_720},
}
_RESNET = {
    **{"18": 11_689_512, "34": 21_797_672, "50": 25_557_032, "101": 44_549_160},
    **{"152": 60_192_808, "20": 269_722, "32": 464_154, "44": 658_586},
    **{"56": 853_018, "110": 1_727_962},
}
_BERT = {
    **{"tiny": 4_385_920, "mini": 11_170_560, "small": 28_763_648},
    **{"medium": 41_373_184, "base": 109_482_240, "base-cased": 108_310_272},
    **{"large": 335_141_888},
}
_DLINEAR = {"dlinear": 64_704, "nlinear": 32_352, "dlinear-96": 18_624}
_GPT = {
    **{"124M": 124_439_808, "355M": 354_823_168, "774M": 774_030_080},
    **{"1558M": 1_557_611_200, "char": 10_745_088, "char-cpu": 804_096},
}
_ITRANSFORMER = {"128": 224_224, "256": 841_568, "512": 3_255_904}
_PATCHTST_336 = {"small-42": 81_728, "42": 921_184}
_PATCHTST_512 = {"small-64": 115_872, "64": 1_194_336}
_RNN_OF_TOKENS = {
    **{"ptb_small": 4_651_600, "ptb_medium": 19_775_200, "ptb_large": 66_022_000},
    **{"awd": 24_221_600, "shakespeare": 3_318_401},
    **{"sst2": 3_636_674, "sst2_attention": 4_403_906, "debug_classifier": 5_906},
}
_RNN_OF_PIXELS = {"mnist_lstm": 69_950, "mnist_gru": 69_910, "mnist_elman": 69_670}
_RNN_OF_PAIRS = {"adding_lstm": 69_291, "adding_gru": 69_001, "adding_elman": 67_597}
_SEQ2SEQ = {
    **{"sutskever": 384_112_000, "lstm": 13_898_501, "gru": 14_219_781},
    **{"bahdanau": 20_518_405, "luong": 14_684_933},
}
_TRANSFORMER = {
    **{"base": 63_082_496, "big": 214_245_376},
    **{"multi30k": 9_038_341, "tiny": 2_568_192},
}
_RETINANET = {"resnet50": 34_068_119, "resnet18": 21_048_471, "small": 3_377_799}
_VGG = {"11": 132_863_336, "13": 133_047_848, "16": 138_357_544, "19": 143_667_240}
_VAE = {"200-200-50": 425_284, "400-20": 652_824, "conv-20": 105_257}
_VIT = {
    **{"Ti/16": 5_717_416, "S/16": 22_050_664, "S/32": 22_878_952},
    **{"B/16": 86_567_656, "B/32": 88_224_232, "L/16": 304_326_632},
    **{"L/32": 306_535_400, "H/14": 632_045_800},
}
_VQVAE = {"128": 695_491, "mnist": 40_169}

CASES = {
    "airbench": Case(_image(32, 32, 3), {"94": 1_971_352}),
    "alexnet": Case(
        _image(64, 64, 3),
        {"2014": 61_100_840},
        published={"2014": _image(224, 224, 3)},
    ),
    "ast": Case(
        _sound(3_000),
        {"audioset": 86_594_063, "speech_commands": 85_395_491},
        heavy=True,
    ),
    "audio_cnn": Case(_sound(2_000), {"16-32-64-64": 61_690}),
    "autoencoder": Case(
        _image(8, 8, 1),
        _AUTOENCODER,
        published=_at(_image(28, 28, 1), _AUTOENCODER),
    ),
    "bert": Case(_tokens(64, 6), _BERT),
    "centernet": Case(
        _image(64, 64, 3),
        {"resnet18": 12_841_940, "resnet50": 28_712_404, "small": 3_284_372},
        heavy=True,
    ),
    "cnn": Case(_image(28, 28, 1), {"32-64-128": 1_199_882}),
    "dcgan": Case(
        _game(8, 8, 8, 1),
        {"64": 6_342_272, "32": 1_732_224, "28": 898_304},
        published={
            "64": _game(100, 64, 64, 3),
            "32": _game(100, 32, 32, 3),
            "28": _game(100, 28, 28, 1),
        },
    ),
    "dlinear": Case(
        _image(12, 3),
        _DLINEAR,
        published=_at(_image(336, 7), ("dlinear", "nlinear"))
        | _at(_image(96, 7), ("dlinear-96",)),
    ),
    "gan": Case(
        _game(8, 6, 6, 1),
        {"mnist": 3_735_425},
        published={"mnist": _game(100, 28, 28, 1)},
    ),
    "detr": Case(
        _image(64, 64, 3),
        {"resnet50": 41_577_888},
        targets=jax.random.uniform,  # boxes lie in (0, 1)
        # The first decoder layer attends to zeros: section 3.2, and the queries alone
        # are added to keys and queries.
        resting=("decoder1/self_attention/value/kernel",),
        heavy=True,
    ),
    "dit": Case(
        _noisy(8, 1, 3),
        _DIT | {"cifar10": 32_475_660},
        published=_at(_noisy(32, 4, 1000), _DIT) | {"cifar10": _noisy(32, 3, 10)},
        heavy=True,
    ),
    "gpt": Case(_tokens(11, 6), _GPT),
    "itransformer": Case(
        _image(12, 3),
        _ITRANSFORMER,
        published=_at(_image(96, 7), _ITRANSFORMER),
    ),
    "lenet": Case(_image(32, 32, 1), {"1998": 60_000, "modern": 61_706}),
    "m5": Case(
        _sound(3_000),
        {"128-128-256-512": 559_114, "tutorial": 26_915},
        published={"tutorial": _sound(8_000)},
    ),
    "lstm_forecaster": Case(
        _image(12, 3),
        {"direct": 62_112, "autoregressive": 18_887},
        published=_at(_image(96, 7), ("direct", "autoregressive")),
    ),
    "mlp": Case(
        _image(28, 28, 1), {"512-512": 669_706, "300": 238_510, "256-128-64": 242_762}
    ),
    "patchtst": Case(
        _image(12, 3),
        _PATCHTST_336 | _PATCHTST_512,
        published=_at(_image(336, 7), _PATCHTST_336)
        | _at(_image(512, 7), _PATCHTST_512),
    ),
    "resnet": Case(_image(32, 32, 3), _RESNET),
    "retinanet": Case(_image(64, 64, 3), _RETINANET, heavy=True),
    "rnn": Case(
        _tokens(11, 6),
        _RNN_OF_TOKENS | _RNN_OF_PIXELS | _RNN_OF_PAIRS,
        published=_at(_image(28, 28, 1), _RNN_OF_PIXELS)
        | _at(_image(5, 2), _RNN_OF_PAIRS),
    ),
    "seq2seq": Case(_tokens(11, 5, 4), _SEQ2SEQ),
    "sngan": Case(
        _game(8, 8, 8, 1),
        {"sngan": 5_330_563, "wgan_gp": 2_258_308},
        published=_at(_game(128, 32, 32, 3), ("sngan", "wgan_gp")),
        heavy=True,
    ),
    "stylegan2": Case(
        _game(8, 8, 8, 3),
        {"f": 59_382_573, "small": 2_235_660},
        published={
            "f": _game(512, 1024, 1024, 3),
            "small": _game(128, 32, 32, 1),
        },
        learning_rate=2e-2,
        heavy=True,
    ),
    "transformer": Case(_tokens(11, 5, 4), _TRANSFORMER),
    "transformer_forecaster": Case(
        _image(12, 3), {"64": 168_199}, published={"64": _image(96, 7)}, heavy=True
    ),
    "unet": Case(
        _noisy(8, 1, 3),
        {"cifar10": 35_746_307, "mnist": 687_473},
        published={"cifar10": _noisy(32, 3), "mnist": _noisy(28, 1, 10)},
        heavy=True,
    ),
    "vae": Case(_image(8, 8, 1), _VAE, published=_at(_image(28, 28, 1), _VAE)),
    "vgg": Case(_image(32, 32, 3), _VGG, published=_at(_image(224, 224, 3), _VGG)),
    "vit": Case(
        _image(32, 32, 3),
        _VIT | {"cifar": 6_268_810},
        published=_at(_image(224, 224, 3), _VIT),
    ),
    "vqvae": Case(
        _image(8, 8, 1),
        _VQVAE,
        published={"128": _image(32, 32, 3), "mnist": _image(28, 28, 1)},
    ),
}
NAMES = lookup.names("models")


def _trained(also: tuple[str, ...] = ()) -> list:
    """Lists the models, those that compile for long marked as slow."""
    slow = pytest.mark.slow
    return [
        pytest.param(name, marks=slow if CASES[name].heavy or name in also else ())
        for name in NAMES
        if name in CASES
    ]


BATCH = 4
# Whose two forms take long to compile; the kernels have tests of their own.
_TWICE = (
    *("bert", "gpt", "itransformer", "patchtst", "resnet", "seq2seq"),
    *("transformer", "vgg", "vit"),
)


def test_every_model_has_a_case():
    assert sorted(CASES) == NAMES, "tests/test_zoo.py needs one row per model file"


def _debug(name, **overrides):
    return lookup.module("models", name).build("debug", **overrides)


@functools.cache
def _variables(name):
    init = jax.jit(functools.partial(_debug(name).init, train=False))
    variables = init(jax.random.key(0), *CASES[name].inputs(BATCH))
    return {name: tree for name, tree in variables.items() if name != "losses"}


def _apply(model, variables, inputs, *, train, seed=0):
    """Returns (outputs, new model state)."""
    return model.apply(
        variables,
        *inputs,
        train=train,
        rngs={"dropout": jax.random.key(seed)},
        mutable=[name for name in variables if name != "params"],
    )


def _loss(model, variables, inputs, targets):
    """Mean squared distance of outputs from fixed random numbers; and own losses."""
    outputs, model_state = model.apply(
        variables,
        *inputs,
        train=True,
        rngs={"dropout": jax.random.key(0)},
        mutable=[*(name for name in variables if name != "params"), "losses"],
    )
    model_state, own = dict(model_state), model_state.get("losses", {})
    model_state.pop("losses", None)
    leaves = jax.tree.leaves(outputs)
    keys = jax.random.split(jax.random.key(7), len(leaves))
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
    model = _debug(name, dtype=jnp.dtype(dtype))
    outputs = jax.eval_shape(
        lambda v, x: _apply(model, v, x, train=False)[0],
        _variables(name),
        CASES[name].inputs(BATCH),
    )
    for leaf in jax.tree.leaves(outputs):
        assert leaf.dtype == jnp.float32 and leaf.shape[0] == BATCH


@pytest.mark.parametrize("name", NAMES)
def test_parameters_have_the_dtype_asked_for(name):
    model = _debug(name, param_dtype=jnp.bfloat16)
    init = functools.partial(model.init, train=False)
    variables = jax.eval_shape(init, jax.random.key(0), *CASES[name].inputs(BATCH))
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(variables["params"])}
    assert dtypes == {jnp.dtype("bfloat16")}


@pytest.mark.parametrize("name", NAMES)
def test_classes_can_be_changed(name):
    if not hasattr(_debug(name), "num_classes"):
        pytest.skip(f"{name} does not classify")
    model, inputs = _debug(name, num_classes=3), CASES[name].inputs(BATCH)
    init = functools.partial(model.init_with_output, train=False)
    outputs, _ = jax.eval_shape(init, jax.random.key(0), *inputs)
    logits = outputs["logits"] if isinstance(outputs, dict) else outputs
    assert logits.shape[-1] == 3


@pytest.mark.parametrize("name", NAMES)
def test_parameters_of_published_variants(name):
    module, case = lookup.module("models", name), CASES[name]
    assert set(case.parameters) == set(module.VARIANTS) - {"debug"}
    for variant, expected in case.parameters.items():
        model = module.build(variant, kernels="native")  # is traced in half the time
        init = functools.partial(model.init, train=False)
        inputs = case.published.get(variant, case.inputs)(1)
        variables = jax.eval_shape(init, jax.random.key(0), *inputs)
        count = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
        assert count == expected, f"{name} {variant}"


@pytest.mark.parametrize("name", _trained())
def test_jit_equals_eager(name):
    model, variables, inputs = _debug(name), _variables(name), CASES[name].inputs(BATCH)
    forward = functools.partial(_apply, model, train=False)
    _assert_close(jax.jit(forward)(variables, inputs), forward(variables, inputs), 1e-5)


@pytest.mark.parametrize("name", NAMES)
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


@pytest.mark.parametrize("name", _trained())
def test_gradients_are_finite(name):
    gradients = _training(name)[1]
    for path, leaf in jax.tree.leaves_with_path(gradients):
        assert np.isfinite(leaf).all(), jax.tree_util.keystr(path)


@pytest.mark.parametrize("name", _trained())
def test_every_parameter_moves_within_three_steps(name):
    # Three, because a layer that starts at zero blocks those before it for one.
    _, _, before, after, _ = _training(name)
    for path, leaf in jax.tree.leaves_with_path(before):
        if "/".join(key.key for key in path) in CASES[name].resting:
            continue
        moved = functools.reduce(lambda tree, key: tree[key.key], path, after)
        assert not np.array_equal(leaf, moved), jax.tree_util.keystr(path)


@pytest.mark.parametrize("name", _trained())
def test_one_batch_is_overfitted(name):
    losses = _training(name)[0]
    assert losses[-1] < 0.1 * losses[0], (losses[0], losses[-1])


@pytest.mark.parametrize("name", _trained())
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

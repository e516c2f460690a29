"""What `test_zoo.py` has to know of each model: one row per file in research/models.

A new architecture adds one: example inputs, and the parameters of each of its published
variants.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np


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
        {"cifar10": 35_746_307, "mnist": 704_484},
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

"""Kaldi's filter bank, and the Audio Spectrogram Transformer around it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import ast, m5
from research.models.layers import kaldi
from tests import flags

RATE = 16_000


def _waves(seconds=0.3):
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * RATE)) / RATE
    glide = 0.3 * np.sin(2 * np.pi * (300 + 4_000 * time) * time)
    waves = np.stack([glide + 0.2, np.zeros(len(time))])
    return (waves + rng.normal(0, [[1e-2], [0.1]], waves.shape)).astype(np.float32)


def _fbank(x, mels):
    @functools.partial(jax.jit, compiler_options=flags.USERS_EMITTERS)
    def made(x):
        return kaldi.fbank(x, sample_rate=RATE, mels=mels)

    return np.asarray(made(x))


# With as many bands as AST has, the lowest lie between two frequencies.
@pytest.mark.filterwarnings("ignore:At least one mel filter has all zero values")
@pytest.mark.parametrize("mels", [40, 128])
def test_the_filter_bank_is_that_of_transformers(mels):
    """Its numpy form of Kaldi's, in float64; energies above the floor agree to 1e-3."""
    pytest.importorskip("transformers", reason="the reference is its own")
    from transformers import audio_utils

    filters = audio_utils.mel_filter_bank(
        num_frequency_bins=257,
        num_mel_filters=mels,
        min_frequency=20,
        max_frequency=RATE // 2,
        sampling_rate=RATE,
        norm=None,
        mel_scale="kaldi",
        triangularize_in_mel_space=True,
    )
    np.testing.assert_allclose(
        kaldi.mel_filters(RATE, 512, mels), filters, rtol=0, atol=1e-6
    )
    for row, made in zip(_waves(), _fbank(_waves(), mels), strict=True):
        expected = audio_utils.spectrogram(
            row,
            audio_utils.window_function(400, "hann", periodic=False),
            frame_length=400,
            hop_length=160,
            fft_length=512,
            power=2.0,
            center=False,
            preemphasis=0.97,
            mel_filters=filters,
            log_mel="log",
            mel_floor=1.192092955078125e-07,
            remove_dc_offset=True,
        ).T
        np.testing.assert_allclose(made, expected, rtol=0, atol=1e-3)


def test_a_constant_is_nothing():
    made = _fbank(np.full((1, 1_000), 0.7, np.float32), 20)
    assert made.shape == (1, 1 + (1_000 - 400) // 160, 20)
    np.testing.assert_allclose(made, np.log(2.0**-23), rtol=1e-6)


@pytest.mark.slow
def test_other_lengths_are_padded_or_cut_to_the_frames():
    model = ast.build("debug", dropout=0.0)
    long = jnp.asarray(_waves(0.5))
    variables = jax.jit(lambda: model.init(jax.random.key(0), long, train=False))()
    run = jax.jit(lambda x: model.apply(variables, x, train=False))
    frames = model.frames * 160 + 240
    np.testing.assert_allclose(run(long), run(long[:, :frames]), atol=1e-5)
    assert run(long[:, :2_000]).shape == (2, 10)
    # Less than a frame is silence without a frame, of which all is padding.
    nothing = [np.asarray(run(long[:, :length])) for length in (1, 100, 399)]
    np.testing.assert_array_equal(nothing[0], nothing[1])
    np.testing.assert_array_equal(nothing[0], nothing[2])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            dict(heads=3),
            "ast heads=3 must divide width=16; choose another number of heads",
        ),
        (
            dict(patch=20),
            "ast patch=20 must fit into 32 frames of 16 mel bands; use a smaller patch "
            "or more frames",
        ),
    ],
)
def test_sizes_that_do_not_fit_are_refused(fields, message):
    with pytest.raises(ValueError) as error:
        ast.build("debug", **fields)
    assert str(error.value) == message


def test_m5_refuses_what_its_pooling_would_leave_nothing_of():
    model = m5.build("tutorial")
    # 4 samples at the head; before each pooling 4 times as many, and 2 more.
    shortest = 16 * (4 * (4 * (4 * (4 + 2) + 2) + 2) - 1) + 80

    def shape(length):
        x = jax.ShapeDtypeStruct((1, length), np.float32)
        init = lambda x: model.init_with_output(jax.random.key(0), x, train=False)  # noqa: E731
        return jax.eval_shape(init, x)[0].shape

    assert shape(shortest) == (1, 35)
    with pytest.raises(ValueError) as error:
        shape(shortest - 1)
    assert str(error.value) == (
        f"m5 needs waveforms of at least {shortest} samples, got {shortest - 1}; make "
        "config.data.seconds longer"
    )

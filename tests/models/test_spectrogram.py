"""Log-mel spectrograms against librosa and numpy, and SpecAugment's bands."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models.layers import spec_augment, spectrogram

RATE = 8_000
TOLERANCE = 2e-3  # dB; float32 against float64, of bands within 60 dB of the loudest


def _waves(seconds=0.3, rate=RATE):
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * rate)) / rate
    glide = np.sin(2 * np.pi * (300 + 2000 * time) * time)
    waves = np.stack([0.3 * glide, np.zeros(len(time))])
    return (waves + rng.normal(0, [[1e-2], [0.1]], waves.shape)).astype(np.float32)


def _log_mel(x, **fields):
    fields = dict(sample_rate=RATE, window=256, hop=80, mels=40) | fields
    return np.asarray(jax.jit(lambda x: spectrogram.log_mel(x, **fields))(x))


@pytest.mark.parametrize("scale", spectrogram.MEL_SCALES)
@pytest.mark.parametrize(
    ("window", "fft", "hop", "low", "high"),
    [
        (256, 256, 80, 0.0, None),
        (200, 512, 80, 60.0, 3_600.0),
        (256, 256, 100, 0.0, 4e3),
    ],
)
def test_it_is_librosas(scale, window, fft, hop, low, high):
    librosa = pytest.importorskip("librosa")
    x = _waves()
    power = librosa.feature.melspectrogram(
        y=x.astype(np.float64),
        sr=RATE,
        n_fft=fft,
        win_length=window,
        hop_length=hop,
        n_mels=40,
        fmin=low,
        fmax=high,
        htk=scale == "htk",
    )
    expected = librosa.power_to_db(power, top_db=None).swapaxes(1, 2)
    fields = dict(window=window, fft=fft, hop=hop, low=low, high=high, scale=scale)
    np.testing.assert_allclose(_log_mel(x, **fields), expected, rtol=0, atol=TOLERANCE)


def test_it_is_the_sum_over_a_discrete_fourier_transform():
    x, size, hop, mels = _waves()[1:], 64, 16, 10
    padded = np.pad(x[0].astype(np.float64), size // 2)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    turns = np.outer(np.arange(size), np.arange(size // 2 + 1)) / size
    starts = range(0, len(padded) - size + 1, hop)
    framed = np.stack([padded[s : s + size] * window for s in starts])
    power = np.abs(framed @ np.exp(-2j * np.pi * turns)) ** 2
    energy = power @ spectrogram.mel_filters(RATE, size, mels)
    made = _log_mel(x, window=size, hop=hop, mels=mels)[0]
    expected = 10 * np.log10(np.maximum(energy, 1e-10))
    assert made.shape == (1 + x.shape[1] // hop, mels)
    np.testing.assert_allclose(made, expected, rtol=0, atol=TOLERANCE)


def test_a_tone_is_in_its_own_band_and_silence_is_the_floor():
    time = np.arange(RATE) / RATE
    tone = np.sin(2 * np.pi * 1_000 * time)[None].astype(np.float32)
    loudest = _log_mel(tone)[0].mean(axis=0).argmax()
    edges = spectrogram.mel_to_hz(
        np.linspace(0, spectrogram.hz_to_mel(RATE / 2, "slaney"), 42), "slaney"
    )
    assert edges[loudest] < 1_000 < edges[loudest + 2]
    np.testing.assert_allclose(_log_mel(0 * tone), -100, rtol=1e-6)


def test_its_gradient_is_that_of_finite_differences():
    x = jnp.asarray(_waves(0.05)[1:])
    direction = np.random.default_rng(1).normal(size=x.shape).astype(np.float32)

    def mean(x):
        return spectrogram.log_mel(
            x, sample_rate=RATE, window=64, hop=32, mels=8
        ).mean()

    slope = float((jax.grad(mean)(x) * direction).sum())
    step = 1e-3
    difference = (mean(x + step * direction) - mean(x - step * direction)) / (2 * step)
    assert slope == pytest.approx(float(difference), rel=0.02)
    assert np.isfinite(jax.grad(mean)(0 * x)).all()


def test_a_scale_that_is_none_is_refused():
    with pytest.raises(ValueError) as error:
        spectrogram.mel_filters(8_000, 256, 40, 0.0, 5_000.0, "bark")
    assert str(error.value) == (
        "mel bands need a scale of slaney or htk and 0 <= low < high <= 4000 Hz, got "
        "'bark', 0 and 5000; correct them"
    )


def _hide(key, shape=(64, 30, 20), train=True, **fields):
    layer = spec_augment.SpecAugment(**fields)
    rngs = {"dropout": jax.random.key(key)}
    return np.asarray(layer.apply({}, jnp.ones(shape), train=train, rngs=rngs))


@pytest.mark.slow
def test_hidden_bands_are_whole_and_no_wider_than_said():
    fields = dict(frequency_masks=1, frequency_width=5, time_masks=0)
    kept = _hide(0, **fields)
    assert (kept == kept[:, :1]).all()  # all frames alike
    hidden = (kept[:, 0] == 0).sum(axis=1)
    assert set(hidden) == set(range(6))
    # One run each: as many edges as a band has, or one where it touches an end.
    edges = np.abs(np.diff(kept[:, 0], axis=1)).sum(axis=1)
    assert edges.max() == 2
    spans = _hide(0, frequency_masks=0, time_masks=2, time_width=4)
    assert (spans == spans[:, :, :1]).all()
    assert (spans[:, :, 0] == 0).sum(axis=1).max() in (7, 8)


def test_hiding_follows_the_key_and_rests_in_evaluation():
    np.testing.assert_array_equal(_hide(3), _hide(3))
    assert (_hide(3) != _hide(4)).any()
    assert (_hide(3, train=False) == 1).all()
    narrow = _hide(0, shape=(8, 3, 2), frequency_width=50, time_width=50)
    assert narrow.shape == (8, 3, 2)

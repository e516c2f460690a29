"""Kaldi's log-mel filter bank, differentiable: the features of many speech networks.

Povey et al. (2011), The Kaldi Speech Recognition Toolkit, `compute-fbank-feats` with
its defaults but no dither and a Hann window, as `torchaudio.compliance.kaldi.fbank`
computes it. It differs from `spectrogram.log_mel`: only whole frames, each freed of its
mean and pre-emphasised; a symmetric window; triangles in mel, not in Hz, whose peaks
are 1; natural logarithms.

Axes: b batch, t samples, n frames, f frequency bins, m mel bands.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from research.models.layers import spectrogram

_LENGTH, _HOP = 0.025, 0.010  # seconds
_EMPHASIS = 0.97
_LOWEST = 20.0  # Hz
_FLOOR = 2.0**-23  # of the energy: float32's epsilon


def fbank(
    x: Float[Array, "b t"], *, sample_rate: int, mels: int
) -> Float[Array, "b n {mels}"]:
    """Computes natural logarithms of mel energies, n = 1 + (t - 25 ms) // 10 ms.

    Args:
      x: samples.
      sample_rate: samples per second.
      mels: number of bands m.
    """
    length, hop = round(_LENGTH * sample_rate), round(_HOP * sample_rate)
    fft = 1 << (length - 1).bit_length()
    framed = spectrogram.frames(x.astype(jnp.float32), length, hop)
    framed = framed - framed.mean(axis=-1, keepdims=True)
    # The first sample has no other before it, and is taken for its own.
    before = jnp.concatenate([framed[..., :1], framed[..., :-1]], axis=-1)
    framed = framed - _EMPHASIS * before
    framed = framed * spectrogram.hann(length, periodic=False)[None, None]
    framed = jnp.pad(framed, ((0, 0), (0, 0), (0, fft - length)))
    power = spectrogram.power_spectrum(framed)
    filters = mel_filters(sample_rate, fft, mels)
    energy = jnp.dot(power, filters, precision="highest")
    return jnp.log(jnp.maximum(energy, _FLOOR))


def samples(frames: int, sample_rate: int) -> int:
    """Counts the samples of the shortest waveform with so many frames."""
    return round(_LENGTH * sample_rate) + (frames - 1) * round(_HOP * sample_rate)


def mel_filters(sample_rate: int, fft: int, mels: int) -> np.ndarray:
    """Makes the triangles, (fft // 2 + 1, mels) float32, from 20 Hz to the highest."""

    def mel(hz):
        return 1127 * np.log(1 + np.asarray(hz, np.float64) / 700)

    edges = np.linspace(mel(_LOWEST), mel(sample_rate / 2), mels + 2)
    bins = mel(np.arange(fft // 2 + 1) * (sample_rate / fft))[:, None]
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)

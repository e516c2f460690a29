"""Log-mel spectrograms of waveforms, differentiable, equal to librosa's definition.

Axes: b batch, t samples, n frames, f frequency bins, m mel bands.

A frame every `hop` samples, centred on it, zeros beyond the ends; a periodic Hann
window; the squared magnitude of its Fourier transform; triangles spaced evenly on a mel
scale, each of unit area in Hz; decibels. That is `librosa.feature.melspectrogram` and
`librosa.power_to_db(…, top_db=None)` at their defaults.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

MEL_SCALES = ("slaney", "htk")
_FLOOR = 1e-10  # of the power, -100 dB
# Slaney (1998), Auditory Toolbox: linear up to 1 kHz, then 27 steps to 6.4 kHz.
_LINEAR_HZ, _CORNER_HZ, _LOG_STEP = 200 / 3, 1000.0, np.log(6.4) / 27


def log_mel(
    x: Float[Array, "b t"],
    *,
    sample_rate: int,
    window: int,
    hop: int,
    mels: int,
    fft: int | None = None,
    low: float = 0.0,
    high: float | None = None,
    scale: str = "slaney",
) -> Float[Array, "b n {mels}"]:
    """Computes decibels of mel bands, n = 1 + t // hop frames.

    Args:
      x: samples, usually in [-1, 1].
      sample_rate: samples per second.
      window: length of the Hann window in samples.
      hop: samples from one frame to the next.
      mels: number of bands m.
      fft: length of the Fourier transform, >= window; None: window.
      low: Hz where the lowest triangle begins.
      high: Hz where the highest one ends; None: half the sample rate.
      scale: "slaney" or "htk".
    """
    fft = fft or window
    taper = np.zeros(fft, np.float32)
    before = (fft - window) // 2
    taper[before : before + window] = hann(window)
    margin = fft // 2
    x = jnp.pad(x.astype(jnp.float32), ((0, 0), (margin, margin)))
    framed = frames(x, fft, hop)
    power = power_spectrum(framed * taper[None, None])
    filters = mel_filters(sample_rate, fft, mels, low, high, scale)
    energy = jnp.dot(power, filters, precision="highest")
    return 10 / np.log(10) * jnp.log(jnp.maximum(energy, _FLOOR))


def hann(size: int, *, periodic: bool = True) -> np.ndarray:
    """Makes a Hann window, (size,) float32."""
    steps = size if periodic else size - 1
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / steps)).astype(np.float32)


def frames(x: Float[Array, "b t"], size: int, hop: int) -> Float[Array, "b n {size}"]:
    """Cuts every whole frame out of a signal: n = 1 + (t - size) // hop, or none."""
    count = max(0, 1 + (x.shape[1] - size) // hop)
    # Slices of blocks of one hop, side by side, copy faster than a gather.
    per_frame = -(-size // hop)
    total = (count + per_frame - 1) * hop
    x = jnp.pad(x, ((0, 0), (0, max(0, total - x.shape[1]))))[:, :total]
    blocks = x.reshape(x.shape[0], -1, hop)
    parts = [blocks[:, i : i + count] for i in range(per_frame)]
    return jnp.concatenate(parts, axis=-1)[..., :size]


def power_spectrum(framed: Float[Array, "b n t"]) -> Float[Array, "b n f"]:
    """Computes |Fourier transform|^2 of frames, f = t // 2 + 1 bins."""
    spectrum = jnp.fft.rfft(framed)
    return spectrum.real**2 + spectrum.imag**2


def mel_filters(
    sample_rate: int,
    fft: int,
    mels: int,
    low: float = 0.0,
    high: float | None = None,
    scale: str = "slaney",
) -> np.ndarray:
    """Makes the triangles, (fft // 2 + 1, mels) float32, each of unit area in Hz.

    Args:
      sample_rate: samples per second.
      fft: length of the Fourier transform.
      mels: number of bands.
      low: Hz where the lowest triangle begins.
      high: Hz where the highest one ends; None: half the sample rate.
      scale: "slaney" or "htk".

    Raises:
      ValueError: the scale is unknown, or the frequencies are out of order.
    """
    high = sample_rate / 2 if high is None else high
    if scale not in MEL_SCALES or not 0 <= low < high <= sample_rate / 2:
        raise ValueError(
            f"mel bands need a scale of {' or '.join(MEL_SCALES)} and 0 <= low < high "
            f"<= {sample_rate / 2:g} Hz, got {scale!r}, {low:g} and {high:g}; correct "
            "them"
        )
    edges = mel_to_hz(
        np.linspace(hz_to_mel(low, scale), hz_to_mel(high, scale), mels + 2), scale
    )
    bins = np.arange(fft // 2 + 1)[:, None] * (sample_rate / fft)
    left, middle, right = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * (2 / (right - left))).astype(np.float32)


def hz_to_mel(hz: Any, scale: str) -> np.ndarray:
    """Converts frequencies; scale is "slaney" or "htk"."""
    hz = np.asarray(hz, np.float64)
    if scale == "htk":
        return np.asarray(2595 * np.log10(1 + hz / 700))  # O'Shaughnessy (1987)
    above = np.log(np.maximum(hz, _CORNER_HZ) / _CORNER_HZ) / _LOG_STEP
    return np.where(hz < _CORNER_HZ, hz / _LINEAR_HZ, _CORNER_HZ / _LINEAR_HZ + above)


def mel_to_hz(mel: Any, scale: str) -> np.ndarray:
    """Inverts `hz_to_mel`."""
    mel = np.asarray(mel, np.float64)
    if scale == "htk":
        return np.asarray(700 * (10 ** (mel / 2595) - 1))
    corner = _CORNER_HZ / _LINEAR_HZ
    above = _CORNER_HZ * np.exp(_LOG_STEP * np.maximum(mel - corner, 0))
    return np.where(mel < corner, mel * _LINEAR_HZ, above)

"""Pictures of sounds: log-mel spectrograms, loud parts bright."""

import functools

import jax
import numpy as np

from research.models.layers import spectrogram

_WINDOW, _HOP = 0.032, 0.01  # seconds
_MELS = 64
_RANGE = 60.0  # dB below the loudest that are told apart
_MOST_FRAMES = 1_000  # in one picture


def picture(samples: np.ndarray, rate: int, *, trim: bool = False) -> np.ndarray:
    """Draws a sound.

    Args:
      samples: (t,) int16, or float32 of full scale 1.
      rate: samples per second.
      trim: leave out the zeros before and after it.

    Returns:
      (64, n, 3) uint8, low bands below, time to the right: a column every 10 ms, or
      fewer where that were more than 1,000.
    """
    import matplotlib  # its colours, which stay ordered in grey as well

    if samples.dtype == np.int16:
        samples = samples / np.float32(2**15)
    hop = max(round(_HOP * rate), -(-len(samples) // _MOST_FRAMES))
    window = max(round(_WINDOW * rate), 2)
    levels = _levels(samples[None].astype(np.float32), rate, window, hop)
    levels = np.asarray(levels)[0]
    heard = np.flatnonzero(samples)
    if trim and len(heard):
        levels = levels[heard[0] // hop : heard[-1] // hop + 1]
    shade = ((levels - levels.max()) / _RANGE + 1).clip(0, 1)
    colours = matplotlib.colormaps["magma"](shade.T[::-1])
    return np.rint(colours[..., :3] * 255).astype(np.uint8)


@functools.partial(jax.jit, static_argnums=(1, 2, 3))
def _levels(samples, rate: int, window: int, hop: int):
    return spectrogram.log_mel(
        samples, sample_rate=rate, window=window, hop=hop, mels=_MELS
    )

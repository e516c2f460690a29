"""Pictures of sounds: log-mel spectrograms, loud parts bright."""

import jax
import jax.numpy as jnp
import numpy as np

from research.models.layers import spectrogram

_WINDOW, _HOP = 0.032, 0.01  # seconds
_MELS = 64
_RANGE = 60.0  # dB below the loudest that are told apart
_MOST_FRAMES = 1_000  # in one picture


def picture(samples: np.ndarray, rate: int) -> np.ndarray:
    """Draws a sound.

    Args:
      samples: (t,) int16, or float32 of full scale 1.
      rate: samples per second.

    Returns:
      (64, n, 3) uint8, low bands below, time to the right: a column every 10 ms, or
      fewer where that were more than 1,000.
    """
    import matplotlib  # its colours, which stay ordered in grey as well

    if samples.dtype == np.int16:
        samples = samples / np.float32(2**15)
    hop = max(round(_HOP * rate), -(-len(samples) // _MOST_FRAMES))
    levels = jax.device_get(
        spectrogram.log_mel(
            jnp.asarray(samples[None], jnp.float32),
            sample_rate=rate,
            window=max(round(_WINDOW * rate), 2),
            hop=hop,
            mels=_MELS,
        )
    )[0]
    shade = ((levels - levels.max()) / _RANGE + 1).clip(0, 1)
    colours = matplotlib.colormaps["magma"](shade.T[::-1])
    return np.rint(colours[..., :3] * 255).astype(np.uint8)

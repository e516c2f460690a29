"""SpecAugment: bands of a spectrogram hidden in training.

Park et al. (2019), SpecAugment: A Simple Data Augmentation Method for Automatic Speech
Recognition, https://arxiv.org/abs/1904.08779, section 2, without time warping, which
the paper finds to matter least.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key


class SpecAugment(nn.Module):
    """Sets random bands of frequencies and spans of frames to 0, the mean.

    Each example has its own bands. A band's width is drawn from {0, …, widest}, then
    where it begins; where a spectrogram is narrower, the width is at most its side.

    Attributes:
      frequency_masks: bands of frequencies per example.
      frequency_width: widest of them, F, in mel bands.
      time_masks: spans of frames per example.
      time_width: widest of them, T, in frames.
    """

    frequency_masks: int = 2
    frequency_width: int = 8
    time_masks: int = 2
    time_width: int = 10

    @nn.compact
    def __call__(
        self, x: Float[Array, "b n m"], *, train: bool
    ) -> Float[Array, "b n m"]:
        """Draws from the rng "dropout" in training; else returns x as it is."""
        if not train or not (self.frequency_masks or self.time_masks):
            return x
        frequency, time = jax.random.split(self.make_rng("dropout"))
        b, n, m = x.shape
        hidden = _bands(frequency, b, self.frequency_masks, self.frequency_width, m)
        paused = _bands(time, b, self.time_masks, self.time_width, n)
        return jnp.where(hidden[:, None, :] | paused[:, :, None], 0, x)


def _bands(
    key: Key[Array, ""], batch: int, count: int, widest: int, size: int
) -> Bool[Array, "b n"]:
    """Marks `count` bands of each example along an axis of the given size."""
    widths, starts = jax.random.uniform(key, (2, batch, count, 1))
    width = jnp.floor(widths * (min(widest, size) + 1))
    start = jnp.floor(starts * (size - width + 1))
    at = jnp.arange(size)[None, None]
    return ((at >= start) & (at < start + width)).any(axis=1)

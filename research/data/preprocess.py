"""Turns stored pixels and samples into what a model reads, in the compiled step."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp

from research.data import sounds


def make(
    *,
    pad: int,
    mean: Sequence[float],
    std: Sequence[float],
    augment: Callable | None = None,
):
    """Returns preprocess(batch, seed=None) -> batch.

    uint8 images (b, h, w, c) become float32 (b, h + 2 pad, w + 2 pad, c),
    (pixel / 255 - mean) / std, with black added around; int16 audio (b, t) becomes
    float32 in [-1, 1); other features stay as they are, but for what `augment`
    changes. A batch without `mask` gets one that counts
    every example.

    Args:
      pad: pixels added on each side.
      mean: one value, or one per channel, on the scale where white is 1.
      std: likewise, > 0.
      augment: (batch, seed) -> batch, applied to images in [0, 1] and to
        audio; None for evaluation.
    """

    def per_channel(values):
        return jnp.asarray(values, jnp.float32).reshape(1, 1, 1, -1)

    def preprocess(batch, seed=None):
        batch = dict(batch)
        if "image" in batch:
            margins = ((0, 0), (pad, pad), (pad, pad), (0, 0))
            image = jnp.pad(batch["image"], margins).astype(jnp.float32) / 255
            batch["image"] = image
        if "audio" in batch:
            batch["audio"] = batch["audio"].astype(jnp.float32) / sounds.FULL_SCALE
        if augment is not None:
            batch = augment(batch, seed)
        if "image" in batch:
            batch["image"] = (batch["image"] - per_channel(mean)) / per_channel(std)
        if "mask" not in batch:
            size = next(iter(batch.values())).shape[0]
            batch["mask"] = jnp.ones((size,), jnp.float32)
        return batch

    return preprocess


def to_pixels(x, mean: Sequence[float], std: Sequence[float]):
    """Turns what a model reads or writes back into pictures.

    Args:
      x: (n, h, w, c) float, (pixel / 255 - mean) / std; of numpy or JAX.
      mean: one value, or one per channel.
      std: likewise.

    Returns:
      (n, h, w, c) uint8 JAX array.
    """
    channels = (1,) * (x.ndim - 1) + (-1,)
    mean, std = (jnp.asarray(v, jnp.float32).reshape(channels) for v in (mean, std))
    scaled = x * std + mean
    return jnp.rint(255 * jnp.clip(jnp.nan_to_num(scaled), 0, 1)).astype(jnp.uint8)

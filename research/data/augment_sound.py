"""Augmentation of sounds in training: shift, loudness and noise, in this order.

Sounds are (b, t) float32, full scale 1. Draws come from `research.data.augment_draws`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from research.data import augment_draws, source


def is_on(options) -> bool:
    """Tells whether the group `config.augment` changes sounds."""
    return bool(options.shift or options.noise or options.gain)


def make(options, spec: source.Spec) -> Callable:
    """Returns augment(batch, seed) -> batch.

    The batch holds audio (b, t) float32, epoch and example (b,) int32; the result
    lacks epoch and example.

    Args:
      options: the group `config.augment`, checked.
      spec: of the training data.

    Raises:
      ValueError: the data has no sounds.
    """
    if "audio" not in spec.features:
        raise ValueError(
            "config.augment.shift, noise and gain change sounds, but the data has only "
            f"{', '.join(spec.features)}; set them to 0"
        )

    def augment(batch, seed):
        batch = dict(batch)
        key = augment_draws.keys(seed, batch.pop("epoch"), batch.pop("example"))
        audio = batch["audio"]
        if options.shift:
            draw = 2 * augment_draws.uniform(key, "shift", 1)[:, 0] - 1
            audio = shift(audio, draw, options.shift)
        if options.gain:
            draw = 2 * augment_draws.uniform(key, "gain", 1) - 1
            audio = audio * 10 ** (draw * options.gain / 20)
        if options.noise:
            level = augment_draws.uniform(key, "noise", 1) * options.noise
            draw = augment_draws.normal(key, "white", audio.shape[1:])
            audio = audio + level * loudness(audio) * draw
        return batch | {"audio": audio}

    return augment


def shift(
    audio: Float[Array, "b t"], draw: Float[Array, " b"], most: float
) -> Float[Array, "b t"]:
    """Moves sounds in time; what comes in from beyond the ends is silence.

    Args:
      audio: any scale.
      draw: in [-1, 1]; below 0 a sound comes earlier.
      most: share of the length that draw = 1 moves, in [0, 1].
    """
    length = audio.shape[1]
    reach = int(np.ceil(most * length))
    padded = jnp.pad(audio, ((0, 0), (reach, reach)))
    start = reach - jnp.rint(draw * most * length).astype(jnp.int32)
    cut = jax.vmap(lambda x, s: jax.lax.dynamic_slice(x, (s,), (length,)))
    return cut(padded, start)


def loudness(audio: Float[Array, "b t"]) -> Float[Array, "b 1"]:
    """Measures the root mean square of each sound."""
    return jnp.sqrt(jnp.mean(audio**2, axis=1, keepdims=True))

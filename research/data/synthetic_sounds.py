"""Learnable sounds made from a seed: for quick twins and tests, never a result.

Each class is a tone that glides from one pitch to another, with one overtone. An
example has its class's glide at a random phase, loudness, onset and detuning, in white
noise. The pitch at one instant does not tell the class: several glides cross it.
"""

import numpy as np

from research.data import sound_files, sounds, source

_SPLITS = ("train", "validation", "test")
_LOWEST, _HIGHEST = 0.03, 0.2  # of the fundamental, in cycles per sample


def splits(
    path: str | None = None,
    *,
    sample_rate: int = 8_000,
    seconds: float = 0.25,
    num_classes: int = 10,
    count: int = 1024,
    seed: int = 0,
) -> tuple[str, ...]:
    """Lists the splits; needs no path."""
    return _SPLITS


def load(
    split: str,
    path: str | None = None,
    *,
    sample_rate: int = 8_000,
    seconds: float = 0.25,
    num_classes: int = 10,
    count: int = 1024,
    seed: int = 0,
) -> source.Arrays:
    """Makes one split: audio (length,) int16, label () int32, classes balanced.

    Args:
      split: "train", "validation" or "test"; they share the classes only.
      path: not used.
      sample_rate: samples per second.
      seconds: length of an example.
      num_classes: number of classes, >= 2.
      count: examples of "train"; the other two have a quarter of it each.
      seed: chooses the classes and the examples, >= 0.

    Raises:
      ValueError: an option is out of range.
    """
    source.check_split(split, _SPLITS, "synthetic_sounds")
    length = sounds.check(sample_rate, seconds, "resample", "refuse")
    if num_classes < 2 or count < 4:
        raise ValueError(
            "synthetic sounds need num_classes >= 2 and count >= 4, got "
            f"{num_classes} and {count}; correct them"
        )
    glides = _glides(np.random.default_rng((seed, 0)), num_classes)
    rng = np.random.default_rng((seed, 1 + _SPLITS.index(split)))
    size = count if split == "train" else count // 4
    label = rng.permutation(np.arange(size) % num_classes).astype(np.int32)
    audio = sounds.to_int16(_sing(rng, glides[label], length))
    made = source.Arrays({"audio": audio, "label": label})
    names = source.number_names(num_classes)
    made.spec = sound_files.spec(length, sample_rate, names)
    return made


def _glides(rng, count: int) -> np.ndarray:
    """Draws (count, 2) pitches, first and last, in cycles per sample.

    First pitches are spread evenly and last ones are the same in another order.
    """
    steps = np.linspace(np.log(_LOWEST), np.log(_HIGHEST), count)
    return np.exp(np.stack([steps, rng.permutation(steps)], axis=1))


def _sing(rng, glides: np.ndarray, length: int) -> np.ndarray:
    """Makes (n, length) samples in [-1, 1] of glides (n, 2)."""
    n = len(glides)

    def drawn(low, high):
        return rng.uniform(low, high, (n, 1))

    time = np.linspace(0, 1, length)
    first, last = glides[:, :1] * drawn(0.97, 1.03), glides[:, 1:] * drawn(0.97, 1.03)
    phase = 2 * np.pi * np.cumsum(first * (last / first) ** time, axis=1)
    phase += drawn(0, 2 * np.pi)
    tone = np.sin(phase) + drawn(0, 0.6) * np.sin(2 * phase + drawn(0, 2 * np.pi))
    heard = (time > drawn(0, 0.2)) & (time < drawn(0.8, 1.0))
    wave = drawn(0.05, 0.3) * tone * heard
    return wave + rng.normal(0, 0.02, (n, length))

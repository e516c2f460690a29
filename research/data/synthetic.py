"""Learnable images made from a seed: for quick twins and tests, never a result.

Each class is a smooth random template. An example is its class's template, shifted
circularly by up to an eighth of the side, with random contrast and pixel noise. A small
network learns it to over 95 % in seconds; nearest-mean classification does not.
By its options it takes on the spec (image shape, number of classes) of another source.
"""

from collections.abc import Sequence

import numpy as np

from research.data import source

_SPLITS = ("train", "validation", "test")


def splits(
    path: str | None = None,
    *,
    image_shape: Sequence[int] = (28, 28, 1),
    num_classes: int = 10,
    count: int = 4096,
    seed: int = 0,
) -> tuple[str, ...]:
    """Lists the splits; needs no path."""
    return _SPLITS


def load(
    split: str,
    path: str | None = None,
    *,
    image_shape: Sequence[int] = (28, 28, 1),
    num_classes: int = 10,
    count: int = 4096,
    seed: int = 0,
) -> source.Arrays:
    """Makes one split: image (*image_shape) uint8, label () int32, classes balanced.

    Args:
      split: "train", "validation" or "test"; they share the templates only.
      path: not used.
      image_shape: (height, width, channels) of every image.
      num_classes: number of classes, >= 2.
      count: examples of "train"; the other two have a quarter of it each.
      seed: chooses the templates and the examples, >= 0.

    Raises:
      ValueError: an option is out of range.
    """
    source.check_split(split, _SPLITS, "synthetic")
    shape = tuple(image_shape)
    if len(shape) != 3 or min(shape) < 1 or num_classes < 2 or count < 4:
        raise ValueError(
            "synthetic data needs image_shape (height, width, channels), num_classes "
            f">= 2 and count >= 4, got {shape}, {num_classes} and {count}; correct them"
        )
    templates = _templates(np.random.default_rng((seed, 0)), num_classes, shape)
    rng = np.random.default_rng((seed, 1 + _SPLITS.index(split)))
    size = count if split == "train" else count // 4
    label = rng.permutation(np.arange(size) % num_classes).astype(np.int32)
    image = np.empty((size, *shape), np.uint8)
    reach = [max(1, side // 8) for side in shape[:2]]
    for k in range(size):
        shift = [rng.integers(-r, r + 1) for r in reach]
        pixels = np.roll(templates[label[k]], shift, axis=(0, 1))
        pixels = rng.uniform(0.5, 1.0) * pixels
        pixels = pixels + rng.normal(0.0, 0.3, shape).astype(np.float32)
        image[k] = np.clip(128 + 64 * pixels, 0, 255)
    arrays = {"image": image, "label": label}
    return source.Arrays(arrays, source.number_names(num_classes))


def _templates(rng, num_classes: int, shape: tuple[int, int, int]) -> np.ndarray:
    """Draws (k, h, w, c) smooth fields of zero mean and unit variance."""
    height, width, channels = shape
    # A few low frequencies, and periodic: shifted images have no seam.
    noise = rng.normal(size=(num_classes, *shape))
    spectrum = np.fft.fft2(noise, axes=(1, 2))
    rows = np.abs(np.fft.fftfreq(height, 1 / height))[:, None, None]
    columns = np.abs(np.fft.fftfreq(width, 1 / width))[:, None]
    frequency = np.hypot(rows, columns)
    spectrum *= (frequency > 0) & (frequency <= 3)
    fields = np.fft.ifft2(spectrum, axes=(1, 2)).real
    return (fields / (fields.std(axis=(1, 2, 3), keepdims=True) + 1e-6)).astype(
        np.float32
    )

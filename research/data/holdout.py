"""Deterministic partition of examples, for data without validation or test."""

from collections.abc import Mapping

import numpy as np


def partition(
    count: int,
    fractions: Mapping[str, float],
    labels: np.ndarray | None = None,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Divides range(count) into the named parts and "train", which is the rest.

    The same arguments give the same parts on every machine and version of numpy: the
    order is a sort of raw Philox words, whose stream is fixed. A part has exactly
    round(count * fraction) examples. With labels, each class is spread over the parts
    in proportion, to within about one example per class and part.

    Args:
      count: number of examples, > 0.
      fractions: part name (not "train") -> share in (0, 1); their sum is below 1.
      labels: (count,) integer class of each example, or None for a plain shuffle.
      seed: chooses the partition, >= 0.

    Returns:
      part name -> sorted indices; each index in [0, count) is in exactly one part.

    Raises:
      ValueError: the fractions leave no "train", or a part would be empty.
    """
    total = sum(fractions.values())
    if total >= 1 or any(not 0 < f < 1 for f in fractions.values()):
        raise ValueError(
            "held-out fractions must be above 0 and sum to less than 1, got "
            f"{dict(fractions)}; use smaller ones"
        )
    order = _order(count, labels, seed)
    parts, start = {}, 0
    for name, fraction in fractions.items():
        stop = start + round(count * fraction)
        parts[name] = np.sort(order[start:stop])
        start = stop
    parts["train"] = np.sort(order[start:])
    for name, indices in parts.items():
        if not len(indices):
            raise ValueError(
                f"held-out fractions {dict(fractions)} of {count} examples leave "
                f"{name!r} empty; use other fractions or more data"
            )
    return parts


def _order(count: int, labels: np.ndarray | None, seed: int) -> np.ndarray:
    """Orders the examples so that any run of them is a random, stratified sample."""
    words = np.random.Philox(key=seed).random_raw(count)
    shuffled = np.argsort(words, kind="stable")
    if labels is None:
        return shuffled
    # Systematic sampling: example r of a class of n sits at (r + offset) / n, so that
    # the classes run through [0, 1) side by side, each from its own random offset.
    classes, sizes = np.unique(labels, return_counts=True)
    offsets = np.random.Philox(key=seed + 1).random_raw(len(classes)) / 2.0**64
    position = np.empty(count)
    ranked = shuffled[np.argsort(labels[shuffled], kind="stable")]
    starts = np.cumsum(sizes) - sizes
    for start, size, offset in zip(starts, sizes, offsets, strict=True):
        position[ranked[start : start + size]] = (np.arange(size) + offset) / size
    return shuffled[np.argsort(position[shuffled], kind="stable")]

"""A learnable series with anomalies, in windows: for quick twins and tests only.

Two columns of slow and fast waves with noise; in the last part, which is the test
split, some spans are replaced by noise or stand still. Windows and labels are those of
`csv_windows`.
"""

import numpy as np

from research.data import csv_windows, source

HOLDS_OUT = True
_SPLITS = ("train", "validation", "test")


def splits(
    path: str | None = None,
    *,
    length: int = 32,
    stride: int = 1,
    count: int = 2048,
    seed: int = 0,
) -> tuple[str, ...]:
    """Lists the splits; needs no path."""
    return _SPLITS


def load(
    split: str,
    path: str | None = None,
    *,
    length: int = 32,
    stride: int = 1,
    count: int = 2048,
    seed: int = 0,
) -> source.Arrays:
    """Makes one split: window (length, 2) float32, label () int32.

    Args:
      split: "train", "validation" or "test".
      path: not used.
      length: rows of a window.
      stride: rows from one window to the next.
      count: rows of the whole series.
      seed: of the noise and the anomalies.
    """
    source.check_split(split, _SPLITS, "synthetic_series")
    values, anomalous = series(count, seed)
    first, second = round(0.6 * count), round(0.75 * count)
    ends = {"train": (0, first), "validation": (first, second), "test": (second, count)}
    parts = {s: (values[a:b], anomalous[a:b]) for s, (a, b) in ends.items()}
    return csv_windows.build(
        split,
        parts,
        ("a", "b"),
        labelled=True,
        length=length,
        stride=stride,
        where="synthetic_series",
    )


def series(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Makes the series: rows (count, 2) float64, anomalous (count,) bool."""
    rng = np.random.default_rng(seed)
    time = np.arange(count)
    wave = np.sin(2 * np.pi * time / 25) + 0.5 * np.sin(2 * np.pi * time / 7)
    values = np.stack([wave, np.cos(2 * np.pi * time / 25)], axis=1)
    values += rng.normal(0, 0.05, values.shape)
    anomalous = np.zeros(count, bool)
    for number in range(4):
        begin = round(0.75 * count) + (2 * number + 1) * (count // 4) // 9
        end = begin + max(2, count // 100)
        anomalous[begin:end] = True
        noise = rng.normal(0, 1.0, (end - begin, 2))
        values[begin:end] = values[begin] if number % 2 else noise
    return values, anomalous

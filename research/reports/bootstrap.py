"""Intervals of means over seeds, by resampling the seeds.

Percentiles of resampled means are too narrow for few seeds by sqrt((n - 1) / n), since
a sample spreads less than what it was drawn from; they are widened by that factor.
"""

from collections.abc import Sequence

import numpy as np

_DRAWS = 10_000
LEVEL = 0.95


def mean_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Computes the interval of the mean; None for fewer than two values."""
    return _interval(_means(values, 0)) if len(values) > 1 else None


def difference_interval(
    a: Sequence[float], b: Sequence[float], paired: bool
) -> tuple[float, float] | None:
    """Computes the interval of mean(b) - mean(a); None for fewer than two values.

    Args:
      a: one value per seed.
      b: likewise; with `paired`, of the same seeds in the same order.
      paired: resample the differences, seed by seed.
    """
    if min(len(a), len(b)) < 2:
        return None
    if paired:
        return mean_interval(np.subtract(b, a))
    return _interval(_means(b, 1) - _means(a, 0))


def _means(values: Sequence[float], stream: int) -> np.ndarray:
    """Draws means of resampled values, spread as widely as means of new seeds."""
    values, count = np.asarray(values, np.float64), len(values)
    draws = np.random.default_rng(stream).integers(count, size=(_DRAWS, count))
    wider = np.sqrt(count / (count - 1))
    return values.mean() + wider * (values[draws].mean(axis=1) - values.mean())


def _interval(means: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)

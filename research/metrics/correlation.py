"""Pearson's and Spearman's correlation of scores with predictions, STS-B's metrics.

Protocol: over all examples at once, in float64; Spearman's is Pearson's of the ranks,
equal values sharing the mean of their ranks; NaN where either side is constant.
"""

import numpy as np


def pearson(score: np.ndarray, predicted: np.ndarray) -> float:
    """Correlates linearly.

    Args:
      score: (n,) float, the true scores.
      predicted: (n,) float.

    Returns:
      In [-1, 1], or NaN.

    Raises:
      ValueError: unequal lengths.
    """
    _check(score, predicted)
    x, y = (np.asarray(a, np.float64) for a in (score, predicted))
    x, y = x - x.mean(), y - y.mean()
    spread = np.sqrt((x @ x) * (y @ y))
    return float(np.clip(x @ y / spread, -1, 1)) if spread > 0 else float("nan")


def spearman(score: np.ndarray, predicted: np.ndarray) -> float:
    """Correlates ranks; see `pearson` for arguments, result and errors."""
    _check(score, predicted)
    return pearson(_ranks(score), _ranks(predicted))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0, equal values sharing the mean of the ranks that they take up."""
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(sizes)
    return (ends - (sizes + 1) / 2)[group]


def _check(score: np.ndarray, predicted: np.ndarray) -> None:
    if np.ndim(score) != 1 or np.shape(score) != np.shape(predicted):
        raise ValueError(
            "score and predicted must be (n,) arrays of equal length, got shapes "
            f"{np.shape(score)} and {np.shape(predicted)}; give one number per example"
        )

"""Matthews correlation of labels and predictions, CoLA's metric.

Protocol: the correlation of the two as one-hot vectors (Gorodkin 2004, R_K), which for
two classes is Matthews' (1975); 0 where either takes one class only, as in scikit-learn
and in GLUE.
"""

import math

import numpy as np

from research.metrics import confusion


def correlation(label: np.ndarray, predicted: np.ndarray, k: int) -> float:
    """Correlates classes with predicted classes.

    Args:
      label: (n,) integer in [0, k), the true classes.
      predicted: (n,) integer in [0, k).
      k: number of classes.

    Returns:
      In [-1, 1]; 1 where all predictions are right.

    Raises:
      ValueError: a class out of range, or unequal lengths.
    """
    counts = confusion.matrix(label, predicted, k)
    # Exact integers: products of counts stay below 2^63 for n up to 3e9.
    n, right = int(counts.sum()), int(np.trace(counts))
    true, guessed = counts.sum(axis=1), counts.sum(axis=0)
    covariance = n * right - int(true @ guessed)
    spread = (n * n - int(true @ true)) * (n * n - int(guessed @ guessed))
    return covariance / math.sqrt(spread) if spread else 0.0

"""Confusion matrix, and precision, recall and F1 of each class.

Protocol: rows are true classes, columns predicted ones. What would divide by zero is
NaN, not 0: precision where a class was never predicted, recall where it has no
example, F1 where neither happened.
"""

import numpy as np


def matrix(label: np.ndarray, predicted: np.ndarray, k: int) -> np.ndarray:
    """Counts how often each class was taken for each class.

    Args:
      label: (n,) integer in [0, k), the true classes.
      predicted: (n,) integer in [0, k).
      k: number of classes.

    Returns:
      (k, k) int64; entry [i, j] counts examples of class i predicted as j.

    Raises:
      ValueError: a class out of range, or unequal lengths.
    """
    _check(label, predicted, k)
    cell = label.astype(np.int64) * k + predicted
    return np.bincount(cell, minlength=k * k).reshape(k, k)


def per_class(
    label: np.ndarray, predicted: np.ndarray, k: int
) -> dict[str, np.ndarray]:
    """Scores each class by itself; needs no (k, k) memory.

    Args:
      label: (n,) integer in [0, k), the true classes.
      predicted: (n,) integer in [0, k).
      k: number of classes.

    Returns:
      "precision", "recall", "f1": (k,) float64 in [0, 1] or NaN; "support": (k,)
      int64, the number of examples of each class.

    Raises:
      ValueError: a class out of range, or unequal lengths.
    """
    _check(label, predicted, k)
    right = np.bincount(label[label == predicted], minlength=k)
    support = np.bincount(label, minlength=k)
    guessed = np.bincount(predicted, minlength=k)
    with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN of the protocol
        return {
            "precision": right / guessed,
            "recall": right / support,
            "f1": 2 * right / (support + guessed),
            "support": support,
        }


def _check(label: np.ndarray, predicted: np.ndarray, k: int) -> None:
    if label.shape != predicted.shape or label.ndim != 1:
        raise ValueError(
            "label and predicted must be (n,) arrays of equal length, got shapes "
            f"{label.shape} and {predicted.shape}; give one class per example"
        )
    for name, values in (("label", label), ("predicted", predicted)):
        wrong = values[(values < 0) | (values >= k)]
        if wrong.size:
            raise ValueError(
                f"{name} must lie in 0..{k - 1}, got {wrong[0]}; correct it or raise k"
            )

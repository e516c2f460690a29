"""Detection of anomalies by a score, by scikit-learn: 1 is an anomaly, 0 is normal."""

import numpy as np


def threshold(normal: np.ndarray, quantile: float) -> float:
    """Returns the quantile of the scores (n,) of normal examples, linearly between."""
    return float(np.quantile(normal, quantile))


def ranking(scores: np.ndarray, label: np.ndarray) -> dict[str, float]:
    """Measures how well scores part anomalies from the rest, at no threshold.

    Args:
      scores: (n,) float, higher for anomalies.
      label: (n,) 0 or 1, both there.

    Returns:
      auroc, average_precision.
    """
    from sklearn import metrics

    return {
        "auroc": float(metrics.roc_auc_score(label, scores)),
        "average_precision": float(metrics.average_precision_score(label, scores)),
    }


def at_threshold(scores: np.ndarray, label: np.ndarray, limit: float) -> dict:
    """Measures the verdict "scores above the limit are anomalies".

    Returns:
      threshold, anomaly_share (of all that is above it), and, where there are
      anomalies, precision (0 where nothing is above) and recall.
    """
    from sklearn import metrics

    above = (scores > limit).astype(int)
    found = {"threshold": limit, "anomaly_share": float(above.mean())}
    if label.any():
        precision, recall, _, _ = metrics.precision_recall_fscore_support(
            label, above, average="binary", zero_division=0.0
        )
        found |= {"precision": float(precision), "recall": float(recall)}
    return found

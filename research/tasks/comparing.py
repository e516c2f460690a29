"""What an autoencoder is compared with, and what its errors say of anomalies.

Scores of `scores`:
  pca_error                 squared error of a PCA with as many components as the code
                            has numbers, fitted to the training split
Where the classes of the data are ("normal", "anomaly"), and the split has both:
  auroc, average_precision  of the examples' errors
  precision, recall         of errors above the threshold, a quantile of the validation
                            split's errors; anomaly_share: of the split that is above
  pca_auroc                 the same of the errors of that PCA
  isolation_forest_auroc    the same of an Isolation Forest of 100 trees (Liu et al.
                            2008), on the same training split
"""

import numpy as np

from research.metrics import baselines, detection

SCORES = (
    "pca_error",
    "auroc",
    "average_precision",
    "precision",
    "recall",
    "anomaly_share",
    "threshold",
    "pca_auroc",
    "isolation_forest_auroc",
)
CLASSES = ("normal", "anomaly")
_MOST_NUMBERS = 10_000  # of an example; the covariance of more takes gigabytes


def check_quantile(quantile: float) -> None:
    """Checks the quantile that makes the threshold.

    Raises:
      ValueError: it is not in (0, 1).
    """
    if not 0 < quantile < 1:
        raise ValueError(
            f"task.quantile must be in (0, 1), got {quantile}; 0.95 calls a twentieth "
            "of normal data anomalous"
        )


def scores(measured, others, feature: str, quantile: float) -> dict[str, float]:
    """Computes the scores of the module's docstring; for `Task.compare`.

    Args:
      measured, others: see `Task.compare`.
      feature: name of the input.
      quantile: of the validation split's errors, in (0, 1).

    Raises:
      ValueError: the validation split holds nothing normal to make the threshold of.
    """
    found, fitted = {}, None
    train, x = others("train"), measured.inputs(feature)
    if np.prod(train.examples.spec.features[feature].shape) <= _MOST_NUMBERS:
        size = measured.predictions["code"][0].size
        fitted = baselines.Pca(train.inputs(feature), size)
        seen = measured.predictions.get("corrupted", x)
        pca_errors = fitted.errors(seen, x)
        found["pca_error"] = float(pca_errors.mean())
    if measured.examples.spec.class_names != CLASSES:
        return found
    errors = measured.predictions["error"]
    label = measured.examples.labels()
    threshold = detection.threshold(_normal_errors(others("validation")), quantile)
    found |= detection.at_threshold(errors, label, threshold)
    if len(np.unique(label)) < 2:
        return found
    found |= detection.ranking(errors, label)
    if fitted:
        found["pca_auroc"] = detection.ranking(pca_errors, label)["auroc"]
        forest = baselines.forest_scores(train.inputs(feature), x)
        found["isolation_forest_auroc"] = detection.ranking(forest, label)["auroc"]
    return found


def _normal_errors(validation) -> np.ndarray:
    label = validation.examples.labels()
    normal = validation.predictions["error"][label == 0]
    if not len(normal):
        raise ValueError(
            "the threshold of anomalies is a quantile of the normal validation "
            "examples, of which there are none; give the validation split some"
        )
    return normal

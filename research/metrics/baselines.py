"""Baselines without a network, by scikit-learn: PCA and Isolation Forest."""

import numpy as np


class Pca:
    """Principal components of examples, each flattened."""

    def __init__(self, train: np.ndarray, size: int):
        """Fits them, exactly: by the covariance's eigenvectors.

        Args:
          train: (n, ...) float.
          size: components; as many as there can be, where that is fewer.
        """
        from sklearn import decomposition  # takes a second to import

        flat = train.reshape(len(train), -1)
        size = min(size, *flat.shape)
        self._pca = decomposition.PCA(size, svd_solver="covariance_eigh")
        with np.errstate(invalid="ignore"):  # of the shares of a variance of zero
            self._pca.fit(flat)

    def encode(self, x: np.ndarray) -> np.ndarray:
        """Returns the codes (m, size) of examples (m, ...)."""
        return self._pca.transform(x.reshape(len(x), -1))

    def errors(self, seen: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Returns the squared errors (m,), each summed over an example.

        Args:
          seen: (m, ...), what is projected onto the components.
          x: (m, ...), what should come out.
        """
        back = self._pca.inverse_transform(self.encode(seen))
        return ((back - x.reshape(len(x), -1)) ** 2).sum(1)


def forest_scores(train: np.ndarray, x: np.ndarray, seed: int = 0) -> np.ndarray:
    """Scores examples by an Isolation Forest of 100 trees; higher is stranger.

    Args:
      train: (n, ...) float, of which each tree draws 256.
      x: (m, ...) float.
      seed: of the forest.

    Returns:
      (m,) float.
    """
    from sklearn import ensemble

    forest = ensemble.IsolationForest(n_estimators=100, random_state=seed)
    forest.fit(train.reshape(len(train), -1))
    return -forest.score_samples(x.reshape(len(x), -1))

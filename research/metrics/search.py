"""Nearest neighbours in tables of vectors, by scikit-learn, and how many are right.

Distances are Euclidean. `exact` compares with every row; `InvertedFile` with the rows
of the cells nearest to a query only (Sivic & Zisserman 2003; Jegou et al. 2011, section
IV), where the cells are those of k-means. `Int8` keeps a byte per number; `rescored`
orders candidates again by full vectors.
"""

import numpy as np


def exact(base: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """Returns the rows (q, k) of `base` (n, d) nearest to `queries` (q, d)."""
    from sklearn import neighbors

    index = neighbors.NearestNeighbors(n_neighbors=k, algorithm="brute").fit(base)
    return index.kneighbors(queries, return_distance=False)


class InvertedFile:
    """Rows in cells; a query visits the nearest cells only."""

    def __init__(self, base: np.ndarray, cells: int, seed: int = 0):
        """Makes the cells.

        Args:
          base: (n, d) float.
          cells: how many, in 1..n; about the root of n is usual.
          seed: of k-means.
        """
        from sklearn import cluster

        means = cluster.MiniBatchKMeans(
            cells, random_state=seed, n_init=1, batch_size=2048
        )
        cell = means.fit_predict(base)
        self._centres = means.cluster_centers_.astype(base.dtype)
        order = np.argsort(cell, kind="stable")
        ends = np.cumsum(np.bincount(cell, minlength=cells))
        self._rows = np.split(order, ends[:-1])
        # Rows of a cell lie side by side, so that a visit copies nothing.
        self._vectors = np.split(base[order], ends[:-1])

    def search(self, queries: np.ndarray, k: int, visits: int) -> np.ndarray:
        """Returns the rows (q, k) found in the `visits` nearest cells; -1: no more."""
        from sklearn import metrics

        cells = exact(self._centres, queries, visits)
        near = np.full((len(queries), visits, k), -1)
        far = np.full(near.shape, np.inf, np.float32)
        query, place = np.divmod(np.argsort(cells, axis=None, kind="stable"), visits)
        ends = np.cumsum(np.bincount(cells.ravel(), minlength=len(self._rows)))
        groups = zip(
            np.split(query, ends[:-1]), np.split(place, ends[:-1]), strict=True
        )
        for cell, (asking, at) in enumerate(groups):
            rows = self._rows[cell]
            if not len(asking) or not len(rows):
                continue
            found = metrics.pairwise.euclidean_distances(
                queries[asking], self._vectors[cell], squared=True
            )
            count = min(k, len(rows))
            best = np.argpartition(found, count - 1, axis=1)[:, :count]
            near[asking, at, :count] = rows[best]
            far[asking, at, :count] = np.take_along_axis(found, best, axis=1)
        near, far = (x.reshape(len(queries), -1) for x in (near, far))
        order = np.argsort(far, axis=1)[:, :k]
        return np.take_along_axis(near, order, axis=1)


class Int8:
    """Vectors of a byte per number, each column scaled by its own range."""

    def __init__(self, base: np.ndarray):
        self._low = base.min(0)
        span = base.max(0) - self._low
        self._step = np.where(span > 0, span, 1).astype(np.float32) / 255

    def pack(self, vectors: np.ndarray) -> np.ndarray:
        """Returns (n, d) uint8 of vectors (n, d)."""
        scaled = np.rint((vectors - self._low) / self._step)
        return np.clip(scaled, 0, 255).astype(np.uint8)

    def unpack(self, packed: np.ndarray) -> np.ndarray:
        """Returns (n, d) float32, each number within half a step."""
        return packed.astype(np.float32) * self._step + self._low


def rescored(
    base: np.ndarray, queries: np.ndarray, candidates: np.ndarray, k: int
) -> np.ndarray:
    """Returns the k nearest (q, k) among candidates (q, c), by full vectors."""
    found = np.empty((len(queries), k), candidates.dtype)
    for row, (query, rows) in enumerate(zip(queries, candidates, strict=True)):
        rows = rows[rows >= 0]
        distance = ((base[rows] - query) ** 2).sum(1)
        best = rows[np.argsort(distance)[:k]]
        found[row] = np.concatenate([best, np.full(k - len(best), -1)])
    return found


def recall(found: np.ndarray, true: np.ndarray) -> float:
    """Returns the share of the true neighbours (q, k) that are among the found."""
    pairs = zip(found, true, strict=True)
    return float(np.mean([np.isin(right, row).mean() for row, right in pairs]))

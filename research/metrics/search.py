"""Nearest neighbours in tables of vectors, by FAISS, and how many are right.

FAISS: Douze et al. 2024, The Faiss library, https://arxiv.org/abs/2401.08281. Distances
are squared Euclidean. An exact index compares a query with every row; an inverted file
with the rows of the cells nearest to it only (Sivic & Zisserman 2003; Jegou et al.
2011, section IV), where the cells are those of k-means. Either keeps four bytes per
number, or one: each column scaled by its own range. `rescored` orders candidates again
by full vectors.
"""

import faiss
import numpy as np

# Rows that k-means sees per cell; fewer than FAISS advises (39) make it warn.
_ROWS_PER_CELL = (1, 256)


def exact(base: np.ndarray, int8: bool = False) -> faiss.Index:
    """Indexes every row of `base` (n, d) float32, a byte per number with `int8`."""
    size = base.shape[1]
    kind = faiss.ScalarQuantizer.QT_8bit
    index = faiss.IndexScalarQuantizer(size, kind) if int8 else faiss.IndexFlatL2(size)
    index.train(base)
    index.add(base)
    return index


def inverted_file(
    base: np.ndarray, cells: int, int8: bool = False, seed: int = 0
) -> faiss.IndexIVF:
    """Indexes the rows of `base` by cells.

    Args:
      base: (n, d) float32.
      cells: how many, in 1..n; about the root of n is usual.
      int8: keep a byte per number.
      seed: of k-means.
    """
    size = base.shape[1]
    means = faiss.IndexFlatL2(size)
    if int8:
        kind = faiss.ScalarQuantizer.QT_8bit
        index = faiss.IndexIVFScalarQuantizer(
            means, size, cells, kind, faiss.METRIC_L2, False
        )
    else:
        index = faiss.IndexIVFFlat(means, size, cells)
    index.cp.seed = seed
    index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = _ROWS_PER_CELL
    index.train(base)
    index.add(base)
    return index


def nearest(index: faiss.Index, queries: np.ndarray, k: int, visits: int = 1):
    """Returns the rows (q, k) nearest to `queries` (q, d); -1: no more was found.

    Args:
      index: of `exact` or `inverted_file`.
      queries: float32.
      k: how many.
      visits: cells of an inverted file that a query visits.
    """
    if isinstance(index, faiss.IndexIVF):
        index.nprobe = visits
    return index.search(np.ascontiguousarray(queries), k)[1]


def rescored(
    base: np.ndarray, queries: np.ndarray, candidates: np.ndarray, k: int
) -> np.ndarray:
    """Returns the k nearest (q, k) among candidates (q, c), by full vectors.

    Args:
      base, queries: (n, d) and (q, d), float32 and contiguous.
      candidates: int64 rows of `base`; -1 for none.
      k: at most c.
    """
    distance = np.empty(candidates.shape, np.float32)
    pointers = map(faiss.swig_ptr, (distance, queries, base, candidates))
    faiss.fvec_L2sqr_by_idx(*pointers, base.shape[1], *candidates.shape)
    best = np.argpartition(distance, k - 1, axis=1)[:, :k]
    order = np.argsort(np.take_along_axis(distance, best, axis=1), axis=1)
    best = np.take_along_axis(best, order, axis=1)
    return np.take_along_axis(candidates, best, axis=1)


def recall(found: np.ndarray, true: np.ndarray) -> float:
    """Returns the share of the true neighbours (q, k) that are among the found."""
    pairs = zip(found, true, strict=True)
    return float(np.mean([np.isin(right, row).mean() for row, right in pairs]))

"""Distances between two sets of images, by features of some fixed network.

All take features (n, d): what the network's last layer reads. Their values depend on
that network, on the number of images and on how these were resized: a number means
something beside others of the same protocol only. "Frechet Inception Distance" is the
name for the features of one published Inception network and for no other.

  Frechet distance  |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) of two Gaussians
                    with the features' means and covariances: Eq. (6) of Heusel et al.
                    2017, https://arxiv.org/abs/1706.08500
  kernel distance   the unbiased squared maximum mean discrepancy with the kernel
                    (x y / d + 1)^3: Eq. (4) of Binkowski et al. 2018,
                    https://arxiv.org/abs/1801.01401
  precision, recall share of the images of one set inside the other's manifold, a union
                    of balls that reach to the k-th neighbour: Eq. (1), (2) of
                    Kynkaanniemi et al. 2019, https://arxiv.org/abs/1904.06991
"""

import numpy as np

_ROWS = 1000  # of a matrix of distances that is held at once


def frechet_distance(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Returns the Frechet distance of two sets of features, (n, d) and (m, d).

    Raises:
      ValueError: a set has fewer than two images, or the widths differ.
    """
    a, b = _checked(features_a, features_b)
    mean = a.mean(0) - b.mean(0)
    first, second = (np.cov(x, rowvar=False).reshape(x.shape[1], -1) for x in (a, b))
    # The roots of the eigenvalues of C_a C_b, which has those of a symmetric matrix.
    values, vectors = np.linalg.eigh(first)
    root = vectors * np.sqrt(np.clip(values, 0, None))
    product = np.linalg.eigvalsh(root.T @ second @ root)
    cross = np.sqrt(np.clip(product, 0, None)).sum()
    distance = mean @ mean + np.trace(first) + np.trace(second) - 2 * cross
    return float(max(distance, 0.0))


def kernel_distance(
    features_a: np.ndarray,
    features_b: np.ndarray,
    *,
    subsets: int = 100,
    size: int = 1000,
    seed: int = 0,
) -> float:
    """Returns the mean kernel distance over random subsets; it may be below 0.

    Args:
      features_a: (n, d).
      features_b: (m, d).
      subsets: drawn of each set; where both have at most `size` images, all of both are
        taken once.
      size: images of a subset.
      seed: of the draws.

    Raises:
      ValueError: a set has fewer than two images, or the widths differ.
    """
    a, b = _checked(features_a, features_b)
    if max(len(a), len(b)) <= size:
        return _discrepancy(a, b)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(subsets):
        chosen = (
            x[rng.choice(len(x), min(size, len(x)), replace=False)] for x in (a, b)
        )
        found.append(_discrepancy(*chosen))
    return float(np.mean(found))


def precision_recall(
    features_real: np.ndarray, features_made: np.ndarray, *, neighbours: int = 3
) -> tuple[float, float]:
    """Returns (share of made images that seem real, share of real ones covered).

    Args:
      features_real: (n, d).
      features_made: (m, d).
      neighbours: k; a ball of a set's manifold reaches to its k-th neighbour there.

    Raises:
      ValueError: a set has at most k images, or the widths differ.
    """
    real, made = _checked(features_real, features_made, least=neighbours + 1)
    precision = _covered(made, real, _radii(real, neighbours))
    return precision, _covered(real, made, _radii(made, neighbours))


def _discrepancy(a: np.ndarray, b: np.ndarray) -> float:
    def kernel(x, y):
        return (x @ y.T / x.shape[1] + 1) ** 3

    def within(x):  # without an image and itself
        k, n = kernel(x, x), len(x)
        return (k.sum() - np.trace(k)) / (n * (n - 1))

    return float(within(a) + within(b) - 2 * kernel(a, b).mean())


def _radii(x: np.ndarray, neighbours: int) -> np.ndarray:
    """Returns each image's squared distance to its k-th neighbour in its set."""
    parts = []
    for start in range(0, len(x), _ROWS):
        near = np.partition(_squared(x[start : start + _ROWS], x), neighbours, axis=1)
        parts.append(near[:, neighbours])  # the nearest is the image itself
    return np.concatenate(parts)


def _covered(x: np.ndarray, others: np.ndarray, radii: np.ndarray) -> float:
    inside = [
        (_squared(x[start : start + _ROWS], others) <= radii).any(1)
        for start in range(0, len(x), _ROWS)
    ]
    return float(np.concatenate(inside).mean())


def _squared(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    found = (x**2).sum(1)[:, None] + (y**2).sum(1) - 2 * (x @ y.T)
    return np.maximum(found, 0)


def _checked(a, b, least: int = 2) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(
            f"features must be (images, width) with one width, got {a.shape} and "
            f"{b.shape}; take both of the same network"
        )
    if min(len(a), len(b)) < least:
        raise ValueError(
            f"each set needs at least {least} images, got {len(a)} and {len(b)}; make "
            "more"
        )
    return a, b

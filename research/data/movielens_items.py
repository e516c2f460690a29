"""Vectors of films, made of the ratings of MovieLens (Harper & Konstan 2015,
https://doi.org/10.1145/2827872): what people who rated them alike have in common.

The folder holds ratings.csv with columns userId, movieId, rating. A film's vector is
its row of the truncated singular value decomposition, by scikit-learn, of the films'
ratings, each less its user's mean. Films of few ratings are left out.
"""

import numpy as np

from research.data import source, tables

_HOLDS = "ratings.csv of MovieLens"


def splits(
    path: str | None, *, size: int = 64, least: int = 2, seed: int = 0
) -> tuple[str, ...]:
    """Lists the splits; others are held out of it."""
    return ("train",)


def load(
    split: str, path: str | None, *, size: int = 64, least: int = 2, seed: int = 0
) -> source.Arrays:
    """Makes vectors: vector (size,) float32, of mean square 1; movie () int32, its id.

    Args:
      split: "train".
      path: the folder.
      size: numbers of a vector.
      least: ratings that a film needs.
      seed: of the decomposition.

    Raises:
      FileNotFoundError: there is no ratings.csv.
      ValueError: the file is not as it should be, or fewer films than numbers remain.
    """
    source.check_split(split, ("train",), f"movielens_items {path}")
    folder = source.require_folder(path, _HOLDS)
    users, movies, ratings = tables.read(
        folder / "ratings.csv", ("userId", "movieId", "rating")
    )
    try:
        movie, user = np.array(movies, np.int32), np.array(users, np.int64)
        rating = np.array(ratings, np.float64)
    except ValueError as error:
        raise ValueError(
            f"{folder / 'ratings.csv'} must hold numbers in userId, movieId and rating "
            f"({error}); download it again"
        ) from error
    ids, row, count = np.unique(movie, return_inverse=True, return_counts=True)
    _, column = np.unique(user, return_inverse=True)
    rating -= (np.bincount(column, rating) / np.bincount(column))[column]
    kept = np.flatnonzero(count >= least)
    if len(kept) <= size or column.max() < size:
        raise ValueError(
            f"{len(kept)} films and {column.max() + 1} users of {folder} are too few "
            f"for vectors of {size} numbers; lower config.data.size or least"
        )
    from scipy import sparse
    from sklearn import decomposition

    table = sparse.csr_matrix((rating, (row, column)))[kept]
    vector = decomposition.TruncatedSVD(size, random_state=seed).fit_transform(table)
    vector /= np.sqrt((vector**2).mean())
    return source.Arrays({"vector": vector.astype(np.float32), "movie": ids[kept]})

"""Vectors of films: their size, the films left out, and equal tastes."""

import numpy as np
import pytest

from research.data import movielens_items


def _write(folder, ratings):
    lines = ["userId,movieId,rating,timestamp"]
    lines += [f"{user},{movie},{rating},0" for user, movie, rating in ratings]
    (folder / "ratings.csv").write_text("\n".join(lines) + "\n")


def test_films_rated_alike_have_like_vectors_and_rare_ones_none(tmp_path):
    rng = np.random.default_rng(0)
    ratings = [(u, m, rng.integers(1, 6)) for u in range(12) for m in range(10, 18)]
    ratings += [(u, 99, r) for u, m, r in ratings if m == 10] + [(0, 500, 3.0)]
    _write(tmp_path, ratings)
    made = movielens_items.load("train", str(tmp_path), size=3)
    assert made.arrays["movie"].tolist() == [*range(10, 18), 99]
    vector = made.arrays["vector"]
    assert vector.shape == (9, 3) and vector.dtype == np.float32
    np.testing.assert_allclose(vector[0], vector[-1], atol=1e-5)
    assert (vector**2).mean() == pytest.approx(1, rel=1e-5)


def test_too_few_films_are_one_sentence(tmp_path):
    _write(tmp_path, [(1, 7, 3.0), (2, 7, 4.0), (2, 8, 1.0)])
    with pytest.raises(ValueError) as error:
        movielens_items.load("train", str(tmp_path))
    assert str(error.value) == (
        f"1 films and 2 users of {tmp_path} are too few for vectors of 64 numbers; "
        "lower config.data.size or least"
    )


def test_a_rating_that_is_no_number_is_one_sentence(tmp_path):
    (tmp_path / "ratings.csv").write_text("userId,movieId,rating\n1,2,good\n")
    with pytest.raises(ValueError) as error:
        movielens_items.load("train", str(tmp_path))
    assert str(error.value) == (
        f"{tmp_path}/ratings.csv must hold numbers in userId, movieId and rating "
        "(could not convert string to float: 'good'); download it again"
    )

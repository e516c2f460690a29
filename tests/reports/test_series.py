"""Errors of rows by their windows, and spans."""

import numpy as np
from PIL import Image

from research.reports import series


def test_a_row_has_the_mean_error_of_its_windows():
    errors, count = np.array([1.0, 2.0, 4.0, 8.0]), 6  # windows of 3 rows
    held = [[e for w, e in enumerate(errors) if w <= r < w + 3] for r in range(count)]
    expected = [np.mean(each) for each in held]
    np.testing.assert_allclose(series.row_errors(errors, count), expected)
    np.testing.assert_allclose(series.row_errors(errors, 4), errors)


def test_spans_are_runs():
    above = np.array([True, True, False, True, False, True])
    assert series.spans(above) == [(0, 2), (3, 4), (5, 6)]
    assert series.spans(np.zeros(3, bool)) == []


def test_a_series_is_drawn(tmp_path):
    file = tmp_path / "s.png"
    values = np.random.default_rng(0).normal(size=(50, 2))
    series.draw(file, values, ["a", "b"], np.linspace(0, 1, 50), 0.8)
    with Image.open(file) as drawn:
        red = [1 for n, c in drawn.convert("RGB").getcolors(2**24) if c[0] > c[2] + 30]
    assert red

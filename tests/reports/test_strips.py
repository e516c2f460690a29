"""Rows of pictures."""

import numpy as np

from research.reports import strips


def test_a_grid_has_full_rows_and_a_rest_and_names_the_first():
    images = np.arange(37 * 12).astype(np.uint8).reshape(37, 2, 2, 3)
    rows = strips.grid(images, "made")
    assert [(name, len(row)) for name, row in rows] == [("made", 16), ("", 16), ("", 5)]
    np.testing.assert_array_equal(np.concatenate([row for _, row in rows]), images)

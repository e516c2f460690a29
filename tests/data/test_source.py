"""Arrays and subsets of them."""

import re

import numpy as np
import pytest

from research.data import source


def test_arrays_and_subset():
    image = np.arange(24, dtype=np.uint8).reshape(6, 2, 2, 1)
    whole = source.Arrays({"image": image, "label": np.arange(6, dtype=np.int32)})
    assert len(whole) == 6
    assert whole.spec.features["image"] == source.Feature((2, 2, 1), "uint8")
    part = source.Subset(source.Subset(whole, [5, 3, 1]), [2, 0])
    assert len(part) == 2 and part.spec == whole.spec
    rows = part.gather(np.array([1, 0, 1]))
    assert rows["label"].tolist() == [5, 1, 5]
    np.testing.assert_array_equal(rows["image"], image[[5, 1, 5]])
    assert part.labels().tolist() == [1, 5]


def test_no_labels():
    whole = source.Arrays({"x": np.zeros((3, 2))})
    assert whole.labels() is None
    assert source.Subset(whole, [0]).labels() is None


def test_in_memory():
    whole = source.Arrays({"x": np.zeros((3, 2))})
    assert source.in_memory(whole)
    assert source.in_memory(source.Subset(source.Subset(whole, [0]), [0]))
    assert not source.in_memory(object())


def test_unequal_rows():
    message = (
        "all arrays of a data set need one row per example, got rows "
        "{'x': 3, 'y': 2}; make their first axes equal"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        source.Arrays({"x": np.zeros(3), "y": np.zeros(2)})

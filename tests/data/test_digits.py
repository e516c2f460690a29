"""The digits source: fixed split, values, sizes."""

import re
import subprocess
import sys

import numpy as np
import pytest

from research.data import digits


def test_split_sizes_and_classes_are_fixed():
    sizes = {split: len(digits.load(split)) for split in digits.splits()}
    assert sizes == {"train": 1079, "validation": 359, "test": 359}
    for split in digits.splits():
        counts = np.bincount(digits.load(split).labels(), minlength=10)
        assert counts.max() - counts.min() <= 6  # 174 to 183 of each in the data


def test_splits_hold_every_digit_once():
    from sklearn import datasets

    pixels, label = datasets.load_digits(return_X_y=True)
    ours = []
    for split in digits.splits():
        part = digits.load(split)
        rows = part.gather(np.arange(len(part)))
        assert rows["image"].dtype == np.uint8 and rows["label"].dtype == np.int32
        flat = rows["image"].reshape(len(part), 64).astype(int)
        ours.append(np.column_stack([flat, rows["label"]]))
    theirs = np.column_stack([np.round(pixels * 255 / 16), label]).astype(int)
    ours = np.concatenate(ours)
    np.testing.assert_array_equal(_sorted(ours), _sorted(theirs))


def _sorted(table):
    return table[np.lexsort(table.T)]


def test_first_examples_never_change():
    test = digits.load("test").gather(np.arange(12))
    assert test["label"].tolist() == [1, 5, 8, 3, 6, 7, 5, 0, 5, 5, 9, 7]
    assert int(test["image"].astype(int).sum()) == 62546


def test_image_size_resizes():
    part = digits.load("test", image_size=32)
    assert part.spec.features["image"].shape == (32, 32, 1)
    small = digits.load("test").gather(np.arange(5))["image"].mean((1, 2, 3))
    large = part.gather(np.arange(5))["image"].mean((1, 2, 3))
    np.testing.assert_allclose(small, large, rtol=0.1)


def test_unknown_split():
    message = "digits has no split 'dev'; it has: train, validation, test"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        digits.load("dev")


def test_scikit_learn_is_not_imported():
    program = (
        "import sys; from research.data import digits; digits.load('test');"
        "sys.exit('sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0

"""Synthetic shapes: deterministic, inside their boxes, of all classes."""

import numpy as np
import pytest

from research.data import synthetic_objects


def test_boxes_hold_the_shapes():
    made = synthetic_objects.load("train", image_shape=(64, 96, 3), count=32)
    again = synthetic_objects.load("train", image_shape=(64, 96, 3), count=32)
    for name, array in made.arrays.items():
        np.testing.assert_array_equal(array, again.arrays[name], err_msg=name)
    image, mask = made.arrays["image"], made.arrays["box_mask"] > 0
    assert set(made.arrays["labels"][mask]) == {0, 1, 2}
    assert not mask.all(1).all() and (~mask).all(1).any(), "some are full, some empty"
    for k, n in zip(*np.nonzero(mask), strict=True):
        left, top, right, bottom = made.arrays["boxes"][k, n].astype(int)
        middle = image[k, (top + bottom) // 2, (left + right) // 2].astype(int)
        assert middle.max() - middle.min() > 150, "a shape has a strong colour"
        assert 0 <= left < right <= 96 and 0 <= top < bottom <= 64


def test_splits_differ():
    parts = [synthetic_objects.load(s, count=16) for s in synthetic_objects.splits()]
    assert [len(p) for p in parts] == [16, 4, 4]
    first, second = (p.arrays["image"][:4] for p in parts[1:])
    assert not np.array_equal(first, second)


def test_an_option_out_of_range():
    with pytest.raises(ValueError) as error:
        synthetic_objects.load("train", image_shape=(16, 16, 3))
    assert str(error.value) == (
        "synthetic objects need image_shape (height, width, 3) of at least 32 pixels, "
        "num_classes and max_boxes >= 1 and count >= 4, got (16, 16, 3), 3, 4 and 512; "
        "correct them"
    )

"""Random erasing and cutout against plain loops and their published bounds."""

import numpy as np

from research.data import augment_erasing

RNG = np.random.default_rng(3)
FILL = np.array([0.1, 0.2, 0.3], np.float32)


def test_cutout_is_a_square_around_a_pixel():
    image = RNG.random((50, 9, 12, 3)).astype(np.float32)
    draws = RNG.random((50, 2)).astype(np.float32)
    out = augment_erasing.cutout(image, draws, 4, FILL)
    for before, draw, got in zip(image, draws, out, strict=True):
        y, x = int(draw[0] * 9), int(draw[1] * 12)
        expected = before.copy()
        expected[max(0, y - 2) : y + 2, max(0, x - 2) : x + 2] = FILL
        np.testing.assert_array_equal(got, expected)


def test_erasing_fills_one_box_of_the_published_size():
    image = np.ones((4000, 32, 40, 3), np.float32)
    draws = RNG.random((4000, augment_erasing.ERASE_DRAWS)).astype(np.float32)
    out = np.asarray(augment_erasing.erase(image, draws, 0.25, FILL))
    gone = (out != 1).all(-1)
    np.testing.assert_allclose(out[gone], np.tile(FILL, (gone.sum(), 1)))
    hit = gone.any((1, 2))
    np.testing.assert_array_equal(hit, draws[:, 0] < 0.25)
    for mask in gone[hit]:
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert box.all() and box.size == mask.sum()  # one full rectangle
        # Whole pixels: sides are rounded by up to a half each.
        assert 0.015 < box.size / mask.size < 0.36
        assert 0.25 < box.shape[1] / box.shape[0] < 3.9


def test_erasing_with_probability_one_hits_all():
    image = np.ones((200, 16, 16, 1), np.float32)
    draws = RNG.random((200, augment_erasing.ERASE_DRAWS)).astype(np.float32)
    out = np.asarray(augment_erasing.erase(image, draws, 1.0, FILL[:1]))
    assert (out != 1).any((1, 2, 3)).all()

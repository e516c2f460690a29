"""Random boxes: their distribution, and one arithmetic in numpy and JAX."""

import jax.numpy as jnp
import numpy as np
import pytest

from research.data import augment_boxes

RNG = np.random.default_rng(1)
AREA, RATIO = (0.08, 1.0), (3 / 4, 4 / 3)


def _boxes(count, height, width, area=AREA, ratio=RATIO):
    draws = RNG.random((count, augment_boxes.DRAWS))
    return np.stack(augment_boxes.crop(draws, height, width, area, ratio), 1)


@pytest.mark.parametrize("height, width", [(200, 300), (32, 32), (333, 64), (1, 1)])
def test_boxes_lie_inside_and_hold_whole_pixels(height, width):
    boxes = _boxes(2000, height, width)
    top, left, tall, wide = boxes.T
    assert (boxes == np.rint(boxes)).all()
    assert (top >= 0).all() and (top + tall <= height).all() and (tall >= 1).all()
    assert (left >= 0).all() and (left + wide <= width).all() and (wide >= 1).all()


def test_area_and_ratio_are_distributed_as_asked():
    _, _, tall, wide = _boxes(40_000, 1000, 1000, area=(0.1, 0.5)).T
    share, ratio = tall * wide / 1e6, wide / tall
    assert 0.099 < share.min() and share.max() < 0.501
    histogram, _ = np.histogram(share, 8, (0.1, 0.5))
    np.testing.assert_allclose(histogram / 5000, 1, atol=0.06)  # uniform
    histogram, _ = np.histogram(np.log(ratio), 8, np.log(RATIO))
    np.testing.assert_allclose(histogram / 5000, 1, atol=0.06)


def test_every_place_is_equally_likely():
    top, left, tall, wide = _boxes(40_000, 100, 100, area=(0.25, 0.25)).T
    for start, length in ((top, tall), (left, wide)):
        histogram, _ = np.histogram(start / (100 - length + 1), 5, (0, 1))
        np.testing.assert_allclose(histogram / 8000, 1, atol=0.07)


@pytest.mark.parametrize(
    "height, width, ratio, box",
    [
        (90, 10, RATIO, (38, 0, 13, 10)),
        (10, 90, RATIO, (0, 38, 10, 13)),
        (12, 12, (1.2, 1.2), (1, 0, 10, 12)),
    ],
)
def test_where_nothing_fits_the_largest_central_part_is_kept(height, width, ratio, box):
    found = _boxes(5, height, width, area=(1.0, 1.0), ratio=ratio)
    np.testing.assert_array_equal(found, [box] * 5)


def test_numpy_and_jax_choose_the_same_boxes():
    draws = RNG.random((500, augment_boxes.DRAWS)).astype(np.float32)
    ours = augment_boxes.crop(draws, 224, 160, AREA, RATIO)
    theirs = augment_boxes.crop(jnp.asarray(draws), 224, 160, AREA, RATIO, jnp)
    same = [(a == np.asarray(b)).mean() for a, b in zip(ours, theirs, strict=True)]
    assert min(same) > 0.99  # but for roundings at a half


def test_crops_on_the_host_depend_on_seed_epoch_and_example_only():
    crop = augment_boxes.RandomCrop(3, AREA, RATIO)
    first = crop.box(2, 17, 480, 640)
    assert first == augment_boxes.RandomCrop(3, AREA, RATIO).box(2, 17, 480, 640)
    assert all(isinstance(side, int) for side in first)
    others = {
        crop.box(1, 17, 480, 640),
        crop.box(2, 18, 480, 640),
        crop.box(17, 2, 480, 640),
        augment_boxes.RandomCrop(4, AREA, RATIO).box(2, 17, 480, 640),
    }
    assert len(others) == 4 and first not in others
    assert first == (
        88,
        327,
        332,
        271,
    )  # another value would change every run that is resumed
    largest = augment_boxes.RandomCrop(2**32 - 1, AREA, RATIO)
    assert len(largest.box(2**31 - 1, 2**31 - 1, 480, 640)) == 4

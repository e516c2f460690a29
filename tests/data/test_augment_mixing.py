"""Mixup and CutMix: images, labels, and that the two agree."""

import jax.numpy as jnp
import numpy as np
import pytest

from research.data import augment_mixing

RNG = np.random.default_rng(4)
COUNT, HEIGHT, WIDTH, CLASSES = 40, 12, 16, 5
IMAGE = RNG.random((COUNT, HEIGHT, WIDTH, 3)).astype(np.float32)
LABEL = RNG.integers(0, CLASSES, COUNT)
TARGET = np.eye(CLASSES, dtype=np.float32)[LABEL]


def _mix(share, pasted):
    draws = RNG.random((COUNT, 2)).astype(np.float32)
    share = jnp.asarray(share, jnp.float32)
    image, target = augment_mixing.mix(IMAGE, TARGET, share, jnp.asarray(pasted), draws)
    return np.asarray(image), np.asarray(target)


def test_mixup_is_a_weighted_sum():
    share = RNG.random(COUNT)
    image, target = _mix(share, np.zeros(COUNT, bool))
    for i in range(COUNT):
        w, j = share[i], i - 1
        np.testing.assert_allclose(
            image[i], w * IMAGE[i] + (1 - w) * IMAGE[j], atol=1e-6
        )
        np.testing.assert_allclose(
            target[i], w * TARGET[i] + (1 - w) * TARGET[j], atol=1e-6
        )


def test_cutmix_pastes_a_box_and_weighs_labels_by_its_area():
    share = RNG.random(COUNT)
    image, target = _mix(share, np.ones(COUNT, bool))
    for i in range(COUNT):
        pasted = (image[i] == IMAGE[i - 1]).all(-1)
        kept = (image[i] == IMAGE[i]).all(-1)
        assert (pasted ^ kept).all()
        rows, columns = pasted.any(1), pasted.any(0)
        np.testing.assert_array_equal(pasted, rows[:, None] & columns[None])
        area = pasted.mean()
        assert area <= 1 - share[i] + 1e-6  # whole pixels, and cut at the border
        expected = (1 - area) * TARGET[i] + area * TARGET[i - 1]
        np.testing.assert_allclose(target[i], expected, atol=1e-6)


@pytest.mark.parametrize("pasted", [False, True])
def test_targets_stay_probabilities(pasted):
    _, target = _mix(RNG.random(COUNT), np.full(COUNT, pasted))
    np.testing.assert_allclose(target.sum(-1), 1, atol=1e-6)
    assert (target >= 0).all()


@pytest.mark.parametrize("pasted", [False, True])
def test_a_share_of_one_changes_nothing(pasted):
    image, target = _mix(np.ones(COUNT), np.full(COUNT, pasted))
    np.testing.assert_array_equal(image, IMAGE)
    np.testing.assert_array_equal(target, TARGET)

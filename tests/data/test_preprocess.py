"""What stored pixels become: padding, scale, mask, and where augmentation acts."""

import numpy as np
import pytest

from research.data import preprocess

IMAGE = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), np.uint8)
MEAN, STD = (0.1, 0.2, 0.3), (0.5, 0.6, 0.7)


def _expected(pixels):
    return (pixels / 255 - np.array(MEAN)) / np.array(STD)


def test_pixels_are_padded_with_black_and_normalised():
    batch = {"image": IMAGE, "label": np.arange(3, dtype=np.int32)}
    made = preprocess.make(pad=2, mean=MEAN, std=STD)(batch)
    padded = np.pad(IMAGE, ((0, 0), (2, 2), (2, 2), (0, 0)))
    np.testing.assert_allclose(made["image"], _expected(padded), rtol=1e-5, atol=1e-6)
    assert made["image"].dtype == np.float32
    np.testing.assert_array_equal(made["label"], batch["label"])
    np.testing.assert_array_equal(made["mask"], np.ones(3, np.float32))


def test_a_mask_and_other_features_are_left_alone():
    batch = {"x": np.arange(3.0), "mask": np.array([1, 1, 0], np.float32)}
    made = preprocess.make(pad=0, mean=(0.0,), std=(1.0,))(batch)
    assert set(made) == {"x", "mask"}
    np.testing.assert_array_equal(made["mask"], batch["mask"])


def test_augmentation_sees_padded_images_between_0_and_1_and_the_seed():
    seen = []

    def augment(batch, seed):
        seen.append((batch["image"].shape, seed, float(batch["image"].max())))
        return batch | {"image": 1 - batch["image"]}

    make = dict(pad=1, mean=MEAN, std=STD)
    made = preprocess.make(**make, augment=augment)({"image": IMAGE}, 7)
    assert seen == [((3, 6, 7, 3), 7, pytest.approx(IMAGE.max() / 255))]
    padded = np.pad(IMAGE, ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = _expected(255.0 - padded)
    np.testing.assert_allclose(made["image"], expected, rtol=1e-4, atol=1e-5)

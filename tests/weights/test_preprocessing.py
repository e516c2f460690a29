import numpy as np
import pytest
from PIL import Image

from research import weights
from research.weights import preprocessing

RULE = weights.Preprocessing(
    resize=32,
    interpolation="bilinear",
    crop=(24, 24),
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)


@pytest.fixture
def photo():
    draw = np.random.default_rng(0)
    small = Image.fromarray(draw.integers(0, 256, (9, 13, 3), dtype=np.uint8))
    return small.resize((65, 45), Image.Resampling.BICUBIC)


def test_shorter_side_then_centre_then_normalised(photo):
    found = RULE(photo)
    resized = photo.resize((int(32 * 65 / 45), 32), Image.Resampling.BILINEAR)
    cropped = resized.crop((11, 4, 35, 28))  # (46 - 24) / 2, (32 - 24) / 2
    wanted = np.asarray(cropped, np.float32) / 255
    wanted = (wanted - np.array(RULE.mean)) / np.array(RULE.std)
    assert found.shape == (24, 24, 3) and found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    np.testing.assert_array_equal(RULE(np.asarray(photo)), found)


def test_both_sides_without_the_aspect_ratio(transformers, photo):
    processor = transformers.ViTImageProcessor(
        size={"height": 24, "width": 20}, resample=2
    )
    there = processor(photo, return_tensors="np")["pixel_values"][0]
    rule = weights.Preprocessing((24, 20), "bilinear", (24, 20), (0.5,) * 3, (0.5,) * 3)
    here = rule(photo)
    assert here.shape == (24, 20, 3)
    # torch's resize of bytes may differ from Pillow's by one level in 255
    assert np.max(np.abs(here - there.transpose(1, 2, 0))) <= 2.01 / 255


def test_small_images_get_a_black_border_and_grey_ones_one_channel(photo):
    rule = weights.Preprocessing(None, "bicubic", (47, 67), (0.0,), (1.0,))
    found = rule(photo.convert("L"))
    assert found.shape == (47, 67, 1)
    assert not found[0].any() and not found[:, 0].any() and found[1:-1, 1:-1].any()
    grey = np.asarray(photo.convert("L"), np.float32)[..., None] / 255
    np.testing.assert_allclose(found[1:-1, 1:-1], grey, atol=1e-7)
    np.testing.assert_array_equal(
        rule(np.asarray(photo.convert("L"))[..., None]), found
    )


def test_json_there_and_back():
    assert preprocessing.from_json(RULE.to_json()) == RULE


def test_an_unknown_filter_is_refused():
    with pytest.raises(ValueError) as error:
        weights.Preprocessing(32, "cubic", (24, 24), (0.5,), (0.5,))
    assert str(error.value) == (
        "unknown interpolation 'cubic'; use one of nearest, lanczos, bilinear, "
        "bicubic, box, hamming"
    )

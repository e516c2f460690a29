"""Grids of example images, and the images taken out of them again."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from research.reports import pictures


def _images(shape, n=8):
    return np.random.default_rng(0).integers(0, 256, (n, *shape)).astype(np.uint8)


def test_small_images_come_back_exactly(tmp_path):
    images = _images((8, 6, 3))
    boxes = pictures.write_grid(tmp_path / "a" / "grid.png", images, ["x\ny"] * 8)
    for array, (data, kind) in zip(
        images, pictures.cut(tmp_path / "a" / "grid.png", boxes), strict=True
    ):
        with Image.open(io.BytesIO(data)) as picture:
            assert kind == "png" and picture.size == (96, 128)  # 16 times
            np.testing.assert_array_equal(np.asarray(picture)[::16, ::16], array)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_any_number_of_channels_is_shown(tmp_path, channels):
    images = np.full((1, 4, 4, channels), 200, np.uint8)
    if channels == 4:
        images[..., 3] = 0  # wholly transparent, hence white
    (box,) = pictures.write_grid(tmp_path / "grid.png", images, ["x"])
    with Image.open(tmp_path / "grid.png") as grid:
        value = grid.getpixel((box[0], box[1]))
    assert value == ((255,) * 3 if channels == 4 else (200,) * 3)


def test_photographs_shrink_and_are_cut_as_jpeg(tmp_path):
    boxes = pictures.write_grid(tmp_path / "grid.png", _images((300, 200, 3)), "x" * 8)
    cuttings = pictures.cut(tmp_path / "grid.png", boxes)
    assert {kind for _, kind in cuttings} == {"jpeg"}
    with Image.open(io.BytesIO(cuttings[0][0])) as picture:
        assert picture.size == (85, 128)


def test_grid_is_deterministic(tmp_path):
    captions = ["Ångström → ёж", "a name that is far too long for its cell", *"abcdef"]
    for name in ("a.png", "b.png"):
        with warnings.catch_warnings(action="error"):
            pictures.write_grid(tmp_path / name, _images((8, 8, 1)), captions)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_captions_do_not_touch_the_images(tmp_path):
    boxes = pictures.write_grid(
        tmp_path / "grid.png", _images((8, 8, 1)), ["W" * 99] * 8
    )
    bare = pictures.write_grid(tmp_path / "bare.png", _images((8, 8, 1)), [""] * 8)
    assert boxes == bare
    assert pictures.cut(tmp_path / "grid.png", boxes) == pictures.cut(
        tmp_path / "bare.png", boxes
    )


def test_missing_or_damaged_picture_gives_nothing(tmp_path):
    assert pictures.cut(tmp_path / "none.png", [(0, 0, 1, 1)]) == []
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    assert pictures.cut(tmp_path / "bad.png", [(0, 0, 1, 1)]) == []


@pytest.mark.parametrize(
    "shape, dtype, expected",
    [
        ((8, 8, 1), "uint8", True),
        ((8, 8), "uint8", False),
        ((8, 8, 1), "float32", False),
        ((8, 0, 1), "uint8", False),
    ],
)
def test_what_is_an_image(shape, dtype, expected):
    assert pictures.are_images(shape, dtype) is expected

"""The image_folder source: layouts, order, labels, and what is refused."""

import re

import numpy as np
import pytest
from PIL import Image

from research.data import cache, image_folder, images, source

SIZE = {"image_size": 6, "channels": 3}


def _write(file, value, size=(8, 8)):
    """Writes one plain image; Pillow's sizes are (width, height)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (value, value, value)).save(file)


@pytest.fixture
def folder(tmp_path):
    for split, start in (("train", 0), ("val", 100)):
        for label, name in enumerate(("cat", "dog")):
            for k in (2, 0, 1):
                value = start + 10 * label + k
                _write(tmp_path / split / name / f"{k}.png", value)
    return tmp_path


def _fails(kind, message, folder, split="train", **options):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        image_folder.load(split, str(folder), **(SIZE | options))


def test_splits_labels_and_order(folder):
    assert image_folder.splits(str(folder)) == ("train", "validation")
    part = image_folder.load("validation", str(folder), **SIZE)
    assert part.spec.class_names == ("cat", "dog")
    assert part.labels().tolist() == [0, 0, 0, 1, 1, 1]
    rows = part.gather(np.array([5, 0, 3, 0]))
    assert rows["image"].shape == (4, 6, 6, 3) and rows["image"].dtype == np.uint8
    assert rows["image"][:, 0, 0, 0].tolist() == [112, 100, 110, 100]
    assert rows["label"].tolist() == [1, 0, 1, 0] and rows["label"].dtype == np.int32
    assert part.file(5) == folder / "val" / "dog" / "2.png"


def test_unsplit_folder_is_all_train(tmp_path):
    _write(tmp_path / "b" / "x.png", 1)
    _write(tmp_path / "a" / "x.JPG", 2)
    _write(tmp_path / "a" / "y.Webp", 2)
    _write(tmp_path / "a" / "z.BMP", 3)
    (tmp_path / "a" / "notes.txt").write_text("not an image")
    (tmp_path / "a" / ".hidden.png").write_text("not an image")
    (tmp_path / ".git").mkdir()
    assert image_folder.splits(str(tmp_path)) == ("train",)
    part = image_folder.load("train", str(tmp_path), **SIZE)
    assert part.spec.class_names == ("a", "b")
    assert part.labels().tolist() == [0, 0, 0, 1]


def test_a_class_may_be_called_like_a_split(tmp_path):
    _write(tmp_path / "test" / "x.png", 1)
    _write(tmp_path / "train" / "x.png", 2)
    assert image_folder.splits(str(tmp_path)) == ("train",)
    part = image_folder.load("train", str(tmp_path), **SIZE)
    assert part.spec.class_names == ("test", "train")


def test_grey_and_oblong(folder):
    part = image_folder.load("train", str(folder), image_size=(4, 7), channels=1)
    assert part.gather(np.arange(2))["image"].shape == (2, 4, 7, 1)
    assert part.spec.features["image"].shape == (4, 7, 1)


def test_shorter_side_is_resized_and_the_centre_cropped(tmp_path):
    image = Image.new("RGB", (30, 10), "black")
    image.paste("white", (10, 0, 20, 10))
    (tmp_path / "a").mkdir()
    image.save(tmp_path / "a" / "x.png")
    part = image_folder.load("train", str(tmp_path), **SIZE)
    assert part.gather(np.array([0]))["image"].mean() > 240


def test_fingerprint_follows_files_and_options(folder):
    def fingerprint(**options):
        return image_folder.load("train", str(folder), **(SIZE | options)).fingerprint()

    first = fingerprint()
    assert first == fingerprint()
    assert first != fingerprint(image_size=5)
    assert first != fingerprint(channels=1)
    _write(folder / "train" / "cat" / "0.png", 77)
    second = fingerprint()
    assert first != second
    _write(folder / "train" / "cat" / "3.png", 0)
    assert second != fingerprint()


def test_corrupt_file_is_named(folder):
    file = folder / "train" / "dog" / "1.png"
    file.write_bytes(file.read_bytes()[:45])
    part = image_folder.load("train", str(folder), **SIZE)
    part.gather(np.array([0, 1, 2, 3]))
    message = (
        f"{file} is not a readable image (image file is truncated); replace or remove "
        "it"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        part.gather(np.array([0, 4]))


def test_missing_folder(tmp_path):
    _fails(
        FileNotFoundError,
        f"data folder {tmp_path}/no does not exist; set config.data.path to a folder "
        "with one folder of images per class",
        tmp_path / "no",
    )


def test_no_class_folder(tmp_path):
    _fails(
        ValueError,
        f"{tmp_path} must hold one folder of images per class, got no folder; correct "
        "config.data.path",
        tmp_path,
    )


def test_empty_class_folder(folder):
    (folder / "train" / "cow").mkdir()
    (folder / "val" / "cow").mkdir()
    _fails(
        ValueError,
        f"class folder {folder}/train/cow holds no image (.png, .jpg, .jpeg, .webp, "
        ".bmp); add some or remove it",
        folder,
    )


def test_class_sets_differ(folder):
    _write(folder / "val" / "cow" / "0.png", 1)
    _write(folder / "train" / "emu" / "0.png", 1)
    _fails(
        ValueError,
        f"all splits need the same class folders, but {folder}/train and {folder}/val "
        "differ in cow, emu; add or remove them",
        folder,
    )


def test_two_folders_for_one_split(folder):
    _write(folder / "validation" / "cat" / "0.png", 1)
    _fails(
        ValueError,
        f"{folder} must hold one folder for the validation split, got validation and "
        "val; rename or remove one",
        folder,
    )


def test_no_such_split(folder):
    message = f"image folder {folder} has no split 'test'; it has: train, validation"
    _fails(ValueError, message, folder, "test")


def test_bad_options(folder):
    _fails(
        ValueError,
        "image_size must be a positive integer or (height, width), got 0; use for "
        "example 224",
        folder,
        image_size=0,
    )
    message = "channels must be 1 (grey) or 3 (RGB), got 2; choose one"
    _fails(ValueError, message, folder, channels=2)


def test_the_resize_rule_is_an_option(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "a").mkdir()
    pixels = rng.integers(0, 256, (30, 40, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a" / "x.png")
    options = {"image_size": 12, "resize": 15, "interpolation": "bicubic"}
    part = image_folder.load("train", str(tmp_path), **options)
    expected = images.resize(pixels[None], 12, resize=15, interpolation="bicubic")
    np.testing.assert_array_equal(part.gather(np.array([0]))["image"], expected)
    others = [
        image_folder.load("train", str(tmp_path), **options | changed).fingerprint()
        for changed in ({}, {"resize": 16}, {"interpolation": "bilinear"})
    ]
    assert len(set(others)) == 3
    assert others[0] == part.fingerprint()


def test_parts_of_pictures_that_vary_in_size(tmp_path):
    rng = np.random.default_rng(0)
    sizes = [(30, 40), (25, 60), (50, 20)]
    stored = [rng.integers(0, 256, (*size, 3), np.uint8) for size in sizes]
    (tmp_path / "a").mkdir()
    for number, pixels in enumerate(stored):
        Image.fromarray(pixels).save(tmp_path / "a" / f"{number}.png")
    part = image_folder.load("train", str(tmp_path), image_size=8)
    assert part.spec.varies
    subset = source.Subset(part, np.array([2, 0]))
    assert subset.spec.varies
    seen = []

    def lower_half(height, width):
        seen.append((height, width))
        return height // 2, 0, height // 2, width

    rows = subset.gather_parts(np.array([1, 0]), [lower_half, lower_half])
    assert seen == [(30, 40), (50, 20)] and rows["label"].tolist() == [0, 0]
    for pixels, got in zip((stored[0], stored[2]), rows["image"], strict=True):
        height, width = pixels.shape[:2]
        box = (0, height // 2, width, height)
        how = Image.Resampling.BILINEAR
        expected = Image.fromarray(pixels).resize((8, 8), how, box=box)
        np.testing.assert_array_equal(got, expected)


def test_a_decoded_cache_no_longer_varies(tmp_path):
    _write(tmp_path / "data" / "a" / "x.png", 9)
    part = image_folder.load("train", str(tmp_path / "data"), **SIZE)
    cached = cache.decode_once(part, limit_bytes=10**6, folder=tmp_path / "cache")
    assert part.spec.varies and not cached.spec.varies

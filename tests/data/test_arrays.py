"""The arrays source: .npz files, and every way in which they can be wrong."""

import re

import numpy as np
import pytest

from research.data import arrays


def _data(count=6, classes=3):
    rng = np.random.default_rng(count)
    return {
        "image": rng.integers(0, 256, (count, 4, 5, 3), np.uint8),
        "label": np.arange(count) % classes,
    }


@pytest.fixture
def file(tmp_path):
    np.savez(tmp_path / "own.npz", **_data())
    return tmp_path / "own.npz"


def _fails(kind, message, path, split="train", **options):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        arrays.load(split, str(path), **options)


def test_one_file_is_train(file):
    assert arrays.splits(str(file)) == ("train",)
    part = arrays.load("train", str(file))
    rows = part.gather(np.array([4, 1]))
    np.testing.assert_array_equal(rows["image"], _data()["image"][[4, 1]])
    assert rows["label"].tolist() == [1, 1] and rows["label"].dtype == np.int32
    assert part.spec.class_names == ("0", "1", "2")


def test_folder_of_splits_agrees_on_the_classes(tmp_path):
    np.savez(tmp_path / "train.npz", **_data(6, 3))
    np.savez_compressed(tmp_path / "test.npz", **_data(5, 2))
    assert arrays.splits(str(tmp_path)) == ("train", "test")
    assert arrays.load("test", str(tmp_path)).spec.num_classes == 3


def test_names_from_the_file_and_number_from_the_option(tmp_path):
    np.savez(tmp_path / "a.npz", **_data(), class_names=["x", "y", "z", "none"])
    part = arrays.load("train", str(tmp_path / "a.npz"))
    assert part.spec.class_names == ("x", "y", "z", "none")
    np.savez(tmp_path / "b.npz", **_data())
    part = arrays.load("train", str(tmp_path / "b.npz"), num_classes=5)
    assert part.spec.num_classes == 5


def test_other_features_and_a_missing_channel_axis(tmp_path):
    image = _data()["image"][..., 0]
    series = np.zeros((6, 10), np.float32)
    np.savez(tmp_path / "a.npz", image=image, series=series, unused=np.zeros(2))
    part = arrays.load("train", str(tmp_path / "a.npz"), features=("image", "series"))
    assert part.spec.features["image"].shape == (4, 5, 1)
    assert part.spec.features["series"].dtype == "float32"
    assert set(part.spec.features) == {"image", "series"}
    assert part.labels() is None and part.spec.class_names == ()


def test_missing_path(tmp_path):
    holds = "train.npz, and validation.npz and test.npz if you have them"
    _fails(
        FileNotFoundError,
        f"data folder {tmp_path}/no.npz does not exist; set config.data.path to a "
        f"folder with {holds}",
        tmp_path / "no.npz",
    )
    _fails(
        FileNotFoundError,
        f"no train.npz, validation.npz or test.npz is in {tmp_path}; set "
        f"config.data.path to a folder with {holds}",
        tmp_path,
    )


def test_missing_split(file):
    message = f"arrays {file} has no split 'test'; it has: train"
    _fails(ValueError, message, file, "test")


def test_missing_array(file):
    _fails(
        ValueError,
        f"{file} has no array 'pixels', it has: image, label; name yours with "
        "config.data.features",
        file,
        features=("pixels", "label"),
    )


def test_unequal_lengths(tmp_path):
    file = tmp_path / "a.npz"
    np.savez(file, image=_data()["image"], label=np.zeros(4, int))
    _fails(
        ValueError,
        f"all arrays of {file} need one row per example, got image: 6, label: 4; make "
        "their first axes equal",
        file,
    )


def test_single_value(tmp_path):
    file = tmp_path / "a.npz"
    np.savez(file, image=_data()["image"], label=3)
    _fails(
        ValueError,
        f"array 'label' of {file} needs one row per example, got a single value; save "
        "it with a first axis",
        file,
    )


def test_objects_are_never_unpickled(tmp_path):
    file = tmp_path / "a.npz"
    np.savez(file, image=np.array([{}, []], dtype=object), label=[0, 1])
    _fails(
        ValueError,
        f"{file} is not a readable .npz file of numbers (it holds Python objects, "
        "which are never unpickled); write it again with numpy.savez",
        file,
    )


def test_damaged_files(file):
    content = file.read_bytes()
    file.write_bytes(content[:200])
    _fails(
        ValueError,
        f"{file} is not a readable .npz file of numbers (it is not a zip archive); "
        "write it again with numpy.savez",
        file,
    )
    flipped = bytearray(content)
    flipped[250] ^= 0xFF
    file.write_bytes(flipped)
    _fails(
        ValueError,
        f"{file} is not a readable .npz file of numbers (Bad CRC-32 for file "
        "'image.npy'); write it again with numpy.savez",
        file,
    )


def test_image_of_another_type(tmp_path):
    file = tmp_path / "a.npz"
    np.savez(file, image=np.zeros((6, 4, 5, 3)), label=np.zeros(6, int))
    _fails(
        ValueError,
        f"'image' of {file} must be (n, h, w, c) or (n, h, w) uint8, got (6, 4, 5, 3) "
        "float64; scale it to 0..255 and save it so",
        file,
    )


@pytest.mark.parametrize("label", [np.zeros(6), np.zeros((6, 3), int)])
def test_label_of_another_type(label, tmp_path):
    file = tmp_path / "a.npz"
    np.savez(file, image=_data()["image"], label=label)
    _fails(
        ValueError,
        f"'label' of {file} must be (n,) integers, got {label.shape} {label.dtype}; "
        "save the number of each example's class",
        file,
    )


def test_label_out_of_range(file):
    _fails(
        ValueError,
        f"labels of {file} must lie in 0..1, got 2 at example 2 (2 such in all); "
        "correct the labels or name all classes",
        file,
        num_classes=2,
    )


def test_negative_label(tmp_path):
    file = tmp_path / "a.npz"
    np.savez(file, **(_data() | {"label": np.array([0, 1, 2, -1, 0, 0])}))
    _fails(
        ValueError,
        f"labels of {file} must lie in 0..2, got -1 at example 3 (1 such in all); "
        "correct the labels or name all classes",
        file,
    )


def test_number_of_classes_against_the_names(tmp_path):
    np.savez(tmp_path / "train.npz", **_data(), class_names=["x", "y", "z"])
    _fails(
        ValueError,
        f"num_classes=4 must equal the 3 class_names of {tmp_path}/train.npz; leave it "
        "at 0",
        tmp_path,
        num_classes=4,
    )

"""The idx source: parsing, and every way in which the files can be wrong."""

import gzip
import os
import pathlib
import re

import numpy as np
import pytest

from research.data import idx


def _bytes(array: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, array.ndim])
    return header + np.array(array.shape, ">u4").tobytes() + array.tobytes()


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "train-images-idx3-ubyte": rng.integers(0, 256, (20, 5, 4), np.uint8),
        "train-labels-idx1-ubyte": rng.integers(0, 10, 20).astype(np.uint8),
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (6, 5, 4), np.uint8),
        "t10k-labels-idx1-ubyte": rng.integers(0, 10, 6).astype(np.uint8),
    }


@pytest.fixture
def folder(tmp_path, arrays):
    for name, array in arrays.items():
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(_bytes(array)))
    return tmp_path


def _fails(kind, message, folder, split="train", **options):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        idx.load(split, str(folder), **options)


def test_reads_what_was_written(folder, arrays):
    assert idx.splits(str(folder)) == ("train", "test")
    for split, prefix in (("train", "train"), ("test", "t10k")):
        part = idx.load(split, str(folder))
        rows = part.gather(np.array([3, 0, 3]))
        image = arrays[f"{prefix}-images-idx3-ubyte"]
        label = arrays[f"{prefix}-labels-idx1-ubyte"]
        np.testing.assert_array_equal(rows["image"], image[[3, 0, 3], :, :, None])
        np.testing.assert_array_equal(rows["label"], label[[3, 0, 3]])
        np.testing.assert_array_equal(part.labels(), label)
    assert part.spec.features["image"].shape == (5, 4, 1)
    assert part.spec.features["label"].dtype == "int32"
    assert part.spec.class_names == tuple("0123456789")


def test_image_size_averages_what_it_shrinks(folder, arrays):
    part = idx.load("test", str(folder), image_size=(2, 2))
    assert part.spec.features["image"].shape == (2, 2, 1)
    shrunk = part.gather(np.arange(6))["image"].mean((1, 2, 3))
    whole = arrays["t10k-images-idx3-ubyte"].mean((1, 2))
    np.testing.assert_allclose(shrunk, whole, rtol=0.2)
    with pytest.raises(ValueError, match="image_size must be a positive integer"):
        idx.load("test", str(folder), image_size=0)


def test_plain_files_and_dotted_names(tmp_path, arrays):
    for name, array in arrays.items():
        dotted = name.replace("-idx", ".idx")
        (tmp_path / dotted).write_bytes(_bytes(array))
    assert len(idx.load("test", str(tmp_path))) == 6


def test_class_names(folder):
    names = [f"shirt {k}" for k in range(10)]
    part = idx.load("train", str(folder), class_names=names)
    assert part.spec.class_names == tuple(names)


def test_missing_folder(tmp_path):
    holds = "MNIST-format files (train-images-idx3-ubyte.gz and so on)"
    _fails(
        FileNotFoundError,
        f"data folder {tmp_path}/no does not exist; set config.data.path to a folder "
        f"with {holds}",
        tmp_path / "no",
    )
    with pytest.raises(ValueError) as error:
        idx.load("train", None)
    assert str(error.value) == (
        f"this data needs a folder with {holds}, got none; set config.data.path"
    )


def test_folder_is_a_file(folder):
    file = folder / "train-labels-idx1-ubyte.gz"
    _fails(
        FileNotFoundError,
        f"data folder {file} is not a folder; set config.data.path to a folder with "
        "MNIST-format files (train-images-idx3-ubyte.gz and so on)",
        file,
    )


def test_missing_file(folder):
    (folder / "train-labels-idx1-ubyte.gz").unlink()
    _fails(
        FileNotFoundError,
        f"train-labels-idx1-ubyte(.gz) is not in {folder}; copy it there or correct "
        "config.data.path",
        folder,
    )


def test_no_validation(folder):
    _fails(
        ValueError,
        f"IDX folder {folder} has no split 'validation'; it has: train, test",
        folder,
        "validation",
    )


def test_truncated_gzip(folder):
    file = folder / "train-images-idx3-ubyte.gz"
    file.write_bytes(file.read_bytes()[:-20])
    _fails(
        ValueError,
        f"{file} is not a complete gzip file (Compressed file ended before the "
        "end-of-stream marker was reached); download it again",
        folder,
    )


def test_corrupt_gzip(folder):
    file = folder / "train-images-idx3-ubyte.gz"
    file.write_bytes(b"<html>not found</html>")
    _fails(
        ValueError,
        f"{file} is not a complete gzip file (Not a gzipped file (b'<h')); download "
        "it again",
        folder,
    )


def test_flipped_byte_in_gzip(folder):
    file = folder / "train-images-idx3-ubyte.gz"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{re.escape(str(file))} is not a complete"):
        idx.load("train", str(folder))


def test_wrong_magic(folder, arrays):
    labels = _bytes(arrays["train-labels-idx1-ubyte"])
    file = folder / "train-images-idx3-ubyte.gz"
    file.write_bytes(gzip.compress(labels))
    _fails(
        ValueError,
        f"{file} must start with the IDX magic number 2051 (3 axes of uint8), got "
        "2049; it is another kind of file: download it again",
        folder,
    )


def test_empty_file(folder):
    file = folder / "train-images-idx3-ubyte.gz"
    file.write_bytes(gzip.compress(b""))
    _fails(
        ValueError,
        f"{file} must start with the IDX magic number 2051 (3 axes of uint8), got 0; "
        "it is another kind of file: download it again",
        folder,
    )


def test_too_few_bytes(folder, arrays):
    file = folder / "train-images-idx3-ubyte.gz"
    file.write_bytes(gzip.compress(_bytes(arrays["train-images-idx3-ubyte"])[:-7]))
    _fails(
        ValueError,
        f"{file} announces 400 bytes of data for shape (20, 5, 4), got 393; download "
        "it again",
        folder,
    )


def test_counts_differ(folder, arrays):
    file = folder / "train-labels-idx1-ubyte.gz"
    file.write_bytes(gzip.compress(_bytes(arrays["train-labels-idx1-ubyte"][:19])))
    _fails(
        ValueError,
        "train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz must hold equally "
        "many examples, got 20 and 19; download both again",
        folder,
    )


def test_label_out_of_range(folder, arrays):
    labels = np.minimum(arrays["train-labels-idx1-ubyte"], 9)
    labels[[4, 7]] = 12, 200
    file = folder / "train-labels-idx1-ubyte.gz"
    file.write_bytes(gzip.compress(_bytes(labels)))
    _fails(
        ValueError,
        f"labels of {file} must lie in 0..9, got 12 at example 4 (2 such in all); "
        "correct the labels or name all classes",
        folder,
    )


def test_real_mnist():
    if "RESEARCH_DATA" not in os.environ:
        pytest.skip("RESEARCH_DATA is not set")
    path = str(pathlib.Path(os.environ["RESEARCH_DATA"], "mnist"))
    train, test = idx.load("train", path), idx.load("test", path)
    assert (len(train), len(test)) == (60_000, 10_000)
    assert train.labels()[:5].tolist() == [5, 0, 4, 1, 9]
    assert np.bincount(test.labels()).tolist() == [
        *(980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
    ]
    # Mean and standard deviation that every MNIST recipe uses.
    pixels = train.arrays["image"] / np.float32(255)
    np.testing.assert_allclose(
        [pixels.mean(), pixels.std()], [0.1307, 0.3081], atol=1e-4
    )

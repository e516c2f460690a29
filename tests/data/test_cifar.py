"""The cifar source: both layouts, and pickles that must not be trusted."""

import os
import pathlib
import pickle
import re

import numpy as np
import pytest

from research.data import cifar


def _write(file, fields):
    file.write_bytes(pickle.dumps(fields, protocol=4))


def _batch(count, key, classes, seed):
    rng = np.random.default_rng(seed)
    return {
        b"data": rng.integers(0, 256, (count, 3072), np.uint8),
        key: rng.integers(0, classes, count).tolist(),
    }


@pytest.fixture
def cifar10(tmp_path):
    _write(tmp_path / "batches.meta", {b"label_names": [b"cat", b"dog", b"frog"]})
    for k, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        _write(tmp_path / name, _batch(4, b"labels", 3, k))
    return tmp_path


@pytest.fixture
def cifar100(tmp_path):
    names = [f"class {k}".encode() for k in range(100)]
    _write(tmp_path / "meta", {b"fine_label_names": names, b"coarse_label_names": []})
    for k, name in enumerate(["train", "test"]):
        batch = _batch(6, b"fine_labels", 100, k)
        _write(tmp_path / name, batch | {b"coarse_labels": [0] * 6})
    return tmp_path


def _fails(kind, message, folder, split="train"):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        cifar.load(split, str(folder))


def test_cifar10_layout(cifar10):
    assert cifar.splits(str(cifar10)) == ("train", "test")
    part = cifar.load("train", str(cifar10))
    assert len(part) == 20 and part.spec.class_names == ("cat", "dog", "frog")
    rows = part.gather(np.array([9]))  # the second example of the third batch
    batch = _batch(4, b"labels", 3, 2)
    planes = batch[b"data"][1].reshape(3, 32, 32)
    np.testing.assert_array_equal(rows["image"][0], np.moveaxis(planes, 0, -1))
    assert rows["label"].tolist() == [batch[b"labels"][1]]
    assert rows["label"].dtype == np.int32
    assert len(cifar.load("test", str(cifar10))) == 4


def _python2_batch(pixels, labels):
    """Spells the pickle of Python 2's numpy, whose strings are byte strings."""

    def text(content):
        return b"T" + len(content).to_bytes(4, "little") + content

    shape = b"K%cM" % len(pixels) + (3072).to_bytes(2, "little") + b"\x86"
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85"
        + text(b"b")
        + b"tR(K\x01"
        + shape
        + b"cnumpy\ndtype\n("
        + text(b"u1")
        + b"K\x00K\x01tR(K\x03"
        + text(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + text(pixels.tobytes())
        + b"tb"
    )
    label = b"](" + b"".join(b"K%c" % label for label in labels) + b"e"
    fields = text(b"labels") + label + text(b"data") + array
    return b"\x80\x02}(" + fields + b"u."


def test_batches_written_by_python_2(cifar10):
    batch = _batch(3, b"labels", 3, 9)
    content = _python2_batch(batch[b"data"], batch[b"labels"])
    (cifar10 / "test_batch").write_bytes(content)
    rows = cifar.load("test", str(cifar10)).gather(np.arange(3))
    planes = batch[b"data"].reshape(3, 3, 32, 32)
    np.testing.assert_array_equal(rows["image"], np.moveaxis(planes, 1, -1))
    assert rows["label"].tolist() == batch[b"labels"]


def test_cifar100_layout(cifar100):
    part = cifar.load("test", str(cifar100))
    assert part.spec.num_classes == 100 and part.spec.class_names[99] == "class 99"
    assert part.labels().tolist() == _batch(6, b"fine_labels", 100, 1)[b"fine_labels"]


def test_wrong_folder(tmp_path):
    holds = "the batches of cifar-10-batches-py or cifar-100-python"
    _fails(
        FileNotFoundError,
        f"neither batches.meta (CIFAR-10) nor meta (CIFAR-100) is in {tmp_path}; set "
        f"config.data.path to a folder with {holds}",
        tmp_path,
    )


def test_missing_batch(cifar10):
    (cifar10 / "data_batch_3").unlink()
    _fails(
        FileNotFoundError,
        f"data_batch_3 is not in {cifar10}; copy it there or download the whole folder "
        "again",
        cifar10,
    )


def test_no_validation(cifar10):
    message = f"CIFAR folder {cifar10} has no split 'validation'; it has: train, test"
    _fails(ValueError, message, cifar10, "validation")


def test_truncated_batch(cifar10):
    file = cifar10 / "test_batch"
    file.write_bytes(file.read_bytes()[:1000])
    _fails(
        ValueError,
        f"{file} is not a readable CIFAR batch (pickle data was truncated); download "
        "it again",
        cifar10,
        "test",
    )


class _Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/never",)


def test_code_in_a_pickle_is_refused(cifar10):
    _write(cifar10 / "test_batch", {b"data": _Evil(), b"labels": []})
    _fails(
        ValueError,
        f"{cifar10}/test_batch is not a readable CIFAR batch (it asks for "
        f"{os.system.__module__}.system); download it again",
        cifar10,
        "test",
    )


def test_missing_field(cifar10):
    _write(cifar10 / "test_batch", {b"labels": []})
    _fails(
        ValueError,
        f"{cifar10}/test_batch must hold the field 'data' of a CIFAR batch; download "
        "it again",
        cifar10,
        "test",
    )


def test_wrong_shape_and_type(cifar10):
    file = cifar10 / "test_batch"
    batch = _batch(4, b"labels", 3, 0)
    _write(file, batch | {b"labels": [0, 1]})
    _fails(
        ValueError,
        f"{file} must hold 3072 pixels for each of its 2 labels, got an array of shape "
        "(4, 3072); download it again",
        cifar10,
        "test",
    )
    _write(file, batch | {b"data": batch[b"data"].astype(np.float32)})
    message = f"{file} must hold uint8 pixels; download it again"
    _fails(ValueError, message, cifar10, "test")


def test_label_out_of_range(cifar10):
    file = cifar10 / "test_batch"
    _write(file, _batch(4, b"labels", 3, 0) | {b"labels": [0, 2, 3, 1]})
    _fails(
        ValueError,
        f"labels of {file} must lie in 0..2, got 3 at example 2 (1 such in all); "
        "correct the labels or name all classes",
        cifar10,
        "test",
    )


def test_real_cifar10():
    if "RESEARCH_DATA" not in os.environ:
        pytest.skip("RESEARCH_DATA is not set")
    path = pathlib.Path(os.environ["RESEARCH_DATA"], "cifar-10-batches-py")
    train, test = cifar.load("train", str(path)), cifar.load("test", str(path))
    assert (len(train), len(test)) == (50_000, 10_000)
    assert train.spec.class_names[:3] == ("airplane", "automobile", "bird")
    assert np.bincount(train.labels()).tolist() == [5000] * 10
    # Channel means that every CIFAR-10 recipe uses.
    means = train.arrays["image"].mean((0, 1, 2)) / 255
    np.testing.assert_allclose(means, [0.4914, 0.4822, 0.4465], atol=1e-4)

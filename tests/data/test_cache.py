"""Decoding once: equal content, atomic, rebuilt when damaged, never fatal."""

import logging
import os
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from research.data import cache, source


class Decoded:
    """A source that counts how many examples it decodes."""

    def __init__(self, count=600, value=0, name="made"):
        self.count, self.value, self.name, self.decoded = count, value, name, 0
        features = {
            "image": source.Feature((3, 2, 1), "uint8"),
            "label": source.Feature((), "int32"),
        }
        self.spec = source.Spec(features, ("a", "b"))

    def __len__(self):
        return self.count

    def gather(self, indices):
        self.decoded += len(indices)
        image = np.empty((len(indices), 3, 2, 1), np.uint8)
        image[:] = (np.asarray(indices) + self.value)[:, None, None, None] % 256
        return {"image": image, "label": np.asarray(indices, np.int32) % 2}

    def labels(self):
        return np.arange(self.count, dtype=np.int32) % 2

    def fingerprint(self):
        return f"{self.name} {self.value}"


def _once(made, folder, limit=10**6):
    return cache.decode_once(made, limit_bytes=limit, folder=folder)


def _assert_equal(cached, made):
    indices = np.random.default_rng(0).integers(0, len(made), 50)
    theirs = made.gather(indices)
    for name, values in cached.gather(indices).items():
        assert type(values) is np.ndarray and values.dtype == theirs[name].dtype
        np.testing.assert_array_equal(values, theirs[name])
    assert cached.spec == made.spec
    np.testing.assert_array_equal(cached.labels(), made.labels())


def test_decodes_once(tmp_path):
    made = Decoded()
    cached = _once(made, tmp_path)
    assert made.decoded == 600
    assert isinstance(cached, source.Arrays)
    assert isinstance(cached.arrays["image"].base, np.memmap)
    _assert_equal(cached, made)
    again = Decoded()
    _assert_equal(_once(again, tmp_path), made)
    assert again.decoded == 0
    assert len(list(tmp_path.iterdir())) == 1


def test_changed_data_is_decoded_anew(tmp_path):
    _once(Decoded(), tmp_path)
    for changed in (Decoded(value=1), Decoded(name="other"), Decoded(count=599)):
        _assert_equal(_once(changed, tmp_path), changed)
    assert len(list(tmp_path.iterdir())) == 4


def test_large_and_in_memory_sources_come_back_unchanged(tmp_path):
    made = Decoded(count=600)  # 6 bytes of image and 4 of label each
    assert _once(made, tmp_path, limit=5999) is made
    assert isinstance(_once(made, tmp_path, limit=6000), source.Arrays)
    arrays = source.Arrays({"label": np.zeros(3, np.int32)})
    assert _once(arrays, tmp_path) is arrays


def test_subset_caches_the_whole(tmp_path):
    made = Decoded()
    part = _once(source.Subset(made, [5, 599, 7]), tmp_path)
    assert part.gather(np.array([1]))["image"][0, 0, 0, 0] == 599 % 256
    assert source.in_memory(part)
    other = Decoded()
    _once(source.Subset(other, [1]), tmp_path)
    assert other.decoded == 0


@pytest.mark.parametrize("damage", ["truncate", "header", "remove", "other shape"])
def test_damaged_cache_is_rebuilt(damage, tmp_path):
    _once(Decoded(), tmp_path)
    (file,) = tmp_path.glob("*/image.npy")
    content = file.read_bytes()
    if damage == "truncate":
        file.write_bytes(content[:-1])
    elif damage == "header":
        file.write_bytes(b"?" + content[1:])
    elif damage == "remove":
        file.unlink()
    else:
        np.save(file, np.zeros((600, 3, 2, 2), np.uint8))
    made = Decoded()
    _assert_equal(_once(made, tmp_path), made)
    assert file.read_bytes() == content
    assert len(list(tmp_path.iterdir())) == 1


def test_failed_decoding_leaves_nothing(tmp_path):
    made = Decoded()
    made.gather = lambda indices: (_ for _ in ()).throw(ValueError("x.png is damaged"))
    with pytest.raises(ValueError, match="^x.png is damaged$"):
        _once(made, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_unwritable_folder_streams(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    made = Decoded()
    with caplog.at_level(logging.WARNING):
        assert _once(made, tmp_path / "file" / "cache") is made
    assert caplog.messages == [
        f"not caching decoded data in {tmp_path}/file/cache: [Errno 20] Not a "
        f"directory: '{tmp_path}/file/cache'"
    ]


def test_full_disk_streams(tmp_path, caplog, monkeypatch):
    def full(descriptor, offset, length):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    made = Decoded()
    assert _once(made, tmp_path) is made
    assert caplog.messages == [
        f"not caching decoded data in {tmp_path}: [Errno 28] No space left on device"
    ]
    assert list(tmp_path.iterdir()) == []


_BUILD = """
import sys
import numpy as np
from research.data import cache, image_folder
images, folder = sys.argv[1:]
made = image_folder.load("train", images, image_size=8)
cached = cache.decode_once(made, limit_bytes=10**6, folder=folder)
rows = np.arange(len(made))
assert np.array_equal(cached.gather(rows)["image"], made.gather(rows)["image"])
print(type(cached).__name__)
"""


def test_builders_at_the_same_time(tmp_path):
    rng = np.random.default_rng(0)
    for k in range(300):
        file = tmp_path / "images" / f"class{k % 3}" / f"{k}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(file)
    command = [sys.executable, "-c", _BUILD, tmp_path / "images", tmp_path / "cache"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    outputs = [process.communicate(timeout=60)[0] for process in running]
    assert outputs == [b"Arrays\n"] * 3
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_left_over_builds_are_removed(tmp_path):
    old, young = tmp_path / "k.building-old", tmp_path / "k.building-young"
    for folder in (old, young):
        folder.mkdir()
    os.utime(old, (0, time.time() - 2 * 24 * 3600))
    _once(Decoded(), tmp_path)
    assert not old.exists() and young.exists()


def test_default_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.default_folder() == tmp_path / "menagerie" / "data"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache.default_folder() == tmp_path / ".cache" / "menagerie" / "data"

"""The tfds source: real array_record and TFRecord files, mocks, no TensorFlow."""

import importlib.util
import io
import json
import pickle
import re
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from research.data import cache, source, splits, tfds, tfrecord

tensorflow_datasets = pytest.importorskip(
    "tensorflow_datasets", reason="the extra menagerie[tfds] is not installed"
)


def _pixels(k, shape):
    return np.random.default_rng(k).integers(0, 256, shape, np.uint8)


class Blobs(tensorflow_datasets.core.GeneratorBasedBuilder):
    """Small images; writing PNG bytes needs no TensorFlow."""

    VERSION = tensorflow_datasets.core.Version("1.2.0")

    def _info(self):
        features = tensorflow_datasets.features
        return tensorflow_datasets.core.DatasetInfo(
            builder=self,
            features=features.FeaturesDict(
                {
                    "image": features.Image(shape=(6, 5, 3)),
                    "photo": features.Image(shape=(None, None, 3)),
                    "label": features.ClassLabel(names=["cat", "dog", "emu"]),
                    "kind": features.ClassLabel(num_classes=2),
                    "note": features.Text(),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, manager):
        return {
            "train": self._generate_examples(0, 40),
            "test": self._generate_examples(100, 110),
        }

    def _generate_examples(self, start, stop):
        for k in range(start, stop):
            yield (
                k,
                {
                    "image": _png(_pixels(k, (6, 5, 3))),
                    "photo": _png(_pixels(k, (10 + k % 7, 20, 3))),
                    "label": k % 3,
                    "kind": k % 2,
                    "note": str(k),
                },
            )


def _png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    file.seek(0)
    return file


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Writes the same data as array_record and as TFRecord; gives both data_dirs."""
    root = tmp_path_factory.mktemp("tfds")
    builder = Blobs(data_dir=root / "array_record", file_format="array_record")
    builder.download_and_prepare()
    return {
        "array_record": root / "array_record",
        "tfrecord": _as_tfrecord(root / "array_record", root / "tfrecord"),
    }


def _as_tfrecord(data_dir, copy):
    """Copies prepared data into TFRecord files, for which TFDS needs TensorFlow."""
    folder, target = data_dir / "blobs" / "1.2.0", copy / "blobs" / "1.2.0"
    ignore = shutil.ignore_patterns("*.array_record*")
    shutil.copytree(folder, target, ignore=ignore)
    builder = tensorflow_datasets.builder_from_directory(folder)
    info = json.loads((folder / "dataset_info.json").read_text())
    info["fileFormat"] = "tfrecord"
    for split in info["splits"]:
        opened = builder.as_data_source(split=split["name"])
        records = [opened.data_source[k] for k in range(len(opened))]
        middle = len(records) // 3
        split["shardLengths"] = [str(middle), str(len(records) - middle)]
        for k, part in enumerate((records[:middle], records[middle:])):
            name = f"blobs-{split['name']}.tfrecord-0000{k}-of-00002"
            _write_tfrecord(target / name, part)
    (target / "dataset_info.json").write_text(json.dumps(info))
    return copy


def _write_tfrecord(file, records):
    with open(file, "wb") as opened:
        for record in records:
            length = np.frombuffer(struct.pack("<Q", len(record)), np.uint8)
            checksum = tfrecord.masked_crc(length[None]).astype("<u4").tobytes()
            opened.write(length.tobytes() + checksum)
            opened.write(record + bytes(4))  # no reader of ours checks this one


@pytest.fixture(params=["array_record", "tfrecord"])
def data_dir(prepared, request):
    return str(prepared[request.param])


def _fails(kind, message, path, split="train", **options):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        tfds.load(split, str(path), **({"dataset": "blobs"} | options))


def _by_content():
    return {_pixels(k, (6, 5, 3)).tobytes(): k for k in (*range(40), *range(100, 110))}


def test_reads_what_was_written_in_any_order(data_dir):
    assert tfds.splits(data_dir, dataset="blobs") == ("train", "test")
    known, seen = _by_content(), []
    for split, size in (("train", 40), ("test", 10)):
        part = tfds.load(split, data_dir, dataset="blobs:1.2.0")
        assert len(part) == size and part.spec.class_names == ("cat", "dog", "emu")
        assert part.spec.features == {
            "image": source.Feature((6, 5, 3), "uint8"),
            "label": source.Feature((), "int32"),
        }
        order = np.random.default_rng(0).permutation(size)
        rows, whole = part.gather(order), part.gather(np.arange(size))
        np.testing.assert_array_equal(rows["image"], whole["image"][order])
        np.testing.assert_array_equal(rows["label"], whole["label"][order])
        np.testing.assert_array_equal(part.labels(), whole["label"])
        assert rows["label"].dtype == np.int32
        numbers = [known[image.tobytes()] for image in whole["image"]]
        assert whole["label"].tolist() == [k % 3 for k in numbers]
        seen += numbers
    assert sorted(seen) == sorted(known.values())
    assert "tensorflow" not in sys.modules


def test_both_formats_agree(prepared):
    parts = [tfds.load("train", str(d), dataset="blobs") for d in prepared.values()]
    rows = [part.gather(np.array([39, 0, 17, 12, 13, 14])) for part in parts]
    np.testing.assert_array_equal(rows[0]["image"], rows[1]["image"])


def test_folder_of_one_version(data_dir):
    assert len(tfds.load("test", f"{data_dir}/blobs/1.2.0")) == 10
    assert len(tfds.load("test", f"{data_dir}/blobs/1.2.0", dataset="blobs")) == 10
    _fails(
        ValueError,
        f"{data_dir}/blobs/1.2.0 holds blobs/1.2.0, not 'mnist'; correct "
        "config.data.dataset or config.data.path",
        f"{data_dir}/blobs/1.2.0",
        dataset="mnist",
    )


def test_default_data_dir(data_dir, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", data_dir)
    assert len(tfds.load("test", None, dataset="blobs")) == 10


def test_split_expressions(data_dir):
    options = {"dataset": "blobs", "train": "train[:75%]", "validation": "train[75%:]"}
    assert tfds.splits(data_dir, **options) == ("train", "validation", "test")
    train = tfds.load("train", data_dir, **options)
    held = tfds.load("validation", data_dir, **options)
    assert (len(train), len(held)) == (30, 10)
    whole = tfds.load("train", data_dir, dataset="blobs").gather(np.arange(40))["image"]
    np.testing.assert_array_equal(held.gather(np.arange(10))["image"], whole[30:])
    both = tfds.load("train", data_dir, dataset="blobs", train="train+test", test="")
    assert len(both) == 50


def test_held_out_validation(data_dir):
    opened = splits.open_splits(
        tfds, ("train", "validation"), data_dir, holdout=0.1, dataset="blobs"
    )
    assert {name: len(part) for name, part in opened.items()} == {
        "train": 36,
        "validation": 4,
    }


def test_other_features_and_sizes(data_dir):
    options = {"image_key": "photo", "label_key": "kind", "image_size": 8}
    part = tfds.load("train", data_dir, dataset="blobs", **options)
    assert part.spec.features["image"].shape == (8, 8, 3)
    assert part.spec.class_names == ("0", "1")
    assert part.gather(np.arange(5))["image"].shape == (5, 8, 8, 3)
    resized = tfds.load("train", data_dir, dataset="blobs", image_size=(12, 10))
    assert resized.gather(np.arange(2))["image"].shape == (2, 12, 10, 3)


def test_parts_and_the_resize_rule_of_images_that_vary_in_size(data_dir):
    options = {"dataset": "blobs", "image_key": "photo", "image_size": 8}
    part = tfds.load("train", data_dir, **options)
    assert part.spec.varies
    assert not tfds.load("train", data_dir, dataset="blobs").spec.varies
    seen = []

    def right_half(height, width):
        seen.append((height, width))
        return 0, width // 2, height, width // 2

    indices = np.array([7, 2])
    rows = part.gather_parts(indices, [right_half] * 2)
    assert all(10 <= height < 17 and width == 20 for height, width in seen)
    np.testing.assert_array_equal(rows["label"], part.gather(indices)["label"])
    for row, (k, size) in enumerate(zip(indices, seen, strict=True)):
        native = tfds.load("train", data_dir, **options | {"image_size": size})
        pixels = Image.fromarray(native.gather(np.array([k]))["image"][0])
        box = (10, 0, 20, size[0])
        expected = pixels.resize((8, 8), Image.Resampling.BILINEAR, box=box)
        np.testing.assert_array_equal(rows["image"][row], expected)
    rule = {"resize": 9, "interpolation": "bicubic"}
    other = tfds.load("train", data_dir, **options, **rule)
    assert (other.gather(indices)["image"] != part.gather(indices)["image"]).any()
    assert other.fingerprint() != part.fingerprint()


def test_pickles_for_worker_processes(data_dir):
    part = tfds.load("train", data_dir, dataset="blobs")
    copy = pickle.loads(pickle.dumps(part))
    indices = np.array([3, 30])
    np.testing.assert_array_equal(
        copy.gather(indices)["image"], part.gather(indices)["image"]
    )


def test_decoded_once(data_dir, tmp_path):
    part = tfds.load("train", data_dir, dataset="blobs")
    assert (
        part.fingerprint()
        == tfds.load("train", data_dir, dataset="blobs").fingerprint()
    )
    other = tfds.load("train", data_dir, dataset="blobs", image_size=4)
    assert part.fingerprint() != other.fingerprint()
    cached = cache.decode_once(part, limit_bytes=10**6, folder=tmp_path)
    assert source.in_memory(cached)
    for name, values in part.gather(np.arange(40)).items():
        np.testing.assert_array_equal(values, cached.arrays[name])


def test_highest_version_and_configs(prepared, tmp_path):
    one = prepared["array_record"] / "blobs" / "1.2.0"
    for version in ("1.2.0", "1.10.0"):
        shutil.copytree(one, tmp_path / "blobs" / version)
    newest = tmp_path / "blobs" / "1.10.0" / "dataset_info.json"
    newest.write_text(newest.read_text().replace('"1.2.0"', '"1.10.0"'))
    part = tfds.load("train", str(tmp_path), dataset="blobs")
    assert all("1.10.0" in file for file in part.files)
    part = tfds.load("train", str(tmp_path), dataset="blobs:1.2.0")
    assert all("1.2.0" in file for file in part.files)
    for config in ("large", "small"):
        shutil.copytree(one, tmp_path / "many" / config / "1.2.0")
    _fails(
        ValueError,
        f"many in {tmp_path} has several configs: large, small; set "
        "config.data.dataset to one, such as many/large",
        tmp_path,
        dataset="many",
    )


def test_not_prepared(tmp_path):
    _fails(
        FileNotFoundError,
        f"data set 'mnist:3.0.1' is not prepared in {tmp_path}; run: python "
        f"scripts/prepare_data.py --name=mnist:3.0.1 --data_dir={tmp_path} (after pip "
        "install 'menagerie[prepare]')",
        tmp_path,
        dataset="mnist:3.0.1",
    )


def test_no_name(tmp_path):
    _fails(
        ValueError,
        "data 'tfds' needs the name of a data set as name, name/config or name:1.2.3, "
        "got ''; set config.data.dataset",
        tmp_path,
        dataset="",
    )


def test_package_is_missing(monkeypatch, tmp_path):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "array_record" else real(name),
    )
    _fails(
        ValueError,
        "data 'tfds' needs the package array_record, which is not installed; run pip "
        "install 'menagerie[tfds]'",
        tmp_path,
    )


def test_bad_split_expressions(data_dir):
    for wrong in ("trian", "train[:5x]"):
        _fails(
            ValueError,
            f"validation={wrong!r} is not a split of blobs/1.2.0, which has train, "
            "test; write for example 'train[:90%]'",
            data_dir,
            validation=wrong,
        )
    _fails(
        ValueError,
        "train='train' and validation='train[90%:]' share examples; give each its own "
        "part, for example 'train[:90%]' and 'train[90%:]'",
        data_dir,
        validation="train[90%:]",
    )
    message = "data set blobs/1.2.0 has no split 'validation'; it has: train, test"
    _fails(ValueError, message, data_dir, "validation")


def test_bad_keys(data_dir):
    _fails(
        ValueError,
        "image_key='label' must be an image of blobs/1.2.0 with 8 or 16 bits; it has: "
        "image, photo",
        data_dir,
        image_key="label",
    )
    _fails(
        ValueError,
        "label_key='note' must be a class label of blobs/1.2.0; it has: kind, label",
        data_dir,
        label_key="note",
    )
    _fails(
        ValueError,
        "the images of blobs/1.2.0 vary in size; set config.data.image_size, for "
        "example to 224",
        data_dir,
        image_key="photo",
    )


def test_missing_and_damaged_files(prepared, tmp_path):
    for kind, data_dir in prepared.items():
        shutil.copytree(data_dir, tmp_path / kind)
        for file in (tmp_path / kind / "blobs" / "1.2.0").glob("blobs-train*"):
            file.unlink()
        with pytest.raises(FileNotFoundError) as error:
            tfds.load("train", str(tmp_path / kind), dataset="blobs")
        shards = {"array_record": 1, "tfrecord": 2}[kind]
        name = f"blobs-train.{kind}-00000-of-0000{shards}"
        assert str(error.value) == (
            f"{tmp_path}/{kind}/blobs/1.2.0/{name} is missing; prepare or copy it again"
        )


def test_damaged_record(prepared, tmp_path):
    shutil.copytree(prepared["tfrecord"], tmp_path / "data")
    (file,) = (tmp_path / "data" / "blobs" / "1.2.0").glob("blobs-test*-00000-of*")
    content = file.read_bytes()
    file.write_bytes(content.replace(b"IHDR", b"XXXX"))
    part = tfds.load("test", str(tmp_path / "data"), dataset="blobs")
    with pytest.raises(ValueError) as error:
        part.gather(np.array([0]))
    assert re.fullmatch(
        r"example 0 of blobs/1\.2\.0 test: \d+ bytes of image data is not a readable "
        r"image \(.+\); replace or remove it",
        str(error.value),
    )
    file.write_bytes(content.replace(b"label", b"\xff\xff\xff\xff\xff"))
    part = tfds.load("test", str(tmp_path / "data"), dataset="blobs")
    with pytest.raises(ValueError) as error:
        part.gather(np.array([0]))
    assert re.fullmatch(
        r"example 0 of blobs/1\.2\.0 test is not readable \([^\n]+\); prepare or copy "
        "the data again",
        str(error.value),
    )


def test_damaged_metadata(prepared, tmp_path):
    shutil.copytree(prepared["array_record"], tmp_path / "data")
    folder = tmp_path / "data" / "blobs" / "1.2.0"
    (folder / "dataset_info.json").write_text("{")
    for path in (tmp_path / "data", folder):
        with pytest.raises(ValueError) as error:
            tfds.load("train", str(path), dataset="blobs")
        assert re.fullmatch(
            rf"{folder} is not readable as prepared data \([^\n]+\); prepare it again",
            str(error.value),
        )


def test_mocked_data(prepared):
    data_dir = str(prepared["array_record"])
    with tensorflow_datasets.testing.mock_data(num_examples=16, data_dir=data_dir):
        part = tfds.load("train", data_dir, dataset="blobs", image_size=4)
        assert len(part) == 16
        rows = part.gather(np.array([15, 2]))
        assert rows["image"].shape == (2, 4, 4, 3) and rows["image"].dtype == np.uint8
        np.testing.assert_array_equal(part.labels()[[15, 2]], rows["label"])


def test_tensorflow_is_not_imported_and_nothing_is_printed(data_dir):
    program = (
        "import sys, numpy\n"
        "from research.data import tfds\n"
        "assert 'tensorflow_datasets' not in sys.modules\n"
        f"part = tfds.load('train', {data_dir!r}, dataset='blobs')\n"
        "part.gather(numpy.arange(40)), part.labels()\n"
        "assert 'tensorflow' not in sys.modules\n"
    )
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

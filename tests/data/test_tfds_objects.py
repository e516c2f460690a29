"""The tfds_objects source, on small data in TFDS's form that is written here."""

import io
import logging

import numpy as np
import pytest
from PIL import Image

from research.data import objects, tfds_objects

tensorflow_datasets = pytest.importorskip(
    "tensorflow_datasets", reason="the extra menagerie[tfds] is not installed"
)
SIZE = (40, 60)  # height, width
# (class, left, top, right, bottom as shares, crowd) of each example of "train".
BOXES = {
    0: [("dog", 0.5, 0.25, 1.0, 0.75, False), ("cat", 0.0, 0.0, 0.5, 0.5, True)],
    1: [],
    2: [("cat", 0.25, 0.5, 0.5, 1.0, False)],
    3: [("dog", 0.5, 0.5, 0.5, 0.75, False), ("dog", 0.0, 0.0, 1.0, 1.0, False)],
}


class Pets(tensorflow_datasets.core.GeneratorBasedBuilder):
    """What TFDS's coco and voc hold, as far as it is read."""

    VERSION = tensorflow_datasets.core.Version("1.0.0")

    def _info(self):
        features = tensorflow_datasets.features
        one = {
            "bbox": features.BBoxFeature(),
            "label": features.ClassLabel(names=["cat", "dog"]),
            "is_crowd": np.bool_,
        }
        return tensorflow_datasets.core.DatasetInfo(
            builder=self,
            features=features.FeaturesDict(
                {
                    "image": features.Image(shape=(None, None, 3)),
                    "objects": features.Sequence(one),
                    "label": features.ClassLabel(num_classes=2),
                }
            ),
        )

    def _split_generators(self, manager):
        return {
            "train": self._generate_examples(BOXES),
            "test": self._generate_examples({4: BOXES[0]}),
        }

    def _generate_examples(self, chosen):
        for k, found in chosen.items():
            boxes = [
                {
                    "bbox": np.array([top, left, bottom, right], np.float32),
                    "label": name,
                    "is_crowd": crowd,
                }
                for name, left, top, right, bottom, crowd in found
            ]
            yield k, {"image": _picture(k), "objects": boxes, "label": 0}


def _picture(k):
    """Makes a grey picture of level 10 k; number 2 says by EXIF that it is turned."""
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6 if k == 2 else 1
    pixels = np.full((*SIZE, 3), 10 * k, np.uint8)
    Image.fromarray(pixels).save(file, "PNG", exif=exif)
    file.seek(0)
    return file


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tfds")
    builder = Pets(data_dir=folder, file_format="array_record")
    builder.download_and_prepare()
    return str(folder)


def _load(path, **options):
    return tfds_objects.load(
        "train", path, **{"dataset": "pets", "image_size": SIZE, **options}
    )


def _by_number(batch):
    """Finds the row of each example: files hold them in an order of their own."""
    return {int(pixels[0, 0, 0]) // 10: k for k, pixels in enumerate(batch["image"])}


def test_boxes_are_pixels_of_the_fitted_picture(path):
    examples = _load(path, image_size=(80, 120), max_boxes=3)
    assert tfds_objects.splits(path, dataset="pets") == ("train", "test")
    assert examples.spec.class_names == ("cat", "dog") and len(examples) == 4
    assert examples.spec.features == objects.form((80, 120), 3)
    batch = examples.gather(np.arange(4))
    rows = _by_number(batch)
    first, second = rows[0], rows[2]
    np.testing.assert_allclose(
        batch["boxes"][first], [(60, 20, 120, 60), (0, 0, 60, 40), (0, 0, 0, 0)]
    )
    np.testing.assert_array_equal(batch["labels"][first], [1, 0, 0])
    np.testing.assert_array_equal(batch["crowd"][first], [False, True, False])
    np.testing.assert_array_equal(batch["box_mask"][first], [1, 1, 0])
    assert batch["box_mask"][rows[1]].sum() == 0
    # Shares are of the picture as it is stored, whatever EXIF says.
    np.testing.assert_allclose(batch["boxes"][second, 0], (30, 40, 60, 80))
    np.testing.assert_array_equal(batch["size"], [SIZE] * 4)


def test_a_bad_box_is_dropped_and_named_once(path, caplog):
    examples = _load(path)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            batch = examples.gather(np.arange(4))
    row = _by_number(batch)[3]
    assert batch["box_mask"][row].sum() == 1
    assert [r.getMessage() for r in caplog.records] == [
        f"box 0 (dog) of example {row} of pets/1.0.0 train has no area: left, top, "
        "right, bottom = 30, 20, 30, 30; dropped"
    ]


def _sentence(path, **options):
    with pytest.raises(ValueError) as error:
        _load(path, **options).gather(np.arange(4))
    return str(error.value)


def test_what_does_not_fit_is_one_sentence(path):
    assert _sentence(path, objects_key="label") == (
        "'label' of pets/1.0.0 must be a sequence with 'bbox' and a class label "
        "'label', it has: none; set config.data.objects_key and label_key"
    )
    assert _sentence(path, label_key="kind") == (
        "'objects' of pets/1.0.0 must be a sequence with 'bbox' and a class label "
        "'kind', it has: bbox, is_crowd, label; set config.data.objects_key and "
        "label_key"
    )
    assert _sentence(path, max_boxes=0) == (
        "data.max_boxes=0 must be at least 1, the boxes of a picture; raise it"
    )
    row = _by_number(_load(path).gather(np.arange(4)))[0]
    assert _sentence(path, max_boxes=1) == (
        f"data.max_boxes=1 must be at least 2, the boxes of example {row} of "
        "pets/1.0.0 train; raise it"
    )
    assert "; correct it or set config.data.bad_boxes=drop" in _sentence(
        path, bad_boxes="refuse"
    )

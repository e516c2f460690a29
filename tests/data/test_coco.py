"""COCO's JSON: what is read, and a sentence for each thing that is wrong."""

import json

import numpy as np
import pytest

from research.data import coco
from tests.data import objects_files as files


def test_boxes_classes_and_crowds(tmp_path):
    rows = [(1, 7, (8, 6, 32, 24), 0), (1, 3, (0, 0, 80, 60), 1)]
    files.write_coco(tmp_path, "train2017", files.coco(rows))
    files.write_coco(tmp_path, "val2017", files.coco([]))
    assert coco.splits(tmp_path) == ("train", "validation")
    opened = coco.load("train", tmp_path, image_size=(60, 80), max_boxes=2)
    batch = opened.gather(np.array([0]))
    assert opened.spec.class_names == ("cat", "dog")
    np.testing.assert_array_equal(batch["boxes"][0], [[8, 6, 40, 30], [0, 0, 80, 60]])
    np.testing.assert_array_equal(batch["labels"][0], [1, 0])
    np.testing.assert_array_equal(batch["crowd"][0], [False, True])


def test_annotations_beside_the_pictures(tmp_path):
    told = files.coco([(1, 7, (8, 6, 32, 24), 0)])
    files.write_picture(tmp_path / "valid" / "a.jpg")
    (tmp_path / "valid" / "_annotations.coco.json").write_text(json.dumps(told))
    assert coco.splits(tmp_path) == ("validation",)
    assert len(coco.load("validation", tmp_path)) == 1


def test_all_splits_number_the_classes_of_the_first(tmp_path):
    files.write_coco(tmp_path, "train", files.coco([]))
    turned = ((1, "dog"), (2, "cat"))
    told = files.coco([(1, 1, (8, 6, 32, 24), 0)], categories=turned)
    files.write_coco(tmp_path, "val", told)
    opened = coco.load("validation", tmp_path)
    assert opened.spec.class_names == ("cat", "dog")
    assert opened.gather(np.array([0]))["labels"][0, 0] == 1


def test_an_unknown_category(tmp_path):
    file = files.write_coco(tmp_path, "train", files.coco([(1, 9, (8, 6, 32, 24), 0)]))
    with pytest.raises(ValueError) as error:
        coco.load("train", tmp_path, bad_boxes="refuse")
    assert str(error.value) == (
        f"box 0 (id 9) of a.jpg in {file} is of unknown class 'id 9', not one of cat, "
        "dog; correct it or set config.data.bad_boxes=drop"
    )


BROKEN = {
    "is not a readable JSON file (Expecting value: line 1 column 1 (char 0)); correct "
    "or replace it": "boxes",
    "must hold a list 'images', as COCO's instances do; bring one": "{}",
    "has images without 'file_name'; correct it": json.dumps(
        {"images": [{"id": 1}], "annotations": [], "categories": []}
    ),
    "must give each bbox as [left, top, width, height], got [1, 2]; correct it": (
        json.dumps(files.coco([(1, 3, (1, 2), 0)]))
    ),
    "must give each bbox as [left, top, width, height], got [1, 2, None, 4]; correct "
    "it": json.dumps(files.coco([(1, 3, (1, 2, None, 4), 0)])),
    "has images without 'id'; correct it": json.dumps(
        {"images": [1], "annotations": [], "categories": []}
    ),
    "must give each image's height and width in pixels, got 0 and 80 of a.jpg; correct "
    "it": json.dumps(files.coco([])).replace('"height": 60', '"height": 0'),
    "names no categories; add them, or set config.data.classes": json.dumps(
        files.coco([], categories=())
    ),
}


@pytest.mark.parametrize("wrong", BROKEN)
def test_a_broken_file_is_one_sentence(wrong, tmp_path):
    file = files.write_coco(tmp_path, "train", files.coco([]))
    file.write_text(BROKEN[wrong])
    with pytest.raises(ValueError) as error:
        coco.load("train", tmp_path)
    assert str(error.value) == f"{file} {wrong}"


def test_an_annotation_of_no_image(tmp_path):
    file = files.write_coco(tmp_path, "train", files.coco([(5, 3, (1, 2, 3, 4), 0)]))
    with pytest.raises(ValueError) as error:
        coco.load("train", tmp_path)
    assert str(error.value) == (
        f"annotation 1 of {file} is of image 5, which the file lacks; correct it"
    )

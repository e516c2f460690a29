"""Pascal VOC folders: what is read, and a sentence for each thing that is wrong."""

import logging
import os
import pathlib

import numpy as np
import pytest

from research.data import voc
from tests.data import objects_files as files

DATA = os.environ.get("RESEARCH_DATA")


def test_boxes_are_scaled_with_their_picture(tmp_path):
    files.write_voc(tmp_path, {"a": [("cat", 8, 6, 40, 30)], "b": []})
    opened = voc.load("train", tmp_path, image_size=(32, 40), max_boxes=3)
    batch = opened.gather(np.array([1, 0]))
    assert opened.spec.class_names == ("cat",)
    assert batch["image"].shape == (2, 32, 40, 3)
    # 60 x 80 becomes 30 x 40: half, and two rows of grey below
    np.testing.assert_array_equal(batch["boxes"][1, 0], [4, 3, 20, 15])
    assert (batch["image"][:, 30:] == 114).all()
    np.testing.assert_array_equal(batch["box_mask"], [[0, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(batch["size"], [[60, 80], [60, 80]])


def test_lists_decide_the_splits(tmp_path):
    boxes = {"a": [("cat", 8, 6, 40, 30)], "b": [("dog", 1, 1, 9, 9)]}
    files.write_voc(tmp_path, boxes, {"train": ["a"], "val": ["b"]})
    assert voc.splits(tmp_path) == ("train", "validation")
    opened = voc.load("validation", tmp_path)
    assert len(opened) == 1 and opened.spec.class_names == ("cat", "dog")
    assert opened.gather(np.array([0]))["labels"][0, 0] == 1


def test_a_picture_without_boxes_is_told_of(tmp_path, caplog):
    files.write_voc(tmp_path, {"a": [("cat", 8, 6, 40, 30)], "b": []})
    with caplog.at_level(logging.INFO):
        voc.load("train", tmp_path)
    assert caplog.messages == [
        f"split 'train' of {tmp_path}: 1 pictures hold no box and teach background "
        f"only, first {tmp_path / 'Annotations' / 'b.xml'}"
    ]


BAD = {
    "has no area: left, top, right, bottom = 8, 6, 8, 6": ("cat", 8, 6, 8, 6),
    "reaches outside the 80 x 60 picture: 8, 6, 90, 30": ("cat", 8, 6, 90, 30),
    "is of unknown class 'cow', not one of cat, dog": ("cow", 8, 6, 40, 30),
}


@pytest.mark.parametrize("wrong", BAD)
def test_a_bad_box_is_named_and_dropped_or_refused(wrong, tmp_path, caplog):
    files.write_voc(tmp_path, {"a": [("cat", 1, 2, 30, 40), BAD[wrong]]})
    rule = {"classes": ("cat", "dog")}
    told = f"box 1 ({BAD[wrong][0]}) of {tmp_path / 'Annotations' / 'a.xml'} {wrong}"
    opened = voc.load("train", tmp_path, **rule)
    assert caplog.messages[0] == f"{told}; dropped"
    assert opened.gather(np.array([0]))["box_mask"].sum() == 1
    with pytest.raises(ValueError) as error:
        voc.load("train", tmp_path, bad_boxes="refuse", **rule)
    remedy = "; correct it or set config.data.bad_boxes=drop"
    assert str(error.value) == told + remedy


def test_a_pixel_outside_is_cut_off(tmp_path):
    files.write_voc(tmp_path, {"a": [("cat", 8, 6, 81, 61)]})
    opened = voc.load("train", tmp_path, image_size=(60, 80), bad_boxes="refuse")
    np.testing.assert_array_equal(
        opened.gather(np.array([0]))["boxes"][0, 0], [8, 6, 80, 60]
    )


def test_broken_xml(tmp_path):
    files.write_voc(tmp_path, {"a": []})
    file = tmp_path / "Annotations" / "a.xml"
    file.write_text("<annotation><object>")
    with pytest.raises(ValueError) as error:
        voc.load("train", tmp_path)
    assert str(error.value) == (
        f"{file} is not a readable XML file (no element found: line 1, column 20); "
        "correct or remove it"
    )


def test_a_missing_number(tmp_path):
    files.write_voc(tmp_path, {"a": [("cat", "", 6, 40, 30)]})
    file = tmp_path / "Annotations" / "a.xml"
    with pytest.raises(ValueError) as error:
        voc.load("train", tmp_path)
    assert str(error.value) == (
        f"{file} must hold a number in <bndbox/xmin>, got ''; correct it"
    )


WRONG = {
    ("<name>cat</name>", ""): "must name each object's class in <name>; correct it",
    ("<width>80", "<width>nan"): (
        "must hold a number in <size/width>, got 'nan'; correct it"
    ),
    ("<height>60", "<height>0"): (
        "must give its picture's size, got height 0 and width 80; correct it"
    ),
}


@pytest.mark.parametrize("change", WRONG)
def test_what_is_not_told_is_one_sentence(change, tmp_path):
    files.write_voc(tmp_path, {"a": [("cat", 8, 6, 40, 30)]})
    file = tmp_path / "Annotations" / "a.xml"
    file.write_text(file.read_text().replace(*change))
    with pytest.raises(ValueError) as error:
        voc.load("train", tmp_path)
    assert str(error.value) == f"{file} {WRONG[change]}"


def test_a_list_holds_a_name_in_each_line_and_an_empty_one_none(tmp_path):
    boxes = {"a 1": [("cat", 8, 6, 40, 30)], "b": [("dog", 1, 1, 9, 9)]}
    files.write_voc(tmp_path, boxes, {"train": ["a 1", ""], "test": []})
    assert len(voc.load("train", tmp_path)) == 1
    assert len(voc.load("test", tmp_path)) == 0


def test_a_missing_picture(tmp_path):
    files.write_voc(tmp_path, {"a": [("cat", 8, 6, 40, 30)]})
    picture = tmp_path / "JPEGImages" / "a.jpg"
    picture.unlink()
    with pytest.raises(FileNotFoundError) as error:
        voc.load("train", tmp_path)
    assert str(error.value) == (
        f"image file {picture} of {tmp_path / 'Annotations' / 'a.xml'} does not exist; "
        "correct the path or remove the annotation"
    )


def test_a_picture_of_another_size(tmp_path):
    files.write_voc(tmp_path, {"a": [("cat", 8, 6, 40, 30)]})
    picture = tmp_path / "JPEGImages" / "a.jpg"
    files.write_picture(picture, (30, 40))
    opened = voc.load("train", tmp_path)
    with pytest.raises(ValueError) as error:
        opened.gather(np.array([0]))
    assert str(error.value) == (
        f"{picture} has 40 x 30 pixels, but {tmp_path / 'Annotations' / 'a.xml'} says "
        "80 x 60, so its boxes do not fit; correct one of them"
    )


def test_too_many_boxes_and_a_wrong_choice(tmp_path):
    files.write_voc(tmp_path, {"a": [("cat", 8, 6, 40, 30)] * 2})
    with pytest.raises(ValueError) as error:
        voc.load("train", tmp_path, max_boxes=1)
    assert str(error.value) == (
        "data.max_boxes=1 must be at least 2, the boxes of "
        f"{tmp_path / 'Annotations' / 'a.xml'}; raise it"
    )
    with pytest.raises(ValueError) as error:
        voc.load("train", tmp_path, bad_boxes="keep")
    assert str(error.value) == (
        "data.bad_boxes must be drop or refuse, got 'keep'; choose one"
    )


def test_a_folder_of_another_kind(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        voc.splits(tmp_path)
    assert str(error.value) == (
        f"{tmp_path} has no folder Annotations; set config.data.path to a folder with "
        "Annotations/*.xml and JPEGImages"
    )


@pytest.mark.skipif(not DATA, reason="needs RESEARCH_DATA")
def test_bccd(caplog):
    path = pathlib.Path(DATA) / "bccd" / "BCCD"
    if not path.is_dir():
        pytest.skip("needs bccd")
    sizes = {s: len(voc.load(s, path, max_boxes=30)) for s in voc.splits(path)}
    assert sizes == {"train": 205, "validation": 87, "test": 72}
    dropped = [m for m in caplog.messages if m.endswith("; dropped")]
    assert len(dropped) == 2 and all("has no area" in m for m in dropped)

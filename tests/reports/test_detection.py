"""The page of a detection run: mistakes, curves, pictures."""

import json

import numpy as np
import pytest
from PIL import Image

from research.data import synthetic_objects
from research.reports import detection, drawn_boxes, mistakes, precision_recall


def _predictions(examples):
    """Finds all but each picture's first object, and one box that is not there."""
    batch = examples.gather(np.arange(len(examples)))
    n, most = batch["box_mask"].shape
    boxes = np.concatenate([batch["boxes"], np.zeros((n, 1, 4), np.float32)], axis=1)
    boxes[:, most] = 0, 0, 5, 5
    scores = np.concatenate([0.9 * batch["box_mask"], np.full((n, 1), 0.6)], axis=1)
    scores[:, 0] = 0
    labels = np.concatenate([batch["labels"], np.zeros((n, 1), np.int32)], axis=1)
    return {
        "boxes": boxes,
        "scores": scores.astype(np.float32),
        "labels": labels,
        "true_boxes": batch["boxes"],
        "true_labels": batch["labels"],
        "true_mask": batch["box_mask"],
        "true_crowd": batch["crowd"],
        "size": batch["size"],
    }


def test_the_page_shows_curves_pictures_and_mistakes(tmp_path):
    examples = synthetic_objects.load("validation", count=32)
    predictions = _predictions(examples)
    (tmp_path / "config.json").write_text(json.dumps({"task": {"name": "detection"}}))
    written = detection.write(
        tmp_path,
        "validation",
        spec=examples.spec,
        examples=examples,
        predictions=predictions,
        metrics={"validation/ap": 0.5, "validation/ap50": 0.75},
        step=3,
        checkpoint="best",
    )
    assert set(written) == {"validation/found", "validation/mistakes"}
    with Image.open(written["validation/found"]) as picture:
        assert picture.width > 1200
    values = json.loads((tmp_path / "evaluation" / "validation.json").read_text())
    mask = predictions["true_mask"]
    assert values["missed_objects"] == int((mask[:, 0] > 0).sum()) > 0
    assert values["false_boxes"] == 8 and values["threshold"] == 0.3
    assert sum(row["objects"] for row in values["classes"]) == int(mask.sum())
    page = detection.section(tmp_path)
    assert "Truth and what was found" in page and "8 boxes not there" in page
    assert page.count("<polyline") == len(values["curves"]) > 0
    assert "75.0%" in page


def test_mistakes_of_a_picture():
    predictions = {
        "boxes": np.array([[[0, 0, 9, 9], [0, 0, 9, 8], [30, 30, 40, 40]]], np.float32),
        "scores": np.array([[0.9, 0.8, 0.2]]),
        "labels": np.array([[1, 1, 1]]),
        "true_boxes": np.array([[[0, 0, 9, 9], [50, 50, 60, 60]]], np.float32),
        "true_labels": np.array([[1, 0]]),
        "true_mask": np.ones((1, 2)),
        "true_crowd": np.zeros((1, 2), bool),
    }
    false, missed = mistakes.of_picture(predictions, 0, 0.5)
    assert (false.tolist(), missed.tolist()) == ([1], [1])
    false, _ = mistakes.of_picture(predictions, 0, 0.1)
    assert false.tolist() == [1, 2]


def test_boxes_are_drawn_where_they_are():
    black = Image.new("RGB", (100, 80))
    box = np.array([[20, 30, 60, 70]], np.float32)
    for dashed in (False, True):
        pixels = np.asarray(drawn_boxes.draw(black, box, [1], [""], dashed=dashed))
        rows, columns = np.nonzero(pixels.any(-1))
        assert (rows.min(), columns.min()) == (30, 20)
        assert (rows.max(), columns.max()) == (70, 60)
        assert not pixels[40:60, 30:50].any()
        assert tuple(pixels[30, 20]) == drawn_boxes.colour(1)
    assert not np.asarray(black).any(), "the picture itself is left alone"


def test_curves_have_a_line_per_class():
    drawn = precision_recall.curves([0, 0.5, 1], {"a<b": [1, 1, 0], "c": [1, 0, 0]})
    assert drawn.count("<polyline") == 2 and "a&lt;b" in drawn
    assert drawn.count("s1") == pytest.approx(2)

"""COCO's average precision: pycocotools' own, and cases counted by hand."""

import contextlib
import io
import json

import numpy as np
import pytest

from research.metrics import mean_average_precision


def _predictions(images):
    """Packs [(objects, found), …]: (box, label, crowd) and (box, label, score)."""
    n = len(images)
    most = max([1, *(len(part) for image in images for part in image)])
    packed = {
        "boxes": np.zeros((n, most, 4), np.float32),
        "scores": np.zeros((n, most), np.float32),
        "labels": np.zeros((n, most), np.int32),
        "true_boxes": np.zeros((n, most, 4), np.float32),
        "true_labels": np.zeros((n, most), np.int32),
        "true_mask": np.zeros((n, most), np.float32),
        "true_crowd": np.zeros((n, most), bool),
    }
    for i, (objects, found) in enumerate(images):
        for k, (box, label, crowd) in enumerate(objects):
            packed["true_boxes"][i, k], packed["true_labels"][i, k] = box, label
            packed["true_mask"][i, k], packed["true_crowd"][i, k] = 1, crowd
        for k, (box, label, score) in enumerate(found):
            packed["boxes"][i, k], packed["labels"][i, k] = box, label
            packed["scores"][i, k] = score
    return packed


def _official(images, num_classes, folder):
    """Measures by the files that the official evaluation reads."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def bbox(box):
        return [box[0], box[1], box[2] - box[0], box[3] - box[1]]

    truth, found = [], []
    for i, (objects, boxes) in enumerate(images, 1):
        for box, label, crowd in objects:
            wide, tall = bbox(box)[2:]
            row = dict(image_id=i, category_id=label + 1, bbox=bbox(box))
            row |= dict(id=len(truth) + 1, area=wide * tall, iscrowd=int(crowd))
            truth.append(row)
        for box, label, score in boxes:
            row = dict(image_id=i, category_id=label + 1, bbox=bbox(box))
            found.append(row | dict(score=score))
    told = {
        "images": [{"id": i} for i in range(1, len(images) + 1)],
        "annotations": truth,
        "categories": [{"id": k + 1, "name": str(k)} for k in range(num_classes)],
    }
    (folder / "truth.json").write_text(json.dumps(told))
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(folder / "truth.json"))
        evaluation = COCOeval(coco, coco.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[[0, 1, 2, 3, 4, 5, 8]]


A, B, C = (10, 10, 50, 50), (60, 10, 200, 150), (0, 0, 20, 20)
NEAR = (12, 11, 52, 49)  # overlaps A by 0.83
SCENES = {
    "empty pictures": [([], []), ([(A, 0, False)], [(A, 0, 0.9)]), ([], [(A, 1, 0.8)])],
    "nothing is there to find in a class": [([(A, 0, False)], [(A, 0, 0.9)])],
    "crowds": [
        ([(B, 0, True), (A, 0, False)], [(C, 0, 0.9), (A, 0, 0.5), (B, 0, 0.7)]),
        ([(B, 1, True)], [((70, 20, 100, 50), 1, 0.9), (C, 1, 0.3)]),
    ],
    "ties": [
        ([(A, 0, False), (B, 0, False)], [(C, 0, 0.5), (A, 0, 0.5), (B, 0, 0.5)]),
        ([(A, 0, False)], [(NEAR, 0, 0.5), (A, 0, 0.5)]),
    ],
    "two boxes for one object": [
        ([(A, 0, False), (B, 1, False)], [(A, 0, 0.9), (NEAR, 0, 0.8), (B, 1, 0.4)])
    ],
}


@pytest.mark.parametrize("scene", SCENES)
def test_it_equals_the_official_evaluation(scene, tmp_path):
    images = SCENES[scene]
    official = _official(images, 2, tmp_path)
    found = mean_average_precision.measure(_predictions(images), 2).scores
    for name, value in zip(mean_average_precision.NAMES, official, strict=True):
        if value < 0:
            assert name not in found, name
        else:
            assert found[name] == pytest.approx(value, abs=1e-12), name


def test_many_random_boxes(tmp_path):
    rng = np.random.default_rng(0)
    images = []
    for _ in range(12):
        corners = rng.integers(0, 150, (6, 2))
        boxes = np.concatenate([corners, corners + rng.integers(5, 120, (6, 2))], 1)
        boxes = boxes.tolist()
        objects = [(b, int(rng.integers(3)), bool(rng.random() < 0.2)) for b in boxes]
        moved = [[side + int(rng.integers(-6, 7)) for side in b] for b in boxes]
        kinds = [o[1] if rng.random() < 0.8 else 0 for o in objects]
        scores = np.round(rng.random(6), 1) + 0.05
        found = list(zip(moved, kinds, scores.tolist(), strict=True))
        # positive sides, as boxes that are found have
        found = [f for f in found if f[0][0] < f[0][2] and f[0][1] < f[0][3]]
        images.append((objects, found))
    official = _official(images, 3, tmp_path)
    found = mean_average_precision.measure(_predictions(images), 3).scores
    here = [found.get(name, -1) for name in mean_average_precision.NAMES]
    np.testing.assert_allclose(here, official, atol=1e-6)
    assert 0.05 < here[0] < here[1] < 1


def test_counted_by_hand():
    """One of two found, and above it one that is not there: precision is 1/2.

    51 of the 101 recall points lie in 0..0.5, each with precision 0.5.
    """
    images = [([(A, 0, False), (B, 0, False)], [(C, 0, 0.9), (A, 0, 0.8)])]
    measured = mean_average_precision.measure(_predictions(images), 2)
    assert measured.scores["ap50"] == pytest.approx(51 / 101 * 0.5)
    assert measured.classes[0]["objects"] == 2
    assert measured.classes[1] == {"objects": 0, "ap": None, "ap50": None}
    assert measured.precision.shape == (2, 101) and measured.precision[0, 30] == 0.5


def test_no_objects_and_no_boxes():
    measured = mean_average_precision.measure(_predictions([([], [])]), 1)
    assert measured.scores == {}

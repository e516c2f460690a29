"""COCO's average precision, by pycocotools: areas under precision-recall curves.

Protocol: `COCOeval(iouType="bbox")` with its defaults: IoU 0.50:0.05:0.95, 101 recall
points, at most 100 boxes per image, all classes that have objects averaged. An object's
area is its box's (COCO's files give the area of its outline, so that sizes near a
border may fall otherwise). Crowd regions are ignored, as `iscrowd` is.
https://github.com/cocodataset/cocoapi
"""

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

# What `measure` gives where it is defined: a split without large objects has no
# ap_large.
NAMES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "average_recall")
_PLACES = (0, 1, 2, 3, 4, 5, 8)  # of NAMES in COCOeval.stats


@dataclass(frozen=True)
class Measured:
    """What pycocotools says of a split.

    Attributes:
      scores: name of NAMES -> value in [0, 1], where it is defined.
      classes: per class {"objects", "ap", "ap50"}; None where it has no objects.
      recall: (101,) the recall points.
      precision: (k, 101) precision at IoU 0.5 at each of them; -1 where undefined.
    """

    scores: dict[str, float]
    classes: list[dict]
    recall: np.ndarray
    precision: np.ndarray


def measure(predictions: Mapping[str, np.ndarray], num_classes: int) -> Measured:
    """Measures predictions beside the truth.

    Args:
      predictions: of the task detection: boxes (n, m, 4), scores, labels (n, m), and
        true_boxes (n, t, 4), true_labels, true_mask, true_crowd (n, t); scores of 0 and
        objects of mask 0 are filling.
      num_classes: k.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    truth, found = COCO(), COCO()
    truth.dataset = _dataset(_objects(predictions), len(predictions["boxes"]))
    found.dataset = _dataset(_boxes(predictions), len(predictions["boxes"]))
    for dataset in (truth.dataset, found.dataset):
        dataset["categories"] = [{"id": k + 1} for k in range(num_classes)]
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does
        truth.createIndex()
        found.createIndex()
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    stats = evaluation.stats[list(_PLACES)]
    # (iou, recall, class, area, most boxes): all areas, 100 boxes
    precision = evaluation.eval["precision"][:, :, :, 0, -1]
    counts = np.bincount(
        [
            a["category_id"] - 1
            for a in truth.dataset["annotations"]
            if not a["iscrowd"]
        ],
        minlength=num_classes,
    )
    return Measured(
        scores={n: float(v) for n, v in zip(NAMES, stats, strict=True) if v >= 0},
        classes=[
            {
                "objects": int(counts[k]),
                "ap": _mean(precision[:, :, k]),
                "ap50": _mean(precision[0, :, k]),
            }
            for k in range(num_classes)
        ],
        recall=np.asarray(evaluation.params.recThrs),
        precision=precision[0].T,
    )


def _mean(precision: np.ndarray) -> float | None:
    return float(precision.mean()) if (precision >= 0).all() else None


def _dataset(annotations: list[dict], images: int) -> dict:
    return {
        "images": [{"id": k + 1} for k in range(images)],
        "annotations": annotations,
    }


def _objects(predictions) -> list[dict]:
    mask = np.asarray(predictions["true_mask"]) > 0
    crowd = np.asarray(predictions["true_crowd"])
    names = ("true_boxes", "true_labels")
    return [
        row | {"iscrowd": int(crowd[at])}
        for at, row in _rows(predictions, mask, *names)
    ]


def _boxes(predictions) -> list[dict]:
    scores = np.asarray(predictions["scores"])
    return [
        row | {"score": float(scores[at]), "iscrowd": 0}
        for at, row in _rows(predictions, scores > 0, "boxes", "labels")
    ]


def _rows(predictions, chosen: np.ndarray, boxes: str, labels: str):
    """Yields (place, annotation) of each chosen box."""
    for number, at in enumerate(zip(*np.nonzero(chosen), strict=True), 1):
        left, top, right, bottom = map(float, predictions[boxes][at])
        wide, tall = right - left, bottom - top
        yield (
            at,
            {
                "id": number,
                "image_id": int(at[0]) + 1,
                "category_id": int(predictions[labels][at]) + 1,
                "bbox": [left, top, wide, tall],
                "area": wide * tall,
            },
        )

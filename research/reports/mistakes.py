"""Which boxes a detector got wrong: what it found that is not there, what it missed."""

from collections.abc import Mapping

import numpy as np

_LEAST_IOU = 0.5


def of_picture(
    predictions: Mapping[str, np.ndarray], picture: int, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """Matches what was found in one picture to its objects.

    By falling score each box of at least the threshold takes the free object of its
    class that it overlaps most, by IoU 0.5 at least. Boxes mostly in a crowd of their
    class are no mistakes.

    Args:
      predictions: of the task detection, with the truth.
      picture: its number in the split.
      threshold: least score.

    Returns:
      (places of false boxes, places of missed objects)
    """
    found, scores, labels = (
        np.asarray(predictions[n][picture]) for n in ("boxes", "scores", "labels")
    )
    boxes, kinds, mask, crowd = (
        np.asarray(predictions[f"true_{n}"][picture])
        for n in ("boxes", "labels", "mask", "crowd")
    )
    free = (mask > 0) & ~crowd
    false = []
    for place in np.flatnonzero((scores >= threshold) & (scores > 0)):
        same = kinds == labels[place]
        shared, own, theirs = _areas(found[place], boxes)
        union = own + theirs - shared
        ratio = np.where(free & same & (union > 0), shared / np.maximum(union, 1e-9), 0)
        if ratio.max(initial=0) >= _LEAST_IOU:
            free[ratio.argmax()] = False
        elif not ((mask > 0) & crowd & same & (shared >= own / 2)).any():
            false.append(place)
    return np.array(false, int), np.flatnonzero(free)


def _areas(box, others):
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.maximum(sides, 0).prod(-1)
    own = np.maximum(box[2:] - box[:2], 0).prod()
    return shared, own, np.maximum(others[:, 2:] - others[:, :2], 0).prod(-1)

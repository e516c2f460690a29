"""CenterNet's losses and decoding, against equations written out over cells."""

import jax
import numpy as np
import pytest

from research.tasks import detection_points as points


def _batch():
    boxes = np.zeros((2, 3, 4), np.float32)
    boxes[0, 0], boxes[0, 1], boxes[0, 2] = (
        (4, 8, 20, 30),
        (30, 2, 62, 40),
        (40, 40, 60, 60),
    )
    return {
        "image": np.zeros((2, 64, 64, 3), np.float32),
        "boxes": boxes,
        "labels": np.array([[1, 0, 0], [0, 0, 0]], np.int32),
        "box_mask": np.array([[1, 1, 1], [0, 0, 0]], np.float32),
        "crowd": np.array([[False, False, True], [False] * 3]),
        "mask": np.ones(2, np.float32),
    }


def _outputs(seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"logits": 2, "size": 2, "offset": 2}
    return {
        k: rng.normal(size=(2, 16, 16, n)).astype(np.float32) for k, n in shapes.items()
    }


def _plain(outputs, batch):
    """Eq. (1) to Eq. (3), cell by cell."""
    parts = {"heatmap": 0.0, "size": 0.0, "offset": 0.0}
    for i in range(2):
        heat, open_ = np.zeros((16, 16, 2)), np.zeros((16, 16), bool)
        for box, label, mask, crowd in zip(
            batch["boxes"][i] / 4,
            batch["labels"][i],
            batch["box_mask"][i],
            batch["crowd"][i],
            strict=True,
        ):
            left, top, right, bottom = box
            if not mask:
                continue
            if crowd:
                open_[
                    int(top) : int(np.ceil(bottom)), int(left) : int(np.ceil(right))
                ] = 1
                continue
            wide, tall = right - left, bottom - top
            x, y = (left + right) / 2, (top + bottom) / 2
            sigma = (2 * float(points.radius(wide, tall)) + 1) / 6
            for row in range(16):
                for column in range(16):
                    far = (row - int(y)) ** 2 + (column - int(x)) ** 2
                    bump = np.exp(-far / (2 * sigma**2))
                    heat[row, column, label] = max(heat[row, column, label], bump)
            at = (i, int(y), int(x))
            parts["size"] += np.abs(outputs["size"][at] - [wide, tall]).sum()
            parts["offset"] += np.abs(
                outputs["offset"][at] - [x - int(x), y - int(y)]
            ).sum()
        p = 1 / (1 + np.exp(-outputs["logits"][i].astype(np.float64)))
        loss = np.where(
            heat == 1,
            -((1 - p) ** 2) * np.log(p),
            -((1 - heat) ** 4) * p**2 * np.log(1 - p),
        )
        parts["heatmap"] += loss[~open_].sum()
    return parts


def test_losses_equal_the_equations():
    outputs, batch = _outputs(), _batch()
    parts, count = jax.jit(lambda o, b: points.losses(o, b, 2))(outputs, batch)
    assert count == 2
    for name, value in _plain(outputs, batch).items():
        np.testing.assert_allclose(parts[name], value, rtol=1e-4, err_msg=name)


@pytest.mark.slow
def test_padding_counts_nothing():
    outputs, batch = _outputs(), _batch()
    batch["mask"] = np.array([1, 0], np.float32)
    once, _ = points.losses(outputs, batch, 2)
    batch["mask"] = np.ones(2, np.float32)
    twice, _ = points.losses(outputs, batch, 2)
    assert once["heatmap"] < twice["heatmap"] and once["size"] == twice["size"]


def test_within_the_radius_boxes_overlap_enough():
    """Corners moved by the radius leave an IoU of 0.7, the worst of three cases."""
    for wide, tall in ((10.0, 10.0), (4.0, 30.0), (50.0, 7.0)):
        r = float(points.radius(wide, tall))
        area = wide * tall
        inside = (wide - 2 * r) * (tall - 2 * r) / area
        outside = area / ((wide + 2 * r) * (tall + 2 * r))
        shared = (wide - r) * (tall - r)
        mixed = shared / (2 * area - shared)
        np.testing.assert_allclose(min(inside, outside, mixed), 0.7, atol=1e-4)


def test_boxes_come_back_from_perfect_outputs():
    batch = _batch()
    outputs = {
        "logits": np.full((2, 16, 16, 2), -9, np.float32),
        "size": np.zeros((2, 16, 16, 2), np.float32),
        "offset": np.zeros((2, 16, 16, 2), np.float32),
    }
    for n, logit in ((0, 3.0), (1, 2.0)):
        box = batch["boxes"][0, n] / 4
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        at = (0, int(y), int(x))
        outputs["logits"][(*at, batch["labels"][0, n])] = logit
        outputs["logits"][0, int(y), int(x) + 1, batch["labels"][0, n]] = logit - 1
        outputs["size"][at] = box[2] - box[0], box[3] - box[1]
        outputs["offset"][at] = x - int(x), y - int(y)
    boxes, scores, labels = points.decode(outputs, (2, 64, 64, 3), 4)
    np.testing.assert_allclose(boxes[0, :2], batch["boxes"][0, :2], atol=1e-4)
    np.testing.assert_array_equal(labels[0, :2], [1, 0])
    assert scores[0, 1] > 0.8 and scores[0, 2] < 0.01, "a cell beside a peak is none"

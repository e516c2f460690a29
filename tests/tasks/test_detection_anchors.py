"""RetinaNet's anchors, their objects and the focal loss."""

import jax
import numpy as np
import pytest

from research.tasks import anchors, detection_anchors
from research.tasks import boxes as geometry


def test_anchors_are_torchvisions():
    """The first cell of P3 as torchvision prints it (generate_anchors, rounded)."""
    made = anchors.make(128, 160)
    strides = (8, 16, 32, 64, 128)
    assert len(made) == sum(9 * -(-128 // s) * -(-160 // s) for s in strides)
    np.testing.assert_array_equal(made[0], [-23, -11, 23, 11])
    np.testing.assert_array_equal(made[3], [-16, -16, 16, 16])
    np.testing.assert_array_equal(made[8], [-18, -35, 18, 35])
    np.testing.assert_array_equal(made[9] - made[0], [8, 0, 8, 0])
    np.testing.assert_array_equal(made[9 * 20] - made[0], [0, 8, 0, 8])


def _iou(a, b):
    """Computes the IoU of boxes (n, 4) and (m, 4) in numpy."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    areas = (np.prod(x[:, 2:] - x[:, :2], axis=-1) for x in (a, b))
    return shared / (next(areas)[:, None] + next(areas)[None] - shared)


@pytest.mark.parametrize("side", [64, 96, 128, 256, 512])
def test_objects_of_a_quarter_of_any_image_have_their_anchors(side):
    """Wherever they lie; anchors made as small as the image leave most without."""
    made = np.asarray(detection_anchors.anchors_of((1, side, side, 3)))
    corner = np.random.default_rng(side).uniform(0, 0.75 * side, (200, 2))
    best = _iou(made, np.concatenate([corner, corner + side / 4], axis=1)).max(0)
    assert (best >= 0.5).mean() > 0.9


def test_boxes_come_back():
    made = anchors.make(64, 64)
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 40, (len(made), 2))
    boxes = np.concatenate([corner, corner + rng.uniform(2, 30, corner.shape)], 1)
    boxes = boxes.astype(np.float32)
    back = anchors.decode(anchors.encode(boxes, made), made)
    np.testing.assert_allclose(back, boxes, rtol=0, atol=1e-3)


def test_objects_of_anchors():
    made = np.array(
        [
            [0, 0, 10, 10],
            [0, 0, 10, 9],
            [0, 0, 10, 4.5],
            [50, 50, 60, 60],
            [80, 0, 90, 9],
        ],
        np.float32,
    )
    boxes = np.array([[0, 0, 10, 10], [50, 50, 60, 53], [78, 0, 99, 20]], np.float32)
    found, crowd = np.array([True, True, False]), np.array([False, False, True])
    which, positive, ignored = detection_anchors.assign(made, boxes, found, crowd)
    # IoU 1, 0.9, 0.45 and 0.3, but the most that the second object has; then a crowd
    np.testing.assert_array_equal(positive, [True, True, False, True, False])
    np.testing.assert_array_equal(ignored, [False, False, True, False, True])
    np.testing.assert_array_equal(np.asarray(which)[[0, 1, 3]], [0, 0, 1])


def test_focal_loss_is_equation_5():
    logits = np.linspace(-4, 4, 9, dtype=np.float32)
    p = 1 / (1 + np.exp(-logits.astype(np.float64)))
    for target in (0.0, 1.0):
        p_t, alpha = (p, 0.25) if target else (1 - p, 0.75)
        expected = -alpha * (1 - p_t) ** 2 * np.log(p_t)
        found = detection_anchors.focal(logits, np.full(9, target, np.float32))
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_losses_are_sums_over_anchors_with_objects():
    shape = (2, 64, 64, 3)
    made = np.asarray(detection_anchors.anchors_of(shape))
    rng = np.random.default_rng(0)
    boxes = np.zeros((2, 2, 4), np.float32)
    boxes[0, 0], boxes[0, 1] = (3, 5, 20, 24), (30, 30, 61, 52)
    batch = {
        "image": np.zeros(shape, np.float32),
        "boxes": boxes,
        "labels": np.array([[2, 1], [0, 0]], np.int32),
        "box_mask": np.array([[1, 1], [0, 0]], np.float32),
        "crowd": np.zeros((2, 2), bool),
        "mask": np.ones(2, np.float32),
    }
    outputs = {
        "logits": rng.normal(size=(2, len(made), 3)).astype(np.float32),
        "deltas": rng.normal(size=(2, len(made), 4)).astype(np.float32),
    }
    parts, count = jax.jit(lambda o, b: detection_anchors.losses(o, b, 3))(
        outputs, batch
    )
    ratio = np.asarray(geometry.iou(made[:, None], boxes[0][None]))
    best = ratio.max(1)
    positive = (best >= 0.5) | (ratio == ratio.max(0)).any(1)
    assert count == positive.sum() > 2
    which = ratio.argmax(1)
    target = np.zeros((2, len(made), 3), np.float32)
    target[0, positive, batch["labels"][0, which[positive]]] = 1
    loss = np.array(detection_anchors.focal(outputs["logits"], target))
    loss[0, ~positive & (best >= 0.4)] = 0
    np.testing.assert_allclose(parts["class"], loss.sum(), rtol=1e-4)
    told = np.asarray(anchors.encode(boxes[0][which], made))
    error = np.abs(outputs["deltas"][0] - told)[positive].sum()
    np.testing.assert_allclose(parts["box"], error, rtol=1e-4)

"""Augmentation keeps boxes on their objects."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from configs import base
from research.data import augment, augment_objects, pipeline, synthetic_objects

OPTIONS = {"image_shape": (64, 96, 3), "num_classes": 1, "max_boxes": 3, "count": 16}


def _batch(count=8):
    """Black pictures with a white rectangle in each box, so that pixels tell boxes."""
    examples = synthetic_objects.load("train", **OPTIONS)
    batch = examples.gather(np.arange(count))
    image = np.zeros((count, 64, 96, 3), np.float32)
    for k in range(count):
        for left, top, right, bottom in batch["boxes"][k].astype(int):
            image[k, top:bottom, left:right] = 1
    for name in ("boxes", "labels", "box_mask", "crowd"):  # room for a mosaic's
        rest = np.zeros((count, 9, *batch[name].shape[2:]), batch[name].dtype)
        batch[name] = np.concatenate([batch[name], rest], axis=1)
    return batch | {"image": image}


def _boxed(shape, boxes, mask):
    drawn = np.zeros(shape[:3], np.float32)
    for k in range(len(boxes)):
        for (left, top, right, bottom), real in zip(boxes[k], mask[k], strict=True):
            if real:
                first = (max(int(np.ceil(side + 1)), 0) for side in (top, left))
                last = (max(int(side - 1), 0) for side in (bottom, right))
                rows, columns = map(slice, first, last)
                drawn[k, rows, columns] = 1
    return drawn


def _assert_boxes_hold_what_is_white(batch):
    """White lies inside the boxes, and their inner pixels are white."""
    white = np.asarray(batch["image"])[..., 0]
    boxes, mask = np.asarray(batch["boxes"]), np.asarray(batch["box_mask"])
    inner = _boxed(white.shape, boxes, mask)
    assert inner.sum() > 100
    assert white[inner > 0].min() > 0.9
    grown = boxes + np.array([-3, -3, 3, 3], np.float32)
    outer = _boxed(white.shape, grown, mask)
    assert white[outer == 0].max() < 0.1


def _options(**changes):
    options = base.get_config().augment
    options.update(changes)
    return options


@pytest.mark.parametrize(
    "changes",
    [
        {"flip": "random"},
        {"flip": "alternating", "flip_vertical": True},
        {"zoom": (0.5, 0.9)},
        {"zoom": (1.1, 2.0), "flip": "random"},
        {"mosaic": 1.0},
    ],
    ids=str,
)
def test_boxes_stay_on_their_objects(changes):
    batch = _batch()
    spec = synthetic_objects.load("train", **OPTIONS).spec
    change = augment.make(_options(**changes), spec, (0.0,))
    positions = {"epoch": np.ones(8, np.int32), "example": np.arange(8, dtype=np.int32)}
    changed = jax.jit(change)(batch | positions, 3)
    assert set(changed) == set(batch)
    assert not np.array_equal(changed["image"], batch["image"])
    _assert_boxes_hold_what_is_white(changed)


@pytest.mark.slow
def test_draws_follow_seed_epoch_and_example():
    examples = synthetic_objects.load("train", **OPTIONS)
    change = augment.make(
        _options(zoom=(0.6, 1.6), flip="random"), examples.spec, (0.0,)
    )
    order = pipeline.Order(16, 8, 0)
    whole = pipeline.TrainBatches(examples, order, slice(None), positions=True)
    part = pipeline.TrainBatches(examples, order, slice(4, 8), positions=True)

    def made(batches, seed):
        batch = dict(batches[1])
        batch["image"] = batch["image"] / np.float32(255)
        return change(batch, seed)

    all_, rows, other = made(whole, 1), made(part, 1), made(whole, 2)
    np.testing.assert_array_equal(all_["boxes"][4:], rows["boxes"])
    assert not np.array_equal(all_["boxes"], other["boxes"])


@pytest.mark.slow
def test_what_is_cut_becomes_crowd_and_what_is_gone_filling():
    boxes = jnp.array([[[0, 0, 10, 10], [30, 0, 50, 10], [60, 0, 90, 10]]], jnp.float32)
    batch = {
        "image": jnp.zeros((1, 64, 96, 3)),
        "boxes": boxes,
        "labels": jnp.array([[1, 2, 3]]),
        "box_mask": jnp.ones((1, 3)),
        "crowd": jnp.zeros((1, 3), bool),
    }
    # a window of half the side at the upper left shows columns 0..48
    draws = jnp.zeros((1, augment_objects.ZOOM_DRAWS))
    seen = augment_objects.zoom(batch, draws, (2.0, 2.0), 0.95, jnp.zeros(3))
    np.testing.assert_allclose(
        seen["boxes"][0], [[0, 0, 20, 20], [60, 0, 96, 20], [0, 0, 0, 0]], atol=1e-4
    )
    np.testing.assert_array_equal(seen["box_mask"], [[1, 1, 0]])
    np.testing.assert_array_equal(seen["crowd"], [[False, True, False]])
    np.testing.assert_array_equal(seen["labels"], [[1, 2, 0]])


@pytest.mark.slow
def test_a_window_shows_an_object_or_all():
    rng = np.random.default_rng(0)
    count = 64
    boxes = np.zeros((count, 1, 4), np.float32)
    boxes[:, 0] = [88, 56, 96, 64]
    batch = {
        "image": jnp.asarray(rng.uniform(size=(count, 64, 96, 3)), jnp.float32),
        "boxes": jnp.asarray(boxes),
        "labels": jnp.zeros((count, 1), jnp.int32),
        "box_mask": jnp.ones((count, 1)),
        "crowd": jnp.zeros((count, 1), bool),
    }
    draws = jnp.asarray(rng.uniform(size=(count, augment_objects.ZOOM_DRAWS)))
    seen = augment_objects.zoom(batch, draws, (3.0, 4.0), 0.5, jnp.zeros(3))
    assert (np.asarray(seen["box_mask"]) == 1).all() and not seen["crowd"].any()
    whole = (np.asarray(seen["boxes"]) == boxes).all((1, 2))
    assert whole.any() and not whole.all()
    np.testing.assert_allclose(
        seen["image"][whole], batch["image"][whole], rtol=0, atol=1e-6
    )


REFUSED = {
    "config.augment.pad_crop changes images but not their boxes; use zoom, flip, "
    "flip_vertical, jitter or mosaic": {"pad_crop": 2},
    "config.augment.policy changes images but not their boxes; use zoom, flip, "
    "flip_vertical, jitter or mosaic": {"policy": "randaugment"},
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_boxes_cannot_follow_is_refused(message):
    spec = synthetic_objects.load("train", **OPTIONS).spec
    with pytest.raises(ValueError) as error:
        augment.make(_options(**REFUSED[message]), spec, (0.0,))
    assert str(error.value) == message


def test_a_bad_zoom_is_one_sentence():
    with pytest.raises(ValueError) as error:
        augment.check(_options(zoom=(2.0, 1.0)))
    assert str(error.value) == (
        "config.augment.zoom must be () or (least, most) factor, 0 < least <= most, "
        "got (2.0, 1.0); use for example (0.7, 1.5)"
    )

"""The task: predictions in the pictures' own pixels, hits, options, sentences."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.data import objects
from research.models import centernet, mlp
from research.tasks import detection, gradient

SIZE = (64, 96)


def _task(**options):
    model = centernet.build("debug")
    return detection.build(model, optax.sgd(0.1), gradient.Options(), **options)


def _batch(sizes):
    count = len(sizes)
    boxes = np.zeros((count, 4, 4), np.float32)
    boxes[:, 0], boxes[:, 1] = (5, 6, 40, 30), (50, 20, 80, 40)
    mask = np.zeros((count, 4), np.float32)
    mask[:, :2] = 1
    return {
        "image": jnp.zeros((count, *SIZE, 3)),
        "boxes": boxes,
        "labels": np.tile(np.array([0, 2, 0, 0], np.int32), (count, 1)),
        "box_mask": mask,
        "crowd": np.zeros((count, 4), bool),
        "size": np.array(sizes, np.int32),
        "mask": np.ones(count, np.float32),
    }


class _Perfect:
    """Stands for a family whose decoding is the truth, with scores that fall."""

    WEIGHTS, OVERLAP = {"all": 1.0}, 1.0

    def __init__(self, batch, scores=(0.9, 0.8, 0.0, 0.0)):
        self.batch, self.scores = batch, scores

    def decode(self, outputs, shape, count):
        scores = jnp.tile(jnp.asarray(self.scores)[None], (shape[0], 1))
        return (
            jnp.asarray(self.batch["boxes"]),
            scores,
            jnp.asarray(self.batch["labels"]),
        )


def _with(task, family):
    fields = {f: getattr(task, f) for f in ("model", "tx", "weights", "overlap")}
    rest = {f: getattr(task, f) for f in ("count", "threshold", "options")}
    return detection.Detection(**fields, **rest, family=family)


@pytest.fixture(scope="module")
def state():
    return jax.jit(_task().init)(np.uint32(0), _batch([SIZE]))


@pytest.mark.parametrize("size", [(64, 96), (480, 640), (300, 101), (33, 500)])
def test_predictions_are_in_pixels_of_the_stored_picture(size, state):
    batch = _batch([size])
    made = _with(_task(), _Perfect(batch)).predict(state, batch)
    tall, wide = objects.fitted(*size, SIZE)
    scale = np.array([wide / size[1], tall / size[0]] * 2)
    expected = np.clip(batch["boxes"][0, :2] / scale, 0, [size[1], size[0]] * 2)
    np.testing.assert_allclose(made["boxes"][0, :2], expected, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(
        made["true_boxes"][0, :2], batch["boxes"][0, :2] / scale, rtol=1e-5
    )
    assert made["boxes"].shape == (1, 100, 4)
    without = {k: v for k, v in batch.items() if k in ("image", "size", "mask")}
    bare = jax.eval_shape(_task().predict, state, without)
    assert set(bare) == {"boxes", "scores", "labels"}


def test_what_is_found_at_the_threshold_counts(state):
    batch = _batch([SIZE, SIZE])
    for scores, precision, recall in (
        ((0.9, 0.8, 0, 0), (4, 4), (4, 4)),
        ((0.9, 0.1, 0, 0), (2, 2), (2, 4)),
    ):
        task = _with(_task(), _Perfect(batch, scores))
        hits = task._hits(None, batch)
        assert tuple(map(float, hits["precision"])) == precision
        assert tuple(map(float, hits["recall"])) == recall
    batch["mask"] = np.array([1, 0], np.float32)
    hits = _with(_task(), _Perfect(batch))._hits(None, batch)
    assert tuple(map(float, hits["recall"])) == (2, 2)


def test_two_boxes_of_one_object_are_one_hit_and_a_crowd_excuses():
    boxes = np.array([[0, 0, 10, 10], [40, 0, 60, 20]], np.float32)
    found = np.array(
        [[0, 0, 10, 10], [0, 0, 10, 9], [42, 2, 50, 10], [0, 0, 10, 10]], np.float32
    )
    hits, claimed = detection._match(
        found,
        np.array([1, 1, 1, 0]),
        np.ones(4, bool),
        boxes,
        np.array([1, 1]),
        np.ones(2, np.float32),
        np.array([False, True]),
    )
    # the second is a duplicate, the third in the crowd, the fourth of another class
    assert (float(hits), float(claimed)) == (1, 3)


def test_f1_and_weights():
    task = _task(weights=(("size", 2.0),))
    assert task.weights == {"heatmap": 1.0, "size": 2.0, "offset": 1.0}
    assert task.derive({"loss": 1.0}) == {"loss": 1.0}
    assert task.derive({"precision": 0.5, "recall": 1.0})["f1"] == pytest.approx(2 / 3)
    assert task.derive({"recall": 0.0})["f1"] == 0


def test_scores_are_cocos(state):
    batch = _batch([SIZE, SIZE])
    made = _with(_task(), _Perfect(batch)).predict(state, batch)
    spec = SimpleNamespace(class_names=("a", "b", "c"))
    scores = _task().score(jax.device_get(made), SimpleNamespace(spec=spec))
    assert scores["ap"] == scores["ap50"] == 1


WRONG = {
    "task.weights must hold (part, weight) pairs of the parts heatmap, size, offset, "
    "got ('box', 1.0); correct it": {"weights": (("box", 1.0),)},
    "task.count must be at least 1 and task.threshold in 0..1, got 0 and 0.3; use for "
    "example 100 and 0.3": {"count": 0},
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_option_is_one_sentence(message):
    with pytest.raises(ValueError) as error:
        _task(**WRONG[message])
    assert str(error.value) == message


def test_a_model_that_finds_nothing():
    with pytest.raises(ValueError) as error:
        detection.build(mlp.build("debug"), optax.sgd(0.1), gradient.Options())
    assert str(error.value) == (
        "detection needs a model that finds objects, got MLP; set config.model.name to "
        "a detector such as centernet"
    )

"""DETR's matching against scipy's, and its losses written out."""

import jax
import numpy as np
import pytest
from scipy import optimize

from research.tasks import boxes as geometry
from research.tasks import detection_queries as queries


@pytest.mark.parametrize("objects", [0, 1, 4, 6])
def test_matching_equals_scipys(objects):
    rng = np.random.default_rng(objects)
    costs = rng.normal(size=(20, 9, 6)).astype(np.float32)
    found = np.arange(6) < objects
    which = jax.jit(jax.vmap(queries.match, (0, None)))(costs, found)
    for cost, chosen in zip(costs, np.asarray(which), strict=True):
        chosen = chosen[:objects]
        assert len(set(chosen)) == objects
        rows, columns = optimize.linear_sum_assignment(cost[:, :objects])
        best = cost[rows, columns].sum()
        total = cost[chosen, np.arange(objects)].sum()
        np.testing.assert_allclose(total, best, rtol=0, atol=1e-5)


def _case():
    rng = np.random.default_rng(0)
    boxes = np.zeros((2, 3, 4), np.float32)
    boxes[0, 0], boxes[0, 1] = (3, 5, 20, 24), (30, 30, 61, 52)
    batch = {
        "image": np.zeros((2, 64, 96, 3), np.float32),
        "boxes": boxes,
        "labels": np.array([[2, 1, 0], [0, 0, 0]], np.int32),
        "box_mask": np.array([[1, 1, 0], [0, 0, 0]], np.float32),
        "crowd": np.zeros((2, 3), bool),
        "mask": np.ones(2, np.float32),
    }
    outputs = {
        "logits": rng.normal(size=(2, 2, 5, 3)).astype(np.float32),
        "nothing": rng.normal(size=(2, 2, 5)).astype(np.float32),
        "boxes": rng.uniform(0.1, 0.6, (2, 2, 5, 4)).astype(np.float32),
    }
    return outputs, batch


def test_losses_equal_the_equations():
    outputs, batch = _case()
    parts, count = jax.jit(lambda o, b: queries.losses(o, b, 3))(outputs, batch)
    expected = {"class": 0.0, "l1": 0.0, "giou": 0.0}
    scale = np.array([96, 64, 96, 64], np.float32)
    true = np.asarray(geometry.to_centres(batch["boxes"][0, :2] / scale))
    for layer in range(2):
        total, weights = 0.0, 0.0
        for i in range(2):
            logits = np.concatenate(
                [outputs["logits"][i, layer], outputs["nothing"][i, layer][:, None]], 1
            )
            log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
            target = np.full(5, 3)
            if i == 0:
                boxes = outputs["boxes"][0, layer]
                l1 = np.abs(boxes[:, None] - true[None]).sum(-1)
                corners = [np.asarray(geometry.from_centres(b)) for b in (boxes, true)]
                giou = np.asarray(geometry.giou(corners[0][:, None], corners[1][None]))
                label = batch["labels"][0, :2]
                cost = 5 * l1 + 2 * (1 - giou) - np.exp(log_p)[:, label]
                rows, columns = optimize.linear_sum_assignment(cost)
                target[rows] = label[columns]
                expected["l1"] += l1[rows, columns].sum()
                expected["giou"] += (1 - giou[rows, columns]).sum()
            weight = np.where(target == 3, 0.1, 1.0)
            total -= (weight * log_p[np.arange(5), target]).sum()
            weights += weight.sum()
        expected["class"] += 2 * total / weights  # the mean, times two objects
    assert count == 2
    for name, value in expected.items():
        np.testing.assert_allclose(parts[name], value, rtol=1e-4, err_msg=name)


def test_generalised_iou_of_boxes_apart():
    """Side by side with a gap: no overlap, and the hull's waste counts."""
    a, b = np.array([0, 0, 2, 2.0]), np.array([4, 0, 6, 2.0])
    assert geometry.giou(a, b) == pytest.approx(-4 / 12)
    assert geometry.giou(a, a) == pytest.approx(1.0)


def test_decoding_takes_the_last_layers_likeliest():
    outputs, _ = _case()
    boxes, scores, labels = queries.decode(outputs, (2, 64, 96, 3), 10)
    assert boxes.shape == (2, 5, 4)
    last = np.concatenate(
        [outputs["logits"][:, -1], outputs["nothing"][:, -1][..., None]], -1
    )
    p = np.exp(last) / np.exp(last).sum(-1, keepdims=True)
    best = p[..., :-1].max(-1)
    order = np.argsort(-best, axis=1)
    np.testing.assert_allclose(scores, -np.sort(-best, axis=1), rtol=1e-5)
    classes = np.take_along_axis(p[..., :-1].argmax(-1), order, axis=1)
    np.testing.assert_array_equal(labels, classes)


def test_too_many_objects_is_one_sentence():
    outputs, batch = _case()
    outputs = {name: value[:, :, :2] for name, value in outputs.items()}
    with pytest.raises(ValueError) as error:
        queries.losses(outputs, batch, 3)
    assert str(error.value) == (
        "data.max_boxes=3 must be at most the model's queries=2; change one of them"
    )

"""Non-maximum suppression equals the plain greedy loop."""

import jax
import numpy as np
import pytest

from research.tasks import suppression


def _iou(a, b):
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    shared = np.maximum(sides, 0).prod()
    union = (a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - shared
    return shared / union if union > 0 else 0.0


def _greedy(boxes, scores, labels, overlap):
    """Takes boxes by falling score; each removes what overlaps it in its class."""
    kept = []
    for k in np.argsort(-scores, kind="stable"):
        if scores[k] > 0 and all(
            labels[k] != labels[j] or _iou(boxes[k], boxes[j]) <= overlap for j in kept
        ):
            kept.append(k)
    return kept


def _drawn(seed, n=60, classes=3):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 60, (n, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 40, (n, 2))], axis=1)
    scores = np.round(rng.uniform(0, 1, n), 2) * (rng.uniform(size=n) < 0.9)
    labels = rng.integers(0, classes, n)
    return boxes.astype(np.float32), scores.astype(np.float32), labels.astype(np.int32)


@pytest.mark.parametrize("overlap", [0.1, 0.3, 0.5, 0.9])
def test_it_equals_the_greedy_loop(overlap):
    many = jax.jit(
        jax.vmap(lambda b, s, c: suppression.strongest(b, s, c, overlap, 60))
    )
    drawn = [_drawn(seed) for seed in range(8)]
    boxes, scores, labels = many(*(np.stack(part) for part in zip(*drawn, strict=True)))
    for k, each in enumerate(drawn):
        kept = _greedy(*each, overlap)
        assert 3 < len(kept) < 60
        count = int((scores[k] > 0).sum())
        assert count == len(kept)
        np.testing.assert_array_equal(boxes[k, :count], each[0][kept])
        np.testing.assert_array_equal(scores[k, :count], each[1][kept])
        np.testing.assert_array_equal(labels[k, :count], each[2][kept])


def test_a_chain_of_boxes():
    """Each overlaps the next only: every second one stays, in as many rounds."""
    left = np.arange(12, dtype=np.float32) * 6
    boxes = np.stack([left, 0 * left, left + 10, 0 * left + 10], axis=1)
    scores = np.linspace(0.9, 0.1, 12, dtype=np.float32)
    stays = suppression.keep(boxes, scores, np.zeros(12, np.int32), 0.2)
    np.testing.assert_array_equal(stays, np.arange(12) % 2 == 0)


def test_fewer_boxes_than_asked_for_and_no_suppression():
    boxes, scores, labels = _drawn(0, n=5)
    scores = scores + 0.1
    found = suppression.strongest(boxes, scores, labels, 1.0, 8)
    assert found[0].shape == (8, 4)
    np.testing.assert_array_equal(found[1][:5], -np.sort(-scores))
    np.testing.assert_array_equal(found[1][5:], 0)

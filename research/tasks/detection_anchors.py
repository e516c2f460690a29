"""Losses and decoding of detectors by anchors (Lin et al. 2017, RetinaNet).

The model says per anchor "logits" and "deltas", see `research/models/retinanet.py`.
Equations are those of https://arxiv.org/abs/1708.02002.
"""

import jax
import jax.numpy as jnp

from research.tasks import anchors as anchoring
from research.tasks import boxes as geometry

WEIGHTS = {"class": 1.0, "box": 1.0}
OVERLAP = 0.5  # section 4.1, inference
_GAMMA, _ALPHA = 2.0, 0.25  # of the focal loss, section 5.1
_OBJECT, _BACKGROUND = 0.5, 0.4  # IoU from which, and below which, section 4
_LEAST_SCORE = 0.05  # section 4.1
# Images below this shorter side get anchors as much smaller, but at least of twice the
# strides: any smaller, and most objects would lie between the anchors of two cells.
_PAPER_SIDE, _LEAST_SCALE = 512.0, 0.5


def losses(outputs, batch, num_classes: int) -> tuple[dict, jax.Array]:
    """Computes the parts of the loss, summed over the batch.

    Args:
      outputs: of the model.
      batch: image (b, h, w, c), boxes (b, n, 4) in its pixels, labels, box_mask,
        crowd (b, n); mask (b,).
      num_classes: k.

    Returns:
      (name of WEIGHTS -> () sum, () number of anchors with an object, which both are
      averaged over, section 4.1)
    """
    anchors = anchors_of(batch["image"].shape)
    real = (batch["box_mask"] > 0) & (batch["mask"] > 0)[:, None]
    found = real & ~batch["crowd"]
    which, positive, ignored = jax.vmap(assign, (None, 0, 0, 0))(
        anchors, batch["boxes"], found, real & batch["crowd"]
    )
    labels = jnp.take_along_axis(batch["labels"], which, axis=1)
    boxes = jnp.take_along_axis(batch["boxes"], which[..., None], axis=1)
    target = jax.nn.one_hot(labels, num_classes) * positive[..., None]
    counts = (~ignored & (batch["mask"] > 0)[:, None])[..., None]
    error = jnp.abs(outputs["deltas"] - anchoring.encode(boxes, anchors[None]))
    parts = {
        "class": jnp.where(counts, focal(outputs["logits"], target), 0).sum(),
        "box": jnp.where(positive[..., None], error, 0).sum(),  # L1, as torchvision
    }
    return parts, positive.sum().astype(jnp.float32)


def decode(outputs, image_shape, count: int):
    """Reads the likeliest boxes; the task suppresses what overlaps.

    Args:
      outputs: of the model.
      image_shape: (b, h, w, c).
      count: boxes asked for; ten times as many are read, 1,000 for 100, over all maps
        together, where section 4.1 reads 1,000 of each.

    Returns:
      boxes (b, m, 4) in pixels, inside the image, scores (b, m), 0 where below 0.05,
      labels (b, m), by falling score.
    """
    anchors = anchors_of(image_shape)
    probability = jax.nn.sigmoid(outputs["logits"])
    b, a, k = probability.shape
    scores, at = jax.lax.top_k(probability.reshape(b, -1), min(10 * count, a * k))
    which, labels = at // k, at % k
    deltas = jnp.take_along_axis(outputs["deltas"], which[..., None], axis=1)
    boxes = anchoring.decode(deltas, anchors[which])
    side = jnp.array([image_shape[2], image_shape[1]] * 2, jnp.float32)
    boxes = jnp.clip(boxes, 0, side[None, None])
    return boxes, jnp.where(scores > _LEAST_SCORE, scores, 0), labels


def anchors_of(image_shape) -> jax.Array:
    """Makes the anchors of images (b, h, w, c), smaller ones for small images."""
    height, width = image_shape[1:3]
    scale = min(1.0, max(_LEAST_SCALE, min(height, width) / _PAPER_SIDE))
    return jnp.asarray(anchoring.make(height, width, scale))


def assign(anchors, boxes, found, crowd):
    """Decides for one image which object each anchor shall find (section 4).

    Args:
      anchors: (a, 4).
      boxes: (n, 4).
      found: (n,) bool, objects.
      crowd: (n,) bool, regions that are left open.

    Returns:
      (object of each anchor (a,); whether it has one: IoU 0.5 or more, or the most that
      the object has of any anchor; whether it counts neither way)
    """
    ratio = geometry.iou(anchors[:, None], boxes[None])  # (a, n)
    ratio = jnp.where(found[None], ratio, 0)
    which, best = ratio.argmax(1), ratio.max(1)
    most = ratio.max(0, keepdims=True)
    favourite = (ratio == most) & (most > 0) & found[None]
    # as torchvision: such an anchor keeps the object that it overlaps most itself
    positive = (best >= _OBJECT) | favourite.any(1)
    share = geometry.covered(anchors[:, None], boxes[None])
    open_ = ((share >= _OBJECT) & crowd[None]).any(1)
    return which, positive, ~positive & ((best >= _BACKGROUND) | open_)


def focal(logits, target):
    """Computes the focal loss, Eq. (5): -alpha_t (1 - p_t)^gamma log(p_t)."""
    probability = jax.nn.sigmoid(logits)
    hit = -jax.nn.log_sigmoid(logits) * (1 - probability) ** _GAMMA
    miss = -jax.nn.log_sigmoid(-logits) * probability**_GAMMA
    return target * _ALPHA * hit + (1 - target) * (1 - _ALPHA) * miss

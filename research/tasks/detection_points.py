"""Losses and decoding of detectors that find centres (Zhou et al. 2019, CenterNet).

The model says per cell of R pixels "logits", "size" and "offset", see
`research/models/centernet.py`. Equations are those of https://arxiv.org/abs/1904.07850.
Differences from the authors' code: the radius of a Gaussian is not rounded down, and it
is not cut off there (a percent of the loss at most); the radius is the least root of
CornerNet's three cases, where their formula for the first takes the larger root.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp

from research.tasks import boxes as geometry

# Section 3: lambda_size, lambda_off; the heatmap's loss counts fully, Eq. (4).
WEIGHTS = {"heatmap": 1.0, "size": 0.1, "offset": 1.0}
OVERLAP = 1.0  # peaks need no suppression, section 4
_ALPHA, _BETA = 2.0, 4.0  # of Eq. (1)
_LEAST_IOU = 0.7  # of boxes whose corners lie within the radius (CornerNet, 3.2)


def losses(outputs, batch, num_classes: int) -> tuple[dict, jax.Array]:
    """Computes the parts of the loss, summed over the batch.

    Args:
      outputs: of the model.
      batch: image (b, h, w, c), boxes (b, n, 4) in its pixels, labels, box_mask,
        crowd (b, n); mask (b,).
      num_classes: k.

    Returns:
      (name of WEIGHTS -> () sum, () number of objects that they are averaged over)
    """
    logits = outputs["logits"]
    stride = batch["image"].shape[1] / logits.shape[1]
    boxes = batch["boxes"] / stride
    real = (batch["box_mask"] > 0) & (batch["mask"] > 0)[:, None]
    found = real & ~batch["crowd"]
    heat, ignored = jax.vmap(_targets, (0, 0, 0, 0, None))(
        boxes, batch["labels"], found, real & batch["crowd"], logits.shape[1:]
    )
    weight = batch["mask"][:, None, None, None] * ~ignored[..., None]
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    cell = _cells(centre, logits.shape)
    at = cell[..., 1] * logits.shape[2] + cell[..., 0]

    def distance(name, target):
        values = outputs[name].reshape(len(boxes), -1, 2)
        values = jnp.take_along_axis(values, at[..., None], axis=1)
        error = jnp.abs(values - target).sum(-1)  # Eq. (2), Eq. (3): L1
        return jnp.where(found, error, 0).sum()

    parts = {
        "heatmap": _focal(logits, heat, weight),
        "size": distance("size", boxes[..., 2:] - boxes[..., :2]),
        "offset": distance("offset", centre - cell),
    }
    return parts, found.sum().astype(jnp.float32)


def decode(outputs, image_shape, count: int):
    """Reads boxes off the peaks (section 4).

    Args:
      outputs: of the model.
      image_shape: (b, h, w, c).
      count: m, peaks read per image.

    Returns:
      boxes (b, m, 4) in pixels, scores (b, m), labels (b, m), by falling score.
    """
    probability = jax.nn.sigmoid(outputs["logits"])
    b, height, width, k = probability.shape
    highest = nn.max_pool(probability, (3, 3), padding="SAME")
    peaks = jnp.where(highest == probability, probability, 0)
    count = min(count, height * width * k)
    scores, at = jax.lax.top_k(peaks.reshape(b, -1), count)
    cell, labels = at // k, at % k

    def read(name):
        values = outputs[name].reshape(b, -1, 2)
        return jnp.take_along_axis(values, cell[..., None], axis=1)

    corner = jnp.stack([cell % width, cell // width], axis=-1)
    centres = corner + read("offset")
    size = jnp.maximum(read("size"), 0)
    boxes = geometry.from_centres(jnp.concatenate([centres, size], axis=-1))
    return boxes * (image_shape[1] / height), scores, labels


def _cells(centre, shape):
    """Returns the cell (x, y) that holds each centre, inside the map."""
    whole = jnp.floor(centre).astype(jnp.int32)
    most = (shape[2] - 1, shape[1] - 1)
    x, y = (jnp.clip(whole[..., i], 0, most[i]) for i in (0, 1))
    return jnp.stack([x, y], axis=-1)


def _targets(boxes, labels, found, crowd, shape):
    """Draws one image's heatmap (h, w, k), and (h, w) where crowds leave it open."""
    height, width, k = shape
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    cell = _cells(centre, (1, height, width))
    sides = boxes[:, 2:] - boxes[:, :2]
    sigma = (2 * radius(sides[:, 0], sides[:, 1]) + 1) / 6  # a third of the diameter
    x = jnp.arange(width)[None] - cell[:, :1]
    y = jnp.arange(height)[None] - cell[:, 1:]
    spread = 2 * sigma[:, None] ** 2
    bump_x, bump_y = jnp.exp(-(x**2) / spread), jnp.exp(-(y**2) / spread)
    bumps = jnp.where(
        found[:, None, None], bump_y[:, :, None] * bump_x[:, None], 0.0
    )  # Y = exp(-|p - p~|^2 / (2 sigma^2)), section 3
    heat = jnp.zeros((k, height, width)).at[labels].max(bumps)
    low, high = jnp.floor(boxes[:, :2]), jnp.ceil(boxes[:, 2:])
    x, y = jnp.arange(width)[None], jnp.arange(height)[None]
    inside_x = (x >= low[:, :1]) & (x < high[:, :1])
    inside_y = (y >= low[:, 1:]) & (y < high[:, 1:])
    crowds = crowd[:, None, None] & inside_y[:, :, None] & inside_x[:, None]
    heat = jnp.moveaxis(heat, 0, -1)
    ignored = crowds.any(0) & (heat.max(-1) < 1)  # an object's centre always counts
    return heat, ignored


def radius(width, height):
    """Computes how far corners may move until boxes may overlap by less than 0.7.

    The least root of three cases: one corner moves in and one out, both in, both out
    (CornerNet, Law & Deng 2018, section 3.2). Arguments in cells; arrays.
    """
    total, size, iou = width + height, width * height, _LEAST_IOU
    open_ = (1 - iou) / (1 + iou) * size
    mixed = (total - jnp.sqrt(jnp.maximum(total**2 - 4 * open_, 0))) / 2
    inner = jnp.sqrt(jnp.maximum(4 * total**2 - 16 * (1 - iou) * size, 0))
    inside = (2 * total - inner) / 8
    outer = jnp.sqrt(4 * iou**2 * total**2 + 16 * iou * (1 - iou) * size)
    outside = (outer - 2 * iou * total) / (8 * iou)
    return jnp.maximum(jnp.minimum(jnp.minimum(mixed, inside), outside), 0)


def _focal(logits, heat, weight):
    """Computes the penalty-reduced focal loss of the heatmap, Eq. (1), summed.

    -(1 - P)^alpha log P              where Y = 1
    -(1 - Y)^beta P^alpha log(1 - P)  elsewhere
    """
    probability = jax.nn.sigmoid(logits)
    hit = -((1 - probability) ** _ALPHA) * jax.nn.log_sigmoid(logits)
    miss = (1 - heat) ** _BETA * probability**_ALPHA
    miss = -miss * jax.nn.log_sigmoid(-logits)
    return (jnp.where(heat >= 1, hit, miss) * weight).sum()

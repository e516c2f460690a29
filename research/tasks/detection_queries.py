"""Losses and decoding of detectors that tell a set (Carion et al. 2020, DETR).

The model says per decoder layer and query "logits", "nothing" and "boxes", see
`research/models/detr.py`. Equations are those of https://arxiv.org/abs/2005.12872.

Queries are matched to objects inside the compiled step, by optax's Hungarian algorithm:
no batch has to visit the host, so that the step stays one program on every mesh. It is
a loop over the objects, O(n^2 q) in all, vectorised over images and layers.
"""

import jax
import jax.numpy as jnp
import optax

from research.tasks import boxes as geometry

# Section 4: lambda_L1 and lambda_iou, the matching's costs as well; Eq. (1), Eq. (2).
WEIGHTS = {"class": 1.0, "l1": 5.0, "giou": 2.0}
OVERLAP = 1.0  # a set has no duplicates to suppress
_NOTHING = 0.1  # weight of the log-probability of "nothing", section 3.1


def losses(outputs, batch, num_classes: int) -> tuple[dict, jax.Array]:
    """Computes the parts of the loss, summed over the batch and the decoder's layers.

    Args:
      outputs: of the model.
      batch: image (b, h, w, c), boxes (b, n, 4) in its pixels, labels, box_mask,
        crowd (b, n); mask (b,).
      num_classes: k.

    Returns:
      (name of WEIGHTS -> () sum, () number of objects that they are averaged over)

    Raises:
      ValueError: there may be more objects than queries.
    """
    height, width = batch["image"].shape[1:3]
    side = jnp.array([width, height] * 2, jnp.float32)[None, None]
    boxes = geometry.to_centres(batch["boxes"] / side)
    found = (batch["box_mask"] > 0) & ~batch["crowd"]
    found &= (batch["mask"] > 0)[:, None]
    if boxes.shape[1] > outputs["boxes"].shape[2]:
        raise ValueError(
            f"data.max_boxes={boxes.shape[1]} must be at most the model's queries="
            f"{outputs['boxes'].shape[2]}; change one of them"
        )
    logits = jnp.concatenate([outputs["logits"], outputs["nothing"][..., None]], -1)
    per_layer = jax.vmap(_of_layer, (0, 0, None, None, None))
    per_image = jax.vmap(per_layer, (0, 0, 0, 0, 0))
    told = per_image(logits, outputs["boxes"], boxes, batch["labels"], found)
    real = batch["mask"][:, None]
    count = jnp.maximum(found.sum().astype(jnp.float32), 1)
    # the class loss is a mean weighted by class, in each layer
    mean = (told["class"] * real).sum(0) / jnp.maximum(
        (told["weight"] * real).sum(0), 1e-6
    )
    return {
        "class": count * mean.sum(),
        "l1": (told["l1"] * real).sum(),
        "giou": (told["giou"] * real).sum(),
    }, count


def decode(outputs, image_shape, count: int):
    """Reads each query's likeliest class, of the last layer.

    Args:
      outputs: of the model.
      image_shape: (b, h, w, c).
      count: boxes asked for.

    Returns:
      boxes (b, m, 4) in pixels, scores (b, m), labels (b, m), by falling score; m is at
      most the number of queries.
    """
    last = {name: value[:, -1] for name, value in outputs.items()}
    logits = jnp.concatenate([last["logits"], last["nothing"][..., None]], axis=-1)
    probability = jax.nn.softmax(logits)[..., :-1]
    scores, order = jax.lax.top_k(probability.max(-1), min(count, probability.shape[1]))
    labels = jnp.take_along_axis(probability.argmax(-1), order, axis=1)
    boxes = jnp.take_along_axis(last["boxes"], order[..., None], axis=1)
    side = jnp.array([image_shape[2], image_shape[1]] * 2, jnp.float32)
    return geometry.from_centres(boxes) * side[None, None], scores, labels


def match(cost, found):
    """Matches objects to queries of one image at the least total cost.

    Args:
      cost: (q, n).
      found: (n,) bool; a column that is no object costs the same everywhere, and so
        leaves the best matching of the others as it is.

    Returns:
      (n,) the query of each object; meaningless where there is none.
    """
    cost = jnp.where(found[None], cost, 0)
    queries, objects = optax.assignment.hungarian_algorithm(cost)
    return jnp.zeros(cost.shape[1], queries.dtype).at[objects].set(queries)


def costs(logits, boxes, true_boxes, labels):
    """Computes what matching each query to each object costs (q, n) (section 3.1).

    -p(c) + L_box, where the probability stands for its logarithm in Eq. (2).
    """
    probability = jax.nn.softmax(logits)[:, labels]
    l1 = jnp.abs(boxes[:, None] - true_boxes[None]).sum(-1)
    corners = map(geometry.from_centres, (boxes[:, None], true_boxes[None]))
    giou = geometry.giou(*corners)
    return -probability + WEIGHTS["l1"] * l1 + WEIGHTS["giou"] * (1 - giou)


def _of_layer(logits, boxes, true_boxes, labels, found):
    """Computes one image's losses by one layer, summed over queries."""
    cost = jax.lax.stop_gradient(costs(logits, boxes, true_boxes, labels))
    which = match(cost, found)
    nothing = logits.shape[-1] - 1
    # where there is no object, the write goes past the end and is dropped
    at = jnp.where(found, which, len(logits))
    target = jnp.full(len(logits), nothing).at[at].set(labels, mode="drop")
    weight = jnp.where(target == nothing, _NOTHING, 1.0)
    entropy = optax.softmax_cross_entropy_with_integer_labels(logits, target)
    own = boxes[which]
    l1 = jnp.abs(own - true_boxes).sum(-1)  # Eq. (1)
    giou = geometry.giou(*map(geometry.from_centres, (own, true_boxes)))
    return {
        "class": (weight * entropy).sum(),  # Eq. (2), -log p
        "weight": weight.sum(),
        "l1": jnp.where(found, l1, 0).sum(),
        "giou": jnp.where(found, 1 - giou, 0).sum(),
    }

"""Non-maximum suppression of fixed shape, so that it runs in a compiled program.

Greedy, per class, as Faster R-CNN's (Ren et al. 2015, section 3.3): boxes are taken by
falling score, and each one removes those of its class that overlap it by more than a
threshold. The loop below reaches the same set in as many rounds as the longest chain of
boxes of which each removes the next, a handful, where the plain form has one per box.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from research.tasks import boxes as geometry


def keep(
    boxes: Float[Array, "n 4"],
    scores: Float[Array, " n"],
    labels: Int[Array, " n"],
    overlap: float,
) -> Bool[Array, " n"]:
    """Tells which boxes stay.

    Args:
      boxes: left, top, right, bottom.
      scores: by falling score; those of 0 or less are no boxes and do not stay.
      labels: boxes of different classes do not remove each other.
      overlap: IoU above which the box of lower score goes.
    """
    ranks = jnp.arange(len(scores))
    ratio = geometry.iou(boxes[:, None], boxes[None])
    removes = (ratio > overlap) & (labels[:, None] == labels[None])
    removes &= ranks[:, None] < ranks[None]
    real = scores > 0

    def round_(held):
        stays, _ = held
        return real & ~(removes & stays[:, None]).any(0), stays

    # A box's fate is settled once that of all before it is: each round settles at least
    # the next one, and the first fixed point is the greedy answer.
    stays, _ = jax.lax.while_loop(
        lambda held: (held[0] != held[1]).any(),
        round_,
        (real, jnp.zeros_like(real)),
    )
    return stays


def strongest(
    boxes: Float[Array, "n 4"],
    scores: Float[Array, " n"],
    labels: Int[Array, " n"],
    overlap: float,
    count: int,
) -> tuple[Float[Array, "m 4"], Float[Array, " m"], Int[Array, " m"]]:
    """Suppresses, and returns the `count` boxes of highest score that stay.

    Args:
      boxes: left, top, right, bottom, in any order.
      scores: 0 where there is no box.
      labels: classes.
      overlap: IoU; 1 or more suppresses nothing.
      count: m; where fewer stay, the rest has score 0.
    """
    scores, order = jax.lax.top_k(scores, len(scores))
    boxes, labels = boxes[order], labels[order]
    if overlap < 1:
        stays = keep(boxes, scores, labels, overlap)
        scores = jnp.where(stays, scores, 0)
    missing = max(count - len(scores), 0)
    scores = jnp.pad(scores, (0, missing))
    boxes = jnp.pad(boxes, ((0, missing), (0, 0)))
    labels = jnp.pad(labels, (0, missing))
    scores, order = jax.lax.top_k(scores, count)
    return boxes[order], scores, labels[order]

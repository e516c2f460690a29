"""Geometry of boxes (left, top, right, bottom): areas, overlaps, other notations."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def area(boxes: Float[Array, "... 4"]) -> Float[Array, "..."]:
    """Computes areas; 0 where right < left or bottom < top."""
    sides = jnp.maximum(boxes[..., 2:] - boxes[..., :2], 0)
    return sides[..., 0] * sides[..., 1]


def iou(a: Float[Array, "... 4"], b: Float[Array, "... 4"]) -> Float[Array, "..."]:
    """Computes |A and B| / |A or B| of boxes that broadcast; 0 for empty ones."""
    shared = _shared(a, b)
    union = area(a) + area(b) - shared
    return jnp.where(union > 0, shared / jnp.where(union > 0, union, 1), 0)


def covered(a: Float[Array, "... 4"], b: Float[Array, "... 4"]) -> Float[Array, "..."]:
    """Computes |A and B| / |A|: the share of the first that the second covers."""
    size = area(a)
    return jnp.where(size > 0, _shared(a, b) / jnp.where(size > 0, size, 1), 0)


def giou(a: Float[Array, "... 4"], b: Float[Array, "... 4"]) -> Float[Array, "..."]:
    """Computes the generalised IoU (Rezatofighi et al. 2019, algorithm 1), [-1, 1]."""
    shared = _shared(a, b)
    union = area(a) + area(b) - shared
    least = jnp.minimum(a[..., :2], b[..., :2])
    hull = area(jnp.concatenate([least, jnp.maximum(a[..., 2:], b[..., 2:])], axis=-1))
    ratio = jnp.where(union > 0, shared / jnp.where(union > 0, union, 1), 0)
    waste = jnp.where(hull > 0, (hull - union) / jnp.where(hull > 0, hull, 1), 0)
    return ratio - waste


def from_centres(boxes: Float[Array, "... 4"]) -> Float[Array, "... 4"]:
    """Turns (centre x, centre y, width, height) into corners."""
    half = boxes[..., 2:] / 2
    return jnp.concatenate([boxes[..., :2] - half, boxes[..., :2] + half], axis=-1)


def to_centres(boxes: Float[Array, "... 4"]) -> Float[Array, "... 4"]:
    """Turns corners into (centre x, centre y, width, height)."""
    low, high = boxes[..., :2], boxes[..., 2:]
    return jnp.concatenate([(low + high) / 2, high - low], axis=-1)


def _shared(a, b):
    least = jnp.maximum(a[..., :2], b[..., :2])
    most = jnp.minimum(a[..., 2:], b[..., 2:])
    sides = jnp.maximum(most - least, 0)
    return sides[..., 0] * sides[..., 1]

"""Augmentation of pictures with boxes: what moves pixels moves their boxes too.

Pure functions of a batch with the features of `research/data/objects.py` and of draws
per example. A box that is cut is clipped to the picture; one of which less than a given
share is left becomes crowd, neither to be found nor a mistake, for half a cell is no
background; one of which nothing is left becomes filling.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

ZOOM_ATTEMPTS = 8  # windows proposed; the first that shows an object is taken
ZOOM_DRAWS = 3 * ZOOM_ATTEMPTS


def flip(boxes: Float[Array, "b n 4"], chosen: Bool[Array, " b"], width: int):
    """Mirrors the boxes of the chosen pictures left to right."""
    left, top, right, bottom = jnp.moveaxis(boxes, -1, 0)
    mirrored = jnp.stack([width - right, top, width - left, bottom], axis=-1)
    return jnp.where(chosen[:, None, None], mirrored, boxes)


def flip_vertical(boxes: Float[Array, "b n 4"], chosen: Bool[Array, " b"], height: int):
    """Mirrors the boxes of the chosen pictures top to bottom."""
    left, top, right, bottom = jnp.moveaxis(boxes, -1, 0)
    mirrored = jnp.stack([left, height - bottom, right, height - top], axis=-1)
    return jnp.where(chosen[:, None, None], mirrored, boxes)


def zoom(batch: dict, draws: Float[Array, "b n"], scale, visible: float, fill) -> dict:
    """Shows a random window of each picture, scaled to the picture's size.

    The picture is enlarged by s, log-uniform in `scale`: for s > 1 the window lies
    inside the picture, for s < 1 the picture lies inside the window and `fill` around
    it. As in SSD (Liu et al. 2016, section 2.2) and TensorFlow's
    sample_distorted_bounding_box a window must overlap an object: of some box at least
    the share `visible` must be inside. If no proposal does, the picture stays whole.

    Args:
      batch: with image (b, h, w, c) float32.
      draws: (b, ZOOM_DRAWS) in [0, 1).
      scale: (least, most) factor, > 0.
      visible: share of a box's area that has to be left of it, in (0, 1].
      fill: (c,) colour of what lies outside.
    """
    image = batch["image"]
    height, width = image.shape[1:3]
    proposals = draws.reshape(len(image), ZOOM_ATTEMPTS, 3)
    low, high = math.log(scale[0]), math.log(scale[1])
    factor = jnp.exp(low + proposals[..., 0] * (high - low))
    tall, wide = height / factor, width / factor
    top, left = proposals[..., 1] * (height - tall), proposals[..., 2] * (width - wide)
    windows = jnp.stack([left, top, left + wide, top + tall], axis=-1)  # (b, a, 4)
    share = _share_inside(batch["boxes"][:, None], windows[:, :, None])
    shown = (share >= visible) & (batch["box_mask"] > 0)[:, None]
    empty = batch["box_mask"].sum(-1) == 0  # a picture without boxes takes any window
    fits = shown.any(-1) | empty[:, None]
    first = jnp.argmax(fits, axis=-1)[:, None, None]
    window = jnp.take_along_axis(windows, first, axis=1)[:, 0]
    whole = jnp.array([0, 0, width, height], jnp.float32)
    window = jnp.where(fits.any(-1)[:, None], window, whole[None])
    return _seen_through(batch, window, visible) | {"image": _look(image, window, fill)}


def mosaic(batch: dict, chosen: Bool[Array, " b"]) -> dict:
    """Puts four pictures of half the size into one (Bochkovskiy et al. 2020, fig. 3).

    Example i gets i, i - 1, i - 2 and i - 3 of the global batch. As many of their boxes
    as fit are kept, in this order.

    Args:
      batch: with image (b, h, w, c) float32; h and w even.
      chosen: the examples that become mosaics.
    """
    image, count = batch["image"], batch["boxes"].shape[1]
    b, height, width, c = image.shape
    small = image.reshape(b, height // 2, 2, width // 2, 2, c).mean((2, 4))
    tiles = [jnp.roll(small, k, axis=0) for k in range(4)]
    rows = [jnp.concatenate(tiles[k : k + 2], axis=2) for k in (0, 2)]
    parts = {name: [] for name in ("boxes", "labels", "box_mask", "crowd")}
    for k in range(4):
        rolled = {name: jnp.roll(batch[name], k, axis=0) for name in parts}
        corner = jnp.array([k % 2 * width / 2, k // 2 * height / 2] * 2)
        rolled["boxes"] = rolled["boxes"] / 2 + corner[None, None]
        for name, value in rolled.items():
            parts[name].append(value)
    joined = {name: jnp.concatenate(value, axis=1) for name, value in parts.items()}
    order = jnp.argsort(-joined["box_mask"], axis=1, stable=True)[:, :count]
    joined = {
        name: jnp.take_along_axis(v, order[..., None] if v.ndim == 3 else order, axis=1)
        for name, v in joined.items()
    }
    joined["image"] = jnp.concatenate(rows, axis=1)
    return batch | {
        name: jnp.where(chosen.reshape(-1, *[1] * (v.ndim - 1)), v, batch[name])
        for name, v in joined.items()
    }


def _share_inside(boxes, windows):
    """Returns the share of each box's area inside the window; 0 for empty boxes."""
    least = jnp.maximum(boxes[..., :2], windows[..., :2])
    most = jnp.minimum(boxes[..., 2:], windows[..., 2:])
    shared = jnp.prod(jnp.maximum(most - least, 0), axis=-1)
    area = jnp.prod(boxes[..., 2:] - boxes[..., :2], axis=-1)
    return jnp.where(area > 0, shared / jnp.where(area > 0, area, 1), 0)


def _seen_through(batch: dict, window: Float[Array, "b 4"], visible: float) -> dict:
    """Moves the boxes as the window moves the pixels."""
    height, width = batch["image"].shape[1:3]
    share = _share_inside(batch["boxes"], window[:, None])
    corner = jnp.concatenate([window[:, :2]] * 2, axis=-1)[:, None]
    span = jnp.concatenate([window[:, 2:] - window[:, :2]] * 2, axis=-1)[:, None]
    side = jnp.array([width, height] * 2, jnp.float32)[None, None]
    boxes = jnp.clip((batch["boxes"] - corner) / span * side, 0, side)
    kept = (batch["box_mask"] > 0) & (share > 0)
    return batch | {
        "boxes": jnp.where(kept[..., None], boxes, 0),
        "labels": jnp.where(kept, batch["labels"], 0),
        "box_mask": kept.astype(jnp.float32),
        "crowd": kept & (batch["crowd"] | (share < visible)),
    }


def _look(image, window, fill):
    """Scales the window of each picture to its size, bilinearly."""
    height, width = image.shape[1:3]
    rows = _weights(window[:, 1], window[:, 3], height)
    columns = _weights(window[:, 0], window[:, 2], width)
    exact = jax.lax.Precision.HIGHEST
    fill = jnp.reshape(fill, (1, 1, 1, -1))
    away = image - fill  # what no pixel covers is then 0
    away = jnp.einsum("bHh,bhwc->bHwc", rows, away, precision=exact)
    return jnp.einsum("bWw,bhwc->bhWc", columns, away, precision=exact) + fill


def _weights(start, stop, size: int):
    """Makes the matrices (b, size, size) that scale start..stop to size pixels.

    A triangle of as many pixels to each side as one output pixel covers, at least 1:
    bilinear, antialiased where that shrinks. Rows outside the picture are 0.
    """
    scale = (stop - start)[:, None, None] / size
    at = jnp.arange(size, dtype=jnp.float32) + 0.5
    centre = start[:, None, None] + at[None, :, None] * scale
    distance = jnp.abs(at[None, None, :] - centre)
    weight = jnp.maximum(0, 1 - distance / jnp.maximum(scale, 1))
    total = weight.sum(-1, keepdims=True)
    inside = (centre > 0) & (centre < size)
    return jnp.where(inside, weight / jnp.where(total > 0, total, 1), 0)

"""Learnable pictures with boxes, made from a seed: for quick twins and tests.

Each picture is noise with up to `max_boxes` filled shapes on it. A class is a colour
and a shape (disc, square, triangle, …) of its own; shapes of one picture hardly
overlap. Features as in `research/data/objects.py`; never shown as a result.
"""

import colorsys
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from research.data import objects, source

_SPLITS = ("train", "validation", "test")
_SHAPES = ("disc", "square", "triangle")
_ATTEMPTS = 20  # places tried for a shape
_MOST_OVERLAP = 0.1  # share of either of two boxes


def splits(
    path: str | None = None,
    *,
    image_shape: Sequence[int] = (64, 64, 3),
    num_classes: int = 3,
    max_boxes: int = 4,
    count: int = 512,
    seed: int = 0,
) -> tuple[str, ...]:
    """Lists the splits; needs no path."""
    return _SPLITS


def load(
    split: str,
    path: str | None = None,
    *,
    image_shape: Sequence[int] = (64, 64, 3),
    num_classes: int = 3,
    max_boxes: int = 4,
    count: int = 512,
    seed: int = 0,
) -> source.Arrays:
    """Makes one split.

    Args:
      split: "train", "validation" or "test".
      path: not used.
      image_shape: (height, width, 3) of every picture, at least 32 pixels each.
      num_classes: >= 1.
      max_boxes: most shapes of a picture; some pictures have none.
      count: examples of "train"; the other two have a quarter of it each.
      seed: chooses the examples, >= 0.

    Raises:
      ValueError: an option is out of range.
    """
    source.check_split(split, _SPLITS, "synthetic objects")
    shape = tuple(image_shape)
    fits = len(shape) == 3 and shape[2:] == (3,) and min(shape[:2]) >= 32
    if not fits or min(num_classes, max_boxes) < 1 or count < 4:
        raise ValueError(
            "synthetic objects need image_shape (height, width, 3) of at least 32 "
            f"pixels, num_classes and max_boxes >= 1 and count >= 4, got {shape}, "
            f"{num_classes}, {max_boxes} and {count}; correct them"
        )
    size = count if split == "train" else count // 4
    features = objects.form(shape[:2], max_boxes)
    arrays = {k: np.zeros((size, *f.shape), f.dtype) for k, f in features.items()}
    rng = np.random.default_rng((seed, _SPLITS.index(split)))
    for row in range(size):
        image, boxes, labels = _picture(rng, shape, num_classes, max_boxes)
        arrays["image"][row] = image
        arrays["boxes"][row, : len(boxes)] = np.array(boxes).reshape(-1, 4)
        arrays["labels"][row, : len(boxes)] = labels
        arrays["box_mask"][row, : len(boxes)] = 1
        arrays["size"][row] = shape[:2]
    return source.Arrays(arrays, source.number_names(num_classes))


def _picture(rng, shape, num_classes: int, most: int):
    height, width, _ = shape
    noise = rng.normal(114, 25, shape)
    picture = Image.fromarray(np.clip(noise, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    boxes, labels = [], []
    for _ in range(rng.integers(0, most + 1)):
        for _ in range(_ATTEMPTS):
            tall, wide = (rng.integers(s // 6, s // 3 + 1) for s in (height, width))
            left, top = rng.integers(0, width - wide), rng.integers(0, height - tall)
            box = (left, top, left + wide, top + tall)
            if all(_apart(box, other) for other in boxes):
                boxes.append(box)
                labels.append(int(rng.integers(num_classes)))
                _draw(draw, box, labels[-1], num_classes)
                break
    return np.asarray(picture), boxes, labels


def _apart(a, b) -> bool:
    wide = min(a[2], b[2]) - max(a[0], b[0])
    tall = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(wide, 0) * max(tall, 0)
    least = min((c[2] - c[0]) * (c[3] - c[1]) for c in (a, b))
    return shared <= _MOST_OVERLAP * least


def _draw(draw, box, label: int, num_classes: int) -> None:
    colour = colorsys.hsv_to_rgb(label / num_classes, 0.9, 0.9)
    fill = tuple(int(255 * c) for c in colour)
    left, top, right, bottom = (int(side) for side in box)
    corners = (left, top, right - 1, bottom - 1)  # Pillow draws the last pixel too
    shape = _SHAPES[label % len(_SHAPES)]
    if shape == "disc":
        draw.ellipse(corners, fill=fill)
    elif shape == "square":
        draw.rectangle(corners, fill=fill)
    else:
        peak = ((left + right - 1) // 2, top)
        draw.polygon([peak, (left, bottom - 1), (right - 1, bottom - 1)], fill=fill)

"""Anchors of RetinaNet: nine boxes around the top left corner of every cell.

Lin et al. 2017, section 4: areas 32^2 … 512^2 on P3 … P7, of each three sizes
2^(0, 1/3, 2/3) and three aspect ratios; placed and rounded as torchvision does it, so
that its published weights fit.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from research.tasks import boxes as geometry

STRIDES = (8, 16, 32, 64, 128)
_RATIOS = (0.5, 1.0, 2.0)  # height / width
_MOST = float(np.log(1000 / 16))  # of a width's or height's logarithm (Faster R-CNN)


def make(height: int, width: int, scale: float = 1.0) -> np.ndarray:
    """Makes all anchors of an image, in the order of the model's outputs.

    Args:
      height, width: of the image in pixels, multiples of 32.
      scale: of the anchors' sides over the paper's: below 1 for small images.

    Returns:
      (a, 4) float32 left, top, right, bottom: by map, row, column, ratio, size.
    """
    found = []
    for stride in STRIDES:
        tall, wide = -(-height // stride), -(-width // stride)
        base = 4 * stride * scale
        sizes = np.array([int(base * 2 ** (k / 3)) for k in range(3)], np.float32)
        root = np.sqrt(np.array(_RATIOS, np.float32))[:, None]
        across, down = (sizes / root).ravel(), (sizes * root).ravel()
        shapes = np.stack([-across, -down, across, down], axis=-1) / 2
        shapes = np.round(shapes)
        # torchvision's step of a map is the image's side over the map's, rounded down
        y, x = np.mgrid[:tall, :wide].astype(np.float32)
        y, x = y * (height // tall), x * (width // wide)
        corners = np.stack([x, y, x, y], axis=-1).reshape(-1, 1, 4)
        found.append((corners + shapes).reshape(-1, 4))
    return np.concatenate(found).astype(np.float32)


def encode(
    boxes: Float[Array, "... 4"], anchors: Float[Array, "... 4"]
) -> Float[Array, "... 4"]:
    """Tells boxes by their anchors (Girshick et al. 2014, appendix C).

    t_x = (x - x_a) / w_a, t_y alike; t_w = log(w / w_a), t_h alike.
    """
    own, from_ = geometry.to_centres(boxes), geometry.to_centres(anchors)
    shift = (own[..., :2] - from_[..., :2]) / from_[..., 2:]
    sides = jnp.maximum(own[..., 2:], 1e-6) / from_[..., 2:]
    return jnp.concatenate([shift, jnp.log(sides)], axis=-1)


def decode(
    deltas: Float[Array, "... 4"], anchors: Float[Array, "... 4"]
) -> Float[Array, "... 4"]:
    """Inverts `encode`; sides grow at most 62.5-fold."""
    from_ = geometry.to_centres(anchors)
    centre = deltas[..., :2] * from_[..., 2:] + from_[..., :2]
    sides = jnp.exp(jnp.minimum(deltas[..., 2:], _MOST)) * from_[..., 2:]
    return geometry.from_centres(jnp.concatenate([centre, sides], axis=-1))

"""Random boxes: the parts that random-resized-crop keeps and random erasing removes.

One arithmetic for both places where it runs: numpy in the worker that decodes pictures
of varying size, jax.numpy in the compiled step.
"""

import math
from dataclasses import dataclass

import numpy as np

_ATTEMPTS = 10  # as torchvision: proposals until one fits into the picture
DRAWS = 2 * _ATTEMPTS + 2  # uniform numbers that one box takes


def choose(draws, height: int, width: int, area, ratio, xp=np):
    """Chooses boxes of random area, aspect ratio and place.

    Area is uniform, the ratio uniform in its logarithm, the place uniform among those
    inside the picture; the first of 10 proposals that fits is taken.

    Args:
      draws: (..., DRAWS) in [0, 1).
      height, width: of the picture, in pixels.
      area: (least, most) share of the picture's area.
      ratio: (least, most) width / height.
      xp: numpy or jax.numpy.

    Returns:
      (top, left, height, width, whether any fits), each (...), the first four whole
      float numbers of pixels.
    """
    proposals = draws[..., :-2].reshape(*draws.shape[:-1], _ATTEMPTS, 2)
    low, high = math.log(ratio[0]), math.log(ratio[1])
    wanted = area[0] + proposals[..., 0] * (area[1] - area[0])
    wanted = wanted * (height * width)
    aspect = xp.exp(low + proposals[..., 1] * (high - low))
    heights = xp.round(xp.sqrt(wanted / aspect))
    widths = xp.round(xp.sqrt(wanted * aspect))
    fits = (heights > 0) & (heights <= height) & (widths > 0) & (widths <= width)
    first = xp.argmax(fits, axis=-1)[..., None]
    box_height = xp.take_along_axis(heights, first, axis=-1)[..., 0]
    box_width = xp.take_along_axis(widths, first, axis=-1)[..., 0]
    top = xp.floor(draws[..., -2] * (height - box_height + 1))
    left = xp.floor(draws[..., -1] * (width - box_width + 1))
    return top, left, box_height, box_width, fits.any(axis=-1)


def crop(draws, height: int, width: int, area, ratio, xp=np):
    """Chooses the part that random-resized-crop keeps; see `choose`.

    Where no proposal fits it is the largest central part of a legal ratio.

    Returns:
      (top, left, height, width), each (...) whole float numbers of pixels.
    """
    *box, fits = choose(draws, height, width, area, ratio, xp)
    kept_height, kept_width = height, width
    if width < height * ratio[0]:
        kept_height = round(width / ratio[0])
    elif width > height * ratio[1]:
        kept_width = round(height * ratio[1])
    top, left = (height - kept_height) // 2, (width - kept_width) // 2
    whole = (top, left, kept_height, kept_width)
    return tuple(xp.where(fits, b, float(w)) for b, w in zip(box, whole, strict=True))


@dataclass(frozen=True)
class RandomCrop:
    """The random-resized-crop of pictures of varying size, drawn on the host.

    Attributes:
      seed: of the run.
      area: (least, most) share of the picture's area.
      ratio: (least, most) width / height.
    """

    seed: int
    area: tuple[float, float]
    ratio: tuple[float, float]

    def box(self, epoch: int, example: int, height: int, width: int) -> tuple:
        """Returns the (top, left, height, width) that this epoch keeps, in pixels."""
        key = self.seed << 64 | int(epoch) << 32 | int(example)
        # The stream of raw Philox words is fixed for all versions of numpy.
        words = np.random.Philox(key=key).random_raw(DRAWS)
        draws = (words >> np.uint64(11)) * 2.0**-53
        box = crop(draws, height, width, self.area, self.ratio)
        return tuple(int(side) for side in box)

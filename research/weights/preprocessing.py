"""What a published network's images go through before it sees them."""

import dataclasses
from typing import Any

import numpy as np
from PIL import Image

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "lanczos": Image.Resampling.LANCZOS,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """Resize, crop the centre, scale to [0, 1], normalise per channel.

    Attributes:
      resize: pixels of the shorter side (the aspect ratio stays), or (height, width);
        None keeps the image's own size.
      interpolation: "bilinear", "bicubic", ... of Pillow, antialiased.
      crop: (height, width) of the middle that is kept; black is added where the image
        is smaller.
      mean: per channel, on the scale where white is 1.
      std: likewise.
    """

    resize: int | tuple[int, int] | None
    interpolation: str
    crop: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self):
        if self.interpolation not in _FILTERS:
            raise ValueError(
                f"unknown interpolation {self.interpolation!r}; use one of "
                f"{', '.join(_FILTERS)}"
            )

    def __call__(self, image: Image.Image | np.ndarray) -> np.ndarray:
        """Prepares one image.

        Args:
          image: Pillow's, or (h, w, c) uint8.

        Returns:
          (*crop, c) float32, c being the number of means.
        """
        if isinstance(image, np.ndarray):
            image = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        image = image.convert("L" if len(self.mean) == 1 else "RGB")
        if self.resize is not None:
            image = image.resize(self._size(image), _FILTERS[self.interpolation])
        # The rounding of torchvision's centre crop.
        top, left = (
            round((have - want) / 2)
            for have, want in zip(image.size[::-1], self.crop, strict=True)
        )
        image = image.crop((left, top, left + self.crop[1], top + self.crop[0]))
        pixels = np.asarray(image, np.float32).reshape(*self.crop, -1) / 255
        mean, std = (np.asarray(v, np.float32) for v in (self.mean, self.std))
        return (pixels - mean[None, None]) / std[None, None]

    def _size(self, image: Image.Image) -> tuple[int, int]:
        """Computes the (width, height) to resize to."""
        if not isinstance(self.resize, int):
            return self.resize[1], self.resize[0]
        width, height = image.size
        short, long = min(width, height), max(width, height)
        scaled = int(self.resize * long / short)
        return (self.resize, scaled) if width <= height else (scaled, self.resize)

    def to_json(self) -> dict[str, Any]:
        """Writes it as a JSON object; `from_json` reads it."""
        return dataclasses.asdict(self)


def from_json(found: dict[str, Any]) -> Preprocessing:
    """Reads what `to_json` wrote."""
    lists = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}
    return Preprocessing(**lists)

"""Pictures with boxes around objects: what the formats of such data share.

An example has the features
  image     (h, w, 3) uint8: the picture scaled to fit, aspect ratio kept, at the top
            left; what is left over on the right or below is grey
  boxes     (n, 4) float32: left, top, right, bottom in pixels of `image`; objects
            first, zeros after them
  labels    (n,) int32: class of each box, 0 where there is none
  box_mask  (n,) float32: 1 for an object, 0 for filling
  crowd     (n,) bool: a region whose objects are not told apart, or a difficult one:
            neither to be found nor a mistake to find
  size      (2,) int32: height and width of the picture as stored

n is `max_boxes`. A box is bad if it has no area, reaches outside its picture by more
than a pixel (what is less is cut off), or is of a class that is not among `classes`.
Each bad box is named; `bad_boxes` says whether it is dropped or the data refused.
"""

import logging
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from research.data import cache, images, source

BAD_BOXES = ("drop", "refuse")
_TOLERANCE = 1.0  # pixels outside the picture: VOC counts from 1, COCO rounds
_GREY = 114  # near the mean of natural pictures, so that filling has no edge of its own


@dataclass(frozen=True)
class Picture:
    """One annotated picture, its boxes checked.

    Attributes:
      file: of the picture.
      origin: the annotation, for messages: a file, or a file and an image's name.
      height, width: of the picture in pixels, as the annotation says.
      boxes: (objects, 4) float32, left, top, right, bottom in pixels.
      labels: (objects,) int32.
      crowd: (objects,) bool.
    """

    file: pathlib.Path
    origin: str
    height: int
    width: int
    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray


class Checker:
    """Turns raw boxes into a `Picture`, and notes each box that is bad."""

    def __init__(self, class_names: Sequence[str], bad_boxes: str):
        """Prepares.

        Args:
          class_names: in the order of their numbers.
          bad_boxes: "drop" or "refuse".

        Raises:
          ValueError: `bad_boxes` is neither.
        """
        if bad_boxes not in BAD_BOXES:
            raise ValueError(
                f"data.bad_boxes must be drop or refuse, got {bad_boxes!r}; choose one"
            )
        self.numbers = {name: k for k, name in enumerate(class_names)}
        self.bad_boxes, self.dropped = bad_boxes, 0
        self._named = set()  # what was said, where an example is read again

    def picture(
        self, file: pathlib.Path, origin: str, size: tuple[int, int], objects: Sequence
    ) -> Picture:
        """Checks the boxes of one picture.

        Args:
          file: of the picture.
          origin: names the annotation.
          size: its (height, width), > 0.
          objects: (class name, (left, top, right, bottom), crowd) each.

        Raises:
          FileNotFoundError: the picture is not there.
          ValueError: a box is bad and bad ones are refused.
        """
        if not file.is_file():
            raise FileNotFoundError(
                f"image file {file} of {origin} does not exist; correct the path or "
                "remove the annotation"
            )
        return Picture(file, origin, *size, *self.boxes(origin, size, objects))

    def boxes(
        self, origin: str, size: tuple[int, int], objects: Sequence
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Checks boxes; returns the (boxes, labels, crowd) of a `Picture`.

        Args, Raises: as of `picture`, which needs a file as well.
        """
        height, width = size
        kept = []
        for number, (name, box, crowd) in enumerate(objects):
            wrong = self._wrong(name, box, height, width)
            if wrong is None:
                kept.append((self.numbers[name], box, crowd))
                continue
            told = f"box {number} ({name}) of {origin} {wrong}"
            if self.bad_boxes == "refuse":
                raise ValueError(
                    f"{told}; correct it or set config.data.bad_boxes=drop"
                )
            self.dropped += 1
            if told not in self._named:
                self._named.add(told)
                logging.warning("%s; dropped", told)
        boxes = np.array([box for _, box, _ in kept], np.float32).reshape(-1, 4)
        return (
            np.clip(boxes, 0, np.array([width, height] * 2, np.float32)),
            np.array([label for label, _, _ in kept], np.int32),
            np.array([crowd for _, _, crowd in kept], bool),
        )

    def _wrong(self, name, box, height, width) -> str | None:
        """Says what is wrong with a box, if anything is."""
        left, top, right, bottom = box
        shown = ", ".join(f"{side:g}" for side in box)
        if name not in self.numbers:
            return f"is of unknown class {name!r}, not one of {', '.join(self.numbers)}"
        if not np.isfinite(box).all() or not (left < right and top < bottom):
            return f"has no area: left, top, right, bottom = {shown}"
        if min(left, top) < -_TOLERANCE or (
            right > width + _TOLERANCE or bottom > height + _TOLERANCE
        ):
            return f"reaches outside the {width} x {height} picture: {shown}"
        return None


class Objects:
    """Annotated pictures, decoded when gathered."""

    def __init__(
        self,
        pictures: Sequence[Picture],
        class_names: Sequence[str],
        image_size: images.Size,
        max_boxes: int,
    ):
        """Prepares; decodes nothing yet.

        Raises:
          ValueError: an option is out of range, or a picture has too many boxes.
        """
        images.check(image_size, 3)
        self._size = images.height_width(image_size)
        self._pictures, self._most = list(pictures), max_boxes
        fullest = max(self._pictures, key=lambda p: len(p.boxes), default=None)
        needed = len(fullest.boxes) if fullest is not None else 0
        check_room(max_boxes, needed, fullest.origin if fullest else "a picture")
        self.spec = source.Spec(form(self._size, max_boxes), tuple(class_names))

    def __len__(self) -> int:
        return len(self._pictures)

    def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Decodes pictures; see `Source.gather`.

        Raises:
          ValueError: a file is no readable image, or of another size than its
            annotation says; the sentence names it.
        """
        batch = blank(self.spec, len(indices))
        for row, index in enumerate(indices):
            picture = self._pictures[index]
            image = images.open_image(picture.file, 3)
            if image.size != (picture.width, picture.height):
                raise ValueError(
                    f"{picture.file} has {image.width} x {image.height} pixels, but "
                    f"{picture.origin} says {picture.width} x {picture.height}, so its "
                    "boxes do not fit; correct one of them"
                )
            put(batch, row, image, picture.boxes, picture.labels, picture.crowd)
        return batch

    def labels(self) -> None:
        """Says that examples have no single label; see `Source.labels`."""
        return None

    def fingerprint(self) -> str:
        """Digests files, annotations and options."""
        told = [
            (p.boxes.tolist(), p.labels.tolist(), p.crowd.tolist())
            for p in self._pictures
        ]
        rule = ("objects", self._size, self._most, told)
        return cache.digest_files((p.file for p in self._pictures), rule)


def form(size: tuple[int, int], max_boxes: int) -> dict[str, source.Feature]:
    """Returns the features of one example; size is (height, width)."""
    return {
        "image": source.Feature((*size, 3), "uint8"),
        "boxes": source.Feature((max_boxes, 4), "float32"),
        "labels": source.Feature((max_boxes,), "int32"),
        "box_mask": source.Feature((max_boxes,), "float32"),
        "crowd": source.Feature((max_boxes,), "bool"),
        "size": source.Feature((2,), "int32"),
    }


def check_room(max_boxes: int, needed: int, origin: str) -> None:
    """Checks that the boxes of a picture, which `origin` names, fit into an example.

    Raises:
      ValueError: there are too many.
    """
    if max_boxes < max(1, needed):
        raise ValueError(
            f"data.max_boxes={max_boxes} must be at least {max(1, needed)}, the boxes "
            f"of {origin}; raise it"
        )


def blank(spec: source.Spec, count: int) -> dict[str, np.ndarray]:
    """Makes the arrays of `count` examples, which `put` fills."""
    return {
        name: np.zeros((count, *feature.shape), feature.dtype)
        for name, feature in spec.features.items()
    }


def put(
    batch: dict,
    row: int,
    image: Image.Image,
    boxes: np.ndarray,
    labels: np.ndarray,
    crowd: np.ndarray,
) -> None:
    """Writes an example into a row: a picture of mode RGB and its checked boxes."""
    count = len(boxes)
    batch["image"][row], scale = fit(image, batch["image"].shape[1:3])
    batch["boxes"][row, :count] = boxes * scale
    batch["labels"][row, :count] = labels
    batch["box_mask"][row, :count] = 1
    batch["crowd"][row, :count] = crowd
    batch["size"][row] = image.height, image.width


def fit(image: Image.Image, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Scales a picture to fit into `size`, the rest on the right and below grey.

    Args:
      image: of mode RGB.
      size: (height, width) in pixels.

    Returns:
      ((h, w, 3) uint8; (4,) float32, what its box coordinates are multiplied by)
    """
    height, width = size
    tall, wide = fitted(image.height, image.width, size)
    small = image.resize((wide, tall), Image.Resampling.BILINEAR)
    canvas = np.full((height, width, 3), _GREY, np.uint8)
    canvas[:tall, :wide] = images.to_array(small)
    across, down = wide / image.width, tall / image.height
    return canvas, np.array([across, down] * 2, np.float32)


def fitted(height: int, width: int, size: tuple[int, int]) -> tuple[int, int]:
    """Returns the (height, width) that `fit` gives a picture, whole pixels."""
    scale = min(size[0] / height, size[1] / width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def report(pictures: Sequence[Picture], dropped: int, where: str) -> None:
    """Logs in one sentence what was dropped, and the pictures without a box."""
    if dropped:
        logging.warning("%s: %d bad boxes dropped, each named above", where, dropped)
    empty = [p.origin for p in pictures if not len(p.boxes)]
    if empty:
        logging.info(
            "%s: %d pictures hold no box and teach background only, first %s",
            where,
            len(empty),
            empty[0],
        )

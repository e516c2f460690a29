"""Images in one folder per class.

Either root/<split>/<class>/<file> with <split> one of train, validation (or val, valid)
and test, or root/<class>/<file>, which is all "train". Files are PNG, JPEG, WebP or BMP
by their extension, in any case; others, hidden ones and deeper folders are ignored.
Images are decoded when they are asked for, scaled keeping their aspect ratio, and the
centre is cropped, by the rules of `research.data.images`.
"""

import pathlib
from collections.abc import Sequence

import numpy as np

from research.data import cache, class_folders, images, source

_HOLDS = "one folder of images per class"


def splits(
    path: str | None,
    *,
    image_size: images.Size = 224,
    channels: int = 3,
    resize: int = 0,
    interpolation: str = "bilinear",
) -> tuple[str, ...]:
    """Lists the splits that have a folder; only "train" where none has.

    Raises:
      ValueError: two folders stand for one split.
    """
    return tuple(class_folders.split_folders(source.require_folder(path, _HOLDS)))


def load(
    split: str,
    path: str | None,
    *,
    image_size: images.Size = 224,
    channels: int = 3,
    resize: int = 0,
    interpolation: str = "bilinear",
) -> "ImageFolder":
    """Lists one split: image (h, w, channels) uint8, label () int32.

    Labels number the class folders in the order of their names.

    Args:
      split: "train", "validation" or "test".
      path: root folder.
      image_size: side, or (height, width), in pixels.
      channels: 1 (grey) or 3 (RGB).
      resize: length of the shorter side, in pixels, before the centre is cropped; 0
        scales until the image just covers `image_size`.
      interpolation: nearest, bilinear, bicubic or lanczos.

    Raises:
      FileNotFoundError: the folder does not exist.
      ValueError: the folder is not laid out as said, or an option is out of range.
    """
    images.check(image_size, channels, resize, interpolation)
    folders = class_folders.split_folders(source.require_folder(path, _HOLDS))
    source.check_split(split, tuple(folders), f"image folder {path}")
    classes = class_folders.class_names(folders, split, _HOLDS)
    rule = {"resize": resize, "interpolation": interpolation}
    return ImageFolder(folders[split], classes, image_size, channels, **rule)


class ImageFolder:
    """The images below one folder per class, decoded when gathered."""

    def __init__(
        self,
        folder: pathlib.Path,
        class_names: Sequence[str],
        image_size: images.Size,
        channels: int,
        resize: int = 0,
        interpolation: str = "bilinear",
    ):
        self._folder, self._channels = folder, channels
        self._resize, self._interpolation = resize, interpolation
        self._size = images.height_width(image_size)
        self._names, self._labels = class_folders.list_files(
            folder, class_names, images.EXTENSIONS, "image"
        )
        self.spec = source.Spec(
            features={
                "image": source.Feature((*self._size, channels), "uint8"),
                "label": source.Feature((), "int32"),
            },
            class_names=tuple(class_names),
            varies=True,
        )

    def __len__(self) -> int:
        return len(self._labels)

    def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Decodes images; see `Source.gather`.

        Raises:
          ValueError: a file is not a readable image; the sentence names it.
        """
        decoded = [
            images.decode(
                self.file(index),
                self._size,
                self._channels,
                resize=self._resize,
                interpolation=self._interpolation,
            )
            for index in indices
        ]
        return self._batch(decoded, indices)

    def gather_parts(
        self, indices: np.ndarray, parts: Sequence[source.Part]
    ) -> dict[str, np.ndarray]:
        """Decodes parts of images; see `VaryingSource.gather_parts`.

        Raises:
          ValueError: a file is not a readable image; the sentence names it.
        """
        decoded = [
            images.decode_part(
                self.file(index),
                self._size,
                self._channels,
                part,
                interpolation=self._interpolation,
            )
            for index, part in zip(indices, parts, strict=True)
        ]
        return self._batch(decoded, indices)

    def _batch(self, decoded: list[np.ndarray], indices) -> dict[str, np.ndarray]:
        shape = (len(indices), *self.spec.features["image"].shape)
        image = np.stack(decoded) if decoded else np.empty(shape, np.uint8)
        return {"image": image, "label": self._labels[indices]}

    def labels(self) -> np.ndarray:
        """Returns all labels, (len(self),) int32, without decoding an image."""
        return self._labels

    def file(self, index: int) -> pathlib.Path:
        """Returns the file of one example."""
        class_name = self.spec.class_names[self._labels[index]]
        return self._folder / class_name / self._names[index]

    def fingerprint(self) -> str:
        """Digests the list of files, their sizes and times, and the options."""
        files = (self.file(index) for index in range(len(self)))
        rule = (self._size, self._resize, self._interpolation)
        return cache.digest_files(files, ("image_folder", *rule, self._channels))

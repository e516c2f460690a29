"""Images in the IDX format of MNIST (LeCun, http://yann.lecun.com/exdb/mnist).

A folder holds train-images-idx3-ubyte, train-labels-idx1-ubyte and the same for t10k
(the test split), each plain or as .gz. Fashion-MNIST, KMNIST and others keep the names.
"""

import gzip
import math
import pathlib
import zlib
from collections.abc import Sequence

import numpy as np

from research.data import images, source

_HOLDS = "MNIST-format files (train-images-idx3-ubyte.gz and so on)"
_PREFIX = {"train": "train", "test": "t10k"}
_DIGITS = source.number_names(10)
# The fourth byte of an IDX file is its number of axes, the third its type: 8 is uint8.
_UINT8 = 0x0800


def splits(
    path: str | None,
    *,
    class_names: Sequence[str] = _DIGITS,
    image_size: images.Size | None = None,
) -> tuple[str, ...]:
    """Lists the splits of which the folder holds images: "train", "test" or both."""
    folder = source.require_folder(path, _HOLDS)
    return tuple(s for s in _PREFIX if _find(folder, s, "images", 3) is not None)


def load(
    split: str,
    path: str | None,
    *,
    class_names: Sequence[str] = _DIGITS,
    image_size: images.Size | None = None,
) -> source.Arrays:
    """Reads one split: image (h, w, 1) uint8, label () int32.

    Args:
      split: "train" or "test".
      path: folder with the four files.
      class_names: one name per label, in label order.
      image_size: side, or (height, width), in pixels, that images are resized to
        bilinearly; None: they stay as they are.

    Raises:
      FileNotFoundError: the folder or a file of the split is missing.
      ValueError: a file is damaged, the two files do not fit together, or the size is
        not positive.
    """
    images.check(image_size, 1)
    folder = source.require_folder(path, _HOLDS)
    source.check_split(split, tuple(_PREFIX), f"IDX folder {path}")
    files = {}
    for kind, axes in (("images", 3), ("labels", 1)):
        files[kind] = _find(folder, split, kind, axes)
        if files[kind] is None:
            raise FileNotFoundError(
                f"{_PREFIX[split]}-{kind}-idx{axes}-ubyte(.gz) is not in {folder}; "
                "copy it there or correct config.data.path"
            )
    image = _read(files["images"], axes=3)[..., None]
    label = _read(files["labels"], axes=1)
    if len(image) != len(label):
        raise ValueError(
            f"{files['images'].name} and {files['labels'].name} must hold equally many "
            f"examples, got {len(image)} and {len(label)}; download both again"
        )
    source.check_labels(label, class_names, str(files["labels"]))
    if image_size is not None:
        image = images.resize(image, image_size)
    arrays = {"image": image, "label": label.astype(np.int32)}
    return source.Arrays(arrays, class_names)


def _find(
    folder: pathlib.Path, split: str, kind: str, axes: int
) -> pathlib.Path | None:
    """Finds a file by its official name or by the common one with a dot."""
    for dash in "-.":
        for ending in (".gz", ""):
            name = f"{_PREFIX[split]}-{kind}{dash}idx{axes}-ubyte{ending}"
            if (folder / name).is_file():
                return folder / name
    return None


def _read(file: pathlib.Path, *, axes: int) -> np.ndarray:
    """Parses one file: magic number, big-endian sizes, then the bytes."""
    content = file.read_bytes()
    if file.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(
                f"{file} is not a complete gzip file ({error}); download it again"
            ) from error
    magic = int.from_bytes(content[:4], "big")
    if len(content) < 4 + 4 * axes or magic != _UINT8 + axes:
        raise ValueError(
            f"{file} must start with the IDX magic number {_UINT8 + axes} ({axes} axes "
            f"of uint8), got {magic}; it is another kind of file: download it again"
        )
    shape = tuple(np.frombuffer(content, ">u4", count=axes, offset=4).tolist())
    if len(content) != 4 + 4 * axes + math.prod(shape):
        raise ValueError(
            f"{file} announces {math.prod(shape)} bytes of data for shape {shape}, got "
            f"{len(content) - 4 - 4 * axes}; download it again"
        )
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)

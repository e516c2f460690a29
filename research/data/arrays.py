"""Arrays of your own: an .npz file, or a folder of train, validation and test.npz.

Each file holds one array per feature, with one row per example, as numpy.savez writes
them: image (n, h, w, c) or (n, h, w) uint8 and label (n,) integer. An array
"class_names" of strings beside them names the classes.
"""

import pathlib
import zipfile
import zlib
from collections.abc import Sequence

import numpy as np

from research.data import source

_HOLDS = "train.npz, and validation.npz and test.npz if you have them"
_SPLITS = ("train", "validation", "test")


def splits(
    path: str | None,
    *,
    features: Sequence[str] = ("image", "label"),
    num_classes: int = 0,
) -> tuple[str, ...]:
    """Lists the splits that have a file; a single .npz file is "train"."""
    return tuple(_files(path))


def load(
    split: str,
    path: str | None,
    *,
    features: Sequence[str] = ("image", "label"),
    num_classes: int = 0,
) -> source.Arrays:
    """Reads one split into memory.

    Args:
      split: "train", "validation" or "test".
      path: the .npz file or the folder.
      features: names of the arrays to read. "image" gets a channel axis if it has none
        and "label" becomes int32; others stay as they are.
      num_classes: number of classes; 0 takes it from "class_names" in a file, or from
        the largest label of all splits.

    Raises:
      FileNotFoundError: there is no such file or folder.
      ValueError: a file is damaged or its arrays break one of the rules above.
    """
    files = _files(path)
    source.check_split(split, tuple(files), f"arrays {path}")
    arrays = _read(files[split], features)
    for name in features:
        if name not in arrays:
            raise ValueError(
                f"{files[split]} has no array {name!r}, it has: "
                f"{', '.join(_keys(files[split])) or 'none'}; name yours with "
                "config.data.features"
            )
        if not arrays[name].ndim:
            raise ValueError(
                f"array {name!r} of {files[split]} needs one row per example, got a "
                "single value; save it with a first axis"
            )
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name}: {count}" for name, count in lengths.items())
        raise ValueError(
            f"all arrays of {files[split]} need one row per example, got {found}; make "
            "their first axes equal"
        )
    if "image" in arrays:
        arrays["image"] = _image(arrays["image"], files[split])
    names = ()
    if "label" in arrays:
        _check_label(arrays["label"], files[split])
        names = _class_names(num_classes, files)
        source.check_labels(arrays["label"], names, str(files[split]))
        arrays["label"] = arrays["label"].astype(np.int32)
    return source.Arrays(arrays, names)


def _files(path: str | None) -> dict[str, pathlib.Path]:
    if path and pathlib.Path(path).expanduser().is_file():
        return {"train": pathlib.Path(path).expanduser()}
    folder = source.require_folder(path, _HOLDS)
    found = {s: folder / f"{s}.npz" for s in _SPLITS if (folder / f"{s}.npz").is_file()}
    if not found:
        raise FileNotFoundError(
            f"no train.npz, validation.npz or test.npz is in {path}; set "
            f"config.data.path to a folder with {_HOLDS}"
        )
    return found


def _read(file: pathlib.Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Reads those of the named arrays that the file has, never unpickling."""
    try:
        if not zipfile.is_zipfile(file):
            raise zipfile.BadZipFile("it is not a zip archive")
        with np.load(file, allow_pickle=False) as opened:
            return {name: opened[name] for name in names if name in opened.files}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(error)
        if "allow_pickle" in reason:
            reason = "it holds Python objects, which are never unpickled"
        raise ValueError(
            f"{file} is not a readable .npz file of numbers ({reason}); write it again "
            "with numpy.savez"
        ) from error


def _keys(file: pathlib.Path) -> list[str]:
    with np.load(file, allow_pickle=False) as opened:
        return list(opened.files)


def _image(image: np.ndarray, file: pathlib.Path) -> np.ndarray:
    if image.dtype != np.uint8 or image.ndim not in (3, 4):
        raise ValueError(
            f"'image' of {file} must be (n, h, w, c) or (n, h, w) uint8, got "
            f"{image.shape} {image.dtype}; scale it to 0..255 and save it so"
        )
    return image[..., None] if image.ndim == 3 else image


def _check_label(label: np.ndarray, file: pathlib.Path) -> None:
    if label.ndim != 1 or not np.issubdtype(label.dtype, np.integer):
        raise ValueError(
            f"'label' of {file} must be (n,) integers, got {label.shape} "
            f"{label.dtype}; save the number of each example's class"
        )


def _class_names(num_classes: int, files: dict[str, pathlib.Path]) -> tuple[str, ...]:
    """Finds the names: those in a file, or numbers, as many as the option says."""
    # The splits must agree, whichever of them is being read: all files are asked.
    largest = -1
    for file in files.values():
        found = _read(file, ("label", "class_names"))
        if "class_names" in found:
            names = tuple(str(name) for name in found["class_names"])
            if num_classes not in (0, len(names)):
                raise ValueError(
                    f"num_classes={num_classes} must equal the {len(names)} "
                    f"class_names of {file}; leave it at 0"
                )
            return names
        if "label" in found:
            _check_label(found["label"], file)
            largest = max(largest, int(found["label"].max(initial=-1)))
    return source.number_names(num_classes or largest + 1)

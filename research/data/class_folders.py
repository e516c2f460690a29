"""Files in one folder per class, with or without a folder per split above them.

Either root/<split>/<class>/<file> with <split> one of train, validation (or val, valid)
and test, or root/<class>/<file>, which is all "train". Files count by their extension,
in any case; others, hidden ones and deeper folders are ignored.
"""

import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

_FOLDERS = {
    "train": ("train",),
    "validation": ("validation", "val", "valid"),
    "test": ("test",),
}


def split_folders(root: pathlib.Path) -> dict[str, pathlib.Path]:
    """Maps each split to its folder; {"train": root} where the data is not split.

    Raises:
      ValueError: two folders stand for one split.
    """
    found = {}
    for split, names in _FOLDERS.items():
        # A folder that holds files directly is a class that is called so.
        present = [n for n in names if (root / n).is_dir() and _classes(root / n)]
        if len(present) > 1:
            raise ValueError(
                f"{root} must hold one folder for the {split} split, got "
                f"{' and '.join(present)}; rename or remove one"
            )
        if present:
            found[split] = root / present[0]
    return found or {"train": root}


def class_names(
    folders: Mapping[str, pathlib.Path], split: str, holds: str
) -> list[str]:
    """Lists the classes of a split, in the order of their names.

    Args:
      folders: of `split_folders`.
      split: one of them.
      holds: what each folder must hold, such as "one folder of images per class".

    Raises:
      ValueError: there are none, or the splits differ in them.
    """
    classes = {name: _classes(folder) for name, folder in folders.items()}
    if not classes[split]:
        raise ValueError(
            f"{folders[split]} must hold {holds}, got no folder; correct "
            "config.data.path"
        )
    for name, found in classes.items():
        if found != classes[split]:
            differing = sorted(set(found) ^ set(classes[split]))
            raise ValueError(
                f"all splits need the same class folders, but {folders[split]} and "
                f"{folders[name]} differ in {', '.join(differing[:5])}"
                f"{' and more' if len(differing) > 5 else ''}; add or remove them"
            )
    return classes[split]


def list_files(
    folder: pathlib.Path, classes: Sequence[str], extensions: Sequence[str], what: str
) -> tuple[list[str], np.ndarray]:
    """Lists the files below the class folders.

    Args:
      folder: that of a split.
      classes: names of the class folders.
      extensions: of the files, in lower case, with the dot.
      what: one file in words, such as "image".

    Returns:
      The files' names, class by class, each in the order of names, and their labels,
      (n,) int32.

    Raises:
      ValueError: a class has no file.
    """
    found, labels = [], []
    for label, name in enumerate(classes):
        names = _names(folder / name, tuple(extensions))
        if not names:
            raise ValueError(
                f"class folder {folder / name} holds no {what} "
                f"({', '.join(extensions)}); add some or remove it"
            )
        found += names
        labels += [label] * len(names)
    return found, np.array(labels, np.int32)


def _classes(folder: pathlib.Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.is_dir() and e.name[0] != ".")


def _names(folder: pathlib.Path, extensions: tuple[str, ...]) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(
            e.name
            for e in entries
            if e.name.lower().endswith(extensions)
            and e.name[0] != "."
            and not e.is_dir()
        )

"""Boxes in JSON files of the COCO form: one file per split.

Either FOLDER/annotations/instances_<split><anything>.json with the pictures in
FOLDER/<split><anything>/ (as COCO 2017), or FOLDER/<split>/_annotations.coco.json with
the pictures beside it; <split> is train, val (or valid, validation) or test. Classes
are the categories of the training file by rising id; `iscrowd` objects count as crowd,
see `research/data/objects.py`. https://cocodataset.org/#format-data
"""

import json
import pathlib
from collections.abc import Sequence

from research.data import images, objects, source

_HOLDS = (
    "annotations/instances_train*.json and train*/ (or train/_annotations.coco.json)"
)
_NAMES = {
    "train": ("train",),
    "validation": ("validation", "valid", "val"),
    "test": ("test",),
}


def splits(
    path: str | None,
    *,
    image_size: images.Size = 512,
    max_boxes: int = 100,
    classes: Sequence[str] = (),
    bad_boxes: str = "drop",
) -> tuple[str, ...]:
    """Lists the splits that have a file."""
    return tuple(_files(source.require_folder(path, _HOLDS)))


def load(
    split: str,
    path: str | None,
    *,
    image_size: images.Size = 512,
    max_boxes: int = 100,
    classes: Sequence[str] = (),
    bad_boxes: str = "drop",
) -> objects.Objects:
    """Reads the annotations of one split, and checks every box.

    Args:
      split: "train", "validation" or "test".
      path: root folder.
      image_size: side, or (height, width), in pixels, that pictures are fitted into.
      max_boxes: most boxes of a picture.
      classes: their names in order; () takes the categories of the first split's file.
      bad_boxes: what happens to a box that is none: drop or refuse.

    Returns:
      A source of the features of `research/data/objects.py`.

    Raises:
      FileNotFoundError: the folder or a picture is not there.
      ValueError: a file cannot be read, a box is bad, or an option is wrong.
    """
    root = source.require_folder(path, _HOLDS)
    files = _files(root)
    source.check_split(split, tuple(files), f"COCO folder {root}")
    file, folder = files[split]
    told = _read(file)
    categories = _categories(told)
    found = tuple(classes) or _class_names(files, split, categories)
    by_image = _by_image(told, file, categories)
    checker = objects.Checker(found, bad_boxes)
    pictures = [
        checker.picture(
            folder / image["file_name"],
            f"{image['file_name']} in {file}",
            (image["height"], image["width"]),
            by_image[image["id"]],
        )
        for image in told["images"]
    ]
    objects.report(pictures, checker.dropped, f"split {split!r} of {root}")
    return objects.Objects(pictures, found, image_size, max_boxes)


def _categories(told: dict) -> dict[int, str]:
    return {c["id"]: c["name"] for c in told["categories"]}


def _class_names(files: dict, split: str, own: dict[int, str]) -> tuple[str, ...]:
    """Lists the classes of the first split, so that all number them alike."""
    first = next(iter(files))
    categories = own if first == split else _categories(_read(files[first][0]))
    if not categories:
        raise ValueError(
            f"{files[first][0]} names no categories; add them, or set "
            "config.data.classes"
        )
    return tuple(categories[k] for k in sorted(categories))


def _by_image(told: dict, file: pathlib.Path, categories: dict) -> dict[int, list]:
    """Groups the annotations by image: (class, corners, crowd) each."""
    by_image = {image["id"]: [] for image in told["images"]}
    for annotation in told["annotations"]:
        if annotation["image_id"] not in by_image:
            raise ValueError(
                f"annotation {annotation.get('id')} of {file} is of image "
                f"{annotation['image_id']}, which the file lacks; correct it"
            )
        left, top, wide, tall = annotation["bbox"]
        category = annotation["category_id"]
        by_image[annotation["image_id"]].append(
            (
                categories.get(category, f"id {category}"),
                (left, top, left + wide, top + tall),
                bool(annotation.get("iscrowd", 0)),
            )
        )
    return by_image


def _files(root: pathlib.Path) -> dict[str, tuple[pathlib.Path, pathlib.Path]]:
    """Finds each split's (file, folder of pictures)."""
    found = {}
    for split, names in _NAMES.items():
        for name in names:
            for file in sorted((root / "annotations").glob(f"instances_{name}*.json")):
                folder = root / file.stem.removeprefix("instances_")
                found.setdefault(split, (file, folder))
            beside = root / name / "_annotations.coco.json"
            if beside.is_file():
                found.setdefault(split, (beside, beside.parent))
    return found


def _read(file: pathlib.Path) -> dict:
    """Reads a file and checks that it has what is read of it."""
    try:
        told = json.loads(file.read_text())
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{file} is not a readable JSON file ({error}); correct or replace it"
        ) from error
    needed = {
        "images": ("id", "file_name", "height", "width"),
        "annotations": ("image_id", "category_id", "bbox"),
        "categories": ("id", "name"),
    }
    for name, keys in needed.items():
        rows = told.get(name) if isinstance(told, dict) else None
        if not isinstance(rows, list):
            raise ValueError(
                f"{file} must hold a list {name!r}, as COCO's instances do; bring one"
            )
        lacking = [
            key
            for row in rows
            for key in keys
            if not isinstance(row, dict) or key not in row
        ]
        if lacking:
            raise ValueError(f"{file} has {name} without {lacking[0]!r}; correct it")
    boxes = (a["bbox"] for a in told["annotations"])
    wrong = [b for b in boxes if not (_numbers(b) and len(b) == 4)]
    if wrong:
        raise ValueError(
            f"{file} must give each bbox as [left, top, width, height], got "
            f"{wrong[0]}; correct it"
        )
    for image in told["images"]:
        size = [image["height"], image["width"]]
        if not _numbers(size) or min(size) < 1:
            raise ValueError(
                f"{file} must give each image's height and width in pixels, got "
                f"{size[0]} and {size[1]} of {image['file_name']}; correct it"
            )
    return told


def _numbers(values) -> bool:
    return isinstance(values, list) and all(
        isinstance(v, (int, float)) and not isinstance(v, bool) for v in values
    )

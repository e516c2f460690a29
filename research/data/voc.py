"""Boxes in folders of the Pascal VOC form: one XML file per picture.

FOLDER/Annotations/<name>.xml, FOLDER/JPEGImages/<picture>, and, where the data is
split, FOLDER/ImageSets/Main/{train,val,test}.txt with a name a line; without them all
is "train". Objects marked difficult count as crowd, see `research/data/objects.py`.
"""

import functools
import math
import pathlib
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

from research.data import images, objects, source

_HOLDS = "Annotations/*.xml and JPEGImages"
_LISTS = {"train": "train", "validation": "val", "test": "test"}
_SIDES = ("xmin", "ymin", "xmax", "ymax")


def splits(
    path: str | None,
    *,
    image_size: images.Size = 512,
    max_boxes: int = 100,
    classes: Sequence[str] = (),
    bad_boxes: str = "drop",
) -> tuple[str, ...]:
    """Lists the splits that have a list of names; only "train" where none has."""
    return tuple(_lists(_root(path))) or ("train",)


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
      classes: their names in order; () takes those that occur, in the order of their
        names.
      bad_boxes: what happens to a box that is none: drop or refuse.

    Returns:
      A source of the features of `research/data/objects.py`.

    Raises:
      FileNotFoundError: a folder, an annotation or a picture is not there.
      ValueError: an annotation cannot be read, a box is bad, or an option is wrong.
    """
    root = _root(path)
    lists = _lists(root)
    source.check_split(split, tuple(lists) or ("train",), f"VOC folder {root}")
    names = lists[split] if lists else _all_names(root)
    found = tuple(classes) or _class_names(root)
    checker = objects.Checker(found, bad_boxes)
    pictures = [_picture(root, name, checker) for name in names]
    objects.report(pictures, checker.dropped, f"split {split!r} of {root}")
    return objects.Objects(pictures, found, image_size, max_boxes)


def _root(path: str | None) -> pathlib.Path:
    folder = source.require_folder(path, _HOLDS)
    if not (folder / "Annotations").is_dir():
        raise FileNotFoundError(
            f"{path} has no folder Annotations; set config.data.path to a folder with "
            f"{_HOLDS}"
        )
    return folder


def _lists(root: pathlib.Path) -> dict[str, list[str]]:
    files = {s: root / "ImageSets" / "Main" / f"{n}.txt" for s, n in _LISTS.items()}
    texts = {s: f.read_text() for s, f in files.items() if f.is_file()}
    return {
        split: [line.strip() for line in text.splitlines() if line.strip()]
        for split, text in texts.items()
    }


def _all_names(root: pathlib.Path) -> list[str]:
    return sorted(file.stem for file in (root / "Annotations").glob("*.xml"))


def _class_names(root: pathlib.Path) -> tuple[str, ...]:
    """Lists the classes that occur in any split, so that all number them alike."""
    names = _all_names(root)
    if not names:
        raise ValueError(f"{root / 'Annotations'} holds no .xml file; bring them")
    trees = (_tree(root / "Annotations" / f"{name}.xml") for name in names)
    found = {_text(o, "name", "") for tree in trees for o in _objects(tree)}
    return tuple(sorted(found - {""}))


def _picture(root: pathlib.Path, name: str, checker) -> objects.Picture:
    file = root / "Annotations" / f"{name}.xml"
    if not file.is_file():
        raise FileNotFoundError(
            f"annotation {file} does not exist, but a list in {root / 'ImageSets'} "
            "names it; bring it or correct the list"
        )
    tree = _tree(file)
    if not all(_text(each, "name", "") for each in _objects(tree)):
        raise ValueError(f"{file} must name each object's class in <name>; correct it")
    size = tuple(int(_number(tree, f"size/{k}", file)) for k in ("height", "width"))
    if min(size) < 1:
        raise ValueError(
            f"{file} must give its picture's size, got height {size[0]} and width "
            f"{size[1]}; correct it"
        )
    found = [
        (
            _text(each, "name", ""),
            tuple(_number(each, f"bndbox/{side}", file) for side in _SIDES),
            _text(each, "difficult", "0") == "1",
        )
        for each in _objects(tree)
    ]
    picture = root / "JPEGImages" / _text(tree, "filename", f"{name}.jpg")
    return checker.picture(picture, str(file), size, found)


@functools.lru_cache(maxsize=100_000)
def _tree(file: pathlib.Path) -> ElementTree.Element:
    """Reads an XML file; several splits share what was read."""
    try:
        return ElementTree.parse(file).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(
            f"{file} is not a readable XML file ({error}); correct or remove it"
        ) from error


def _objects(tree: ElementTree.Element) -> list[ElementTree.Element]:
    return tree.findall("object")


def _text(element: ElementTree.Element, name: str, absent: str) -> str:
    return (element.findtext(name) or absent).strip()


def _number(element: ElementTree.Element, name: str, file: pathlib.Path) -> float:
    text = element.findtext(name)
    try:
        number = float(text)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(
            f"{file} must hold a number in <{name}>, got {text!r}; correct it"
        )
    return number

"""Pictures with boxes prepared by TensorFlow Datasets, such as coco/2017 and voc.

Opened as `research/data/tfds.py` opens images, which says how to prepare data. The
boxes are a sequence of features: `bbox`, a class label and, where the data has them,
`is_crowd` or `is_difficult`, which both count as crowd, see `research/data/objects.py`.
Records are read when an example is, so that bad boxes are named then and not before.
"""

import numpy as np

from research.data import cache, images, objects, source, tfds_folder

_CROWD = ("is_crowd", "is_difficult")
_FORMATS = (None, "REL_YXYX")  # None: metadata from before there were others


def splits(
    path: str | None,
    *,
    dataset: str = "",
    objects_key: str = "objects",
    label_key: str = "label",
    image_size: images.Size = 512,
    max_boxes: int = 100,
    bad_boxes: str = "drop",
    train: str = "train",
    validation: str = "validation",
    test: str = "test",
) -> tuple[str, ...]:
    """Lists the splits that the prepared data has; options as those of `load`."""
    builder = tfds_folder.builder(path, dataset)
    named = {"train": train, "validation": validation, "test": test}
    return tuple(tfds_folder.expressions(builder, named))


def load(
    split: str,
    path: str | None,
    *,
    dataset: str = "",
    objects_key: str = "objects",
    label_key: str = "label",
    image_size: images.Size = 512,
    max_boxes: int = 100,
    bad_boxes: str = "drop",
    train: str = "train",
    validation: str = "validation",
    test: str = "test",
) -> "Prepared":
    """Opens one split.

    Args:
      split: "train", "validation" or "test".
      path: data_dir of TFDS, or the folder of one prepared version; None means
        $TFDS_DATA_DIR or ~/tensorflow_datasets.
      dataset: as of `research/data/tfds.py`, for example "coco/2017".
      objects_key: the sequence of objects of an example.
      label_key: the class within it.
      image_size: side, or (height, width), in pixels, that pictures are fitted into.
      max_boxes: most boxes of a picture.
      bad_boxes: what happens to a box that is none: drop or refuse.
      train: what the training split is: a split of the data or an expression of TFDS
        such as "train[:90%]".
      validation: likewise; "" for none.
      test: likewise; "" for none.

    Returns:
      A source of the features of `research/data/objects.py`.

    Raises:
      FileNotFoundError: the data is not prepared; the sentence says how to.
      ValueError: a package is missing or an option does not fit the data.
    """
    builder = tfds_folder.builder(path, dataset)
    named = {"train": train, "validation": validation, "test": test}
    expressions = tfds_folder.expressions(builder, named)
    source.check_split(split, tuple(expressions), f"data set {builder.info.full_name}")
    keys = (objects_key, label_key)
    rule = (image_size, max_boxes, bad_boxes)
    return Prepared(builder, expressions[split], keys, rule)


class Prepared:
    """The examples of one split, decoded and their boxes checked when gathered."""

    def __init__(self, builder, expression: str, keys: tuple[str, str], rule: tuple):
        image_size, max_boxes, bad_boxes = rule
        images.check(image_size, 3)
        objects.check_room(max_boxes, 0, "a picture")
        class_names = _class_names(builder, *keys)
        self._keys, self._rule = keys, rule
        self._checker = objects.Checker(class_names, bad_boxes)
        features = objects.form(images.height_width(image_size), max_boxes)
        self.spec = source.Spec(features, class_names)
        self._records = tfds_folder.Records(builder, expression)
        self.files = self._records.files

    def __len__(self) -> int:
        return len(self._records)

    def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Decodes examples; see `Source.gather`.

        Raises:
          ValueError: an example is damaged, has too many boxes, or a bad one where bad
            ones are refused; the sentence names it.
        """
        batch = objects.blank(self.spec, len(indices))
        for row, k in enumerate(indices):
            example = self._records.example(int(k))
            origin = f"example {k} of {self._records.name}"
            try:
                # Boxes are shares of the picture as it is stored, not as EXIF turns it.
                image = images.open_image(example["image"], 3, turn=False)
            except ValueError as error:
                raise ValueError(f"{origin}: {error}") from error
            size = (image.height, image.width)
            told = self._checker.boxes(origin, size, self._objects(example, size))
            objects.check_room(self._rule[1], len(told[0]), origin)
            objects.put(batch, row, image, *told)
        return batch

    def labels(self) -> None:
        """Says that examples have no single label; see `Source.labels`."""
        return None

    def fingerprint(self) -> str:
        """Digests the record files, their sizes and times, and the options."""
        rule = ("tfds_objects", self._records.name, *self._keys, *self._rule)
        return cache.digest_files(self.files, rule)

    def _objects(self, example: dict, size: tuple[int, int]) -> list[tuple]:
        """Reads (class name, corners in pixels, crowd) of each object."""
        told, (height, width) = example[self._keys[0]], size
        share = np.asarray(told["bbox"], np.float64).reshape(-1, 4)
        corners = share[:, [1, 0, 3, 2]] * (width, height, width, height)
        numbers = np.asarray(told[self._keys[1]], np.int64).reshape(-1)
        crowd = np.zeros(len(corners), bool)
        for name in _CROWD:
            if name in told:
                crowd |= np.asarray(told[name], bool).reshape(-1)
        names = [self._name(number) for number in numbers]
        return list(zip(names, corners.tolist(), crowd.tolist(), strict=True))

    def _name(self, number: int) -> str:
        names = self.spec.class_names
        return names[number] if 0 <= number < len(names) else f"number {number}"


def _class_names(builder, objects_key: str, label_key: str) -> tuple[str, ...]:
    """Checks that the data has pictures and boxes; returns its classes."""
    tfds = tfds_folder.import_tfds()
    features, name = dict(builder.info.features.items()), builder.info.full_name
    if not isinstance(features.get("image"), tfds.features.Image):
        raise ValueError(
            f"{name} has no feature 'image' that is a picture, it has: "
            f"{', '.join(sorted(features))}; choose a data set of pictures with boxes"
        )
    inner = getattr(features.get(objects_key), "feature", None)
    parts = dict(inner.items()) if hasattr(inner, "items") else {}
    box, label = parts.get("bbox"), parts.get(label_key)
    boxes = isinstance(box, tfds.features.BBoxFeature)
    if not boxes or not isinstance(label, tfds.features.ClassLabel):
        raise ValueError(
            f"{objects_key!r} of {name} must be a sequence with 'bbox' and a class "
            f"label {label_key!r}, it has: {', '.join(sorted(parts)) or 'none'}; set "
            "config.data.objects_key and label_key"
        )
    if getattr(box.bbox_format, "value", box.bbox_format) not in _FORMATS:
        raise ValueError(
            f"the boxes of {name} must be shares of the picture as (top, left, bottom, "
            f"right), got the format {box.bbox_format}; convert the data"
        )
    return tuple(label.names)

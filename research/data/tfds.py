"""Image data prepared by TensorFlow Datasets, read without TensorFlow.

Any name and version under a data_dir, or the folder of one version itself; array_record
files through the random access of `tfds.data_source`, TFRecord files by an index of
their records. Nothing is downloaded here. To prepare data, which needs the extra
`menagerie[prepare]`: python scripts/prepare_data.py --name=mnist --data_dir=DIR
"""

from collections.abc import Sequence

import numpy as np

from research.data import cache, images, source, tfds_folder

# The records of a split of up to so many bytes are read only to learn the labels.
_LABEL_SCAN_BYTES = 2**30


def splits(
    path: str | None,
    *,
    dataset: str = "",
    image_key: str = "",
    label_key: str = "",
    image_size: images.Size | None = None,
    resize: int = 0,
    interpolation: str = "bilinear",
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
    image_key: str = "",
    label_key: str = "",
    image_size: images.Size | None = None,
    resize: int = 0,
    interpolation: str = "bilinear",
    train: str = "train",
    validation: str = "validation",
    test: str = "test",
) -> "Prepared":
    """Opens one split: image (h, w, c) uint8 and, where there are classes, label ().

    Args:
      split: "train", "validation" or "test".
      path: data_dir of TFDS, or the folder of one prepared version; None means
        $TFDS_DATA_DIR or ~/tensorflow_datasets.
      dataset: "name", "name/config" or either with ":version"; the highest version by
        default. Not needed if `path` is the folder of one version.
      image_key: feature that is the image; by default the first of the supervised keys,
        or the only image.
      label_key: feature that is the label; by default the second of the supervised
        keys, or "label".
      image_size: side, or (height, width), in pixels, by the resize rule of
        `research.data.images`; needed where the images vary in size.
      resize: length of the shorter side, in pixels, before the centre is cropped; 0
        scales until the image just covers `image_size`.
      interpolation: nearest, bilinear, bicubic or lanczos.
      train: what the training split is: a split of the data or an expression of TFDS
        such as "train[:90%]" or "train+extra".
      validation: likewise; "" for none.
      test: likewise; "" for none.

    Raises:
      FileNotFoundError: the data is not prepared; the sentence says how to.
      ValueError: a package is missing or an option does not fit the data.
    """
    builder = tfds_folder.builder(path, dataset)
    named = {"train": train, "validation": validation, "test": test}
    expressions = tfds_folder.expressions(builder, named)
    source.check_split(split, tuple(expressions), f"data set {builder.info.full_name}")
    rule = {"resize": resize, "interpolation": interpolation}
    return Prepared(builder, expressions[split], image_key, label_key, image_size, rule)


class Prepared:
    """The examples of one split, decoded when gathered."""

    def __init__(
        self, builder, expression: str, image_key, label_key, image_size, rule
    ):
        features = builder.info.features
        self._image_key, self._label_key = _keys(builder, image_key, label_key)
        shape = features[self._image_key].shape
        channels = 1 if shape[-1] == 1 else 3
        images.check(image_size, channels, **rule)
        if image_size is None and None in shape[:2]:
            raise ValueError(
                f"the images of {builder.info.full_name} vary in size; set "
                "config.data.image_size, for example to 224"
            )
        size = shape[:2] if image_size is None else images.height_width(image_size)
        self._size, self._channels, self._rule = tuple(size), channels, rule
        spec = {"image": source.Feature((*self._size, channels), "uint8")}
        class_names = ()
        if self._label_key:
            spec["label"] = source.Feature((), "int32")
            class_names = tuple(features[self._label_key].names)
        self.spec = source.Spec(spec, class_names, varies=None in shape[:2])
        self._records = tfds_folder.Records(builder, expression)
        self.files = self._records.files

    def __len__(self) -> int:
        return len(self._records)

    def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Decodes examples; see `Source.gather`.

        Raises:
          ValueError: an example is damaged; the sentence names it.
        """
        return self._gather(indices, [None] * len(indices))

    def gather_parts(
        self, indices: np.ndarray, parts: Sequence[source.Part]
    ) -> dict[str, np.ndarray]:
        """Decodes parts of images; see `VaryingSource.gather_parts`.

        Raises:
          ValueError: an example is damaged; the sentence names it.
        """
        return self._gather(indices, parts)

    def _gather(self, indices, parts) -> dict[str, np.ndarray]:
        shape = self.spec.features["image"].shape
        batch = {"image": np.empty((len(indices), *shape), np.uint8)}
        if self._label_key:
            batch["label"] = np.empty(len(indices), np.int32)
        for row, (k, part) in enumerate(zip(indices, parts, strict=True)):
            example = self._records.example(int(k))
            batch["image"][row] = self._decode(example[self._image_key], int(k), part)
            if self._label_key:
                batch["label"][row] = example[self._label_key]
        if self._label_key:
            names = self.spec.class_names
            source.check_labels(batch["label"], names, self._records.name, indices)
        return batch

    def labels(self) -> np.ndarray | None:
        """Reads all labels from the undecoded records; None above 1 GiB of them."""
        if not self._label_key or self._records.nbytes > _LABEL_SCAN_BYTES:
            return None
        labels = [self._records.example(k)[self._label_key] for k in range(len(self))]
        return np.array(labels, np.int32)

    def fingerprint(self) -> str:
        """Digests the record files, their sizes and times, and the options."""
        options = (self._image_key, self._label_key, self._size, self._channels)
        rule = tuple(self._rule.values())
        return cache.digest_files(self.files, (self._records.name, *options, *rule))

    def _decode(self, image, k: int, part: source.Part | None) -> np.ndarray:
        if isinstance(image, np.ndarray):  # of fixed size: no part is asked for
            return images.resize(image[None], self._size, **self._rule)[0]
        try:
            if part is None:
                return images.decode(image, self._size, self._channels, **self._rule)
            how = self._rule["interpolation"]
            return images.decode_part(
                image, self._size, self._channels, part, interpolation=how
            )
        except ValueError as error:
            raise ValueError(f"example {k} of {self._records.name}: {error}") from error


def _keys(builder, image_key: str, label_key: str) -> tuple[str, str]:
    """Chooses the image and the label feature; the label is "" where there is none."""
    tfds = tfds_folder.import_tfds()
    features, name = builder.info.features, builder.info.full_name
    is_image = {
        key: isinstance(feature, tfds.features.Image)
        and feature.np_dtype in (np.uint8, np.uint16)
        for key, feature in features.items()
    }
    is_label = {k: isinstance(f, tfds.features.ClassLabel) for k, f in features.items()}
    supervised = builder.info.supervised_keys or ()
    supervised = [key for key in supervised if isinstance(key, str)]
    if not image_key:
        found = [k for k in supervised[:1] if is_image.get(k)]
        found = found or [key for key, yes in is_image.items() if yes]
        image_key = found[0] if len(found) == 1 else ""
    if not label_key:
        found = [k for k in (*supervised[1:2], "label") if is_label.get(k)]
        label_key = found[0] if found else ""
    elif not is_label.get(label_key):
        labels = ", ".join(sorted(key for key, yes in is_label.items() if yes))
        raise ValueError(
            f"label_key={label_key!r} must be a class label of {name}; it has: "
            f"{labels or 'none'}"
        )
    if not is_image.get(image_key):
        found = ", ".join(sorted(key for key, yes in is_image.items() if yes))
        raise ValueError(
            f"image_key={image_key!r} must be an image of {name} with 8 or 16 bits; it "
            f"has: {found or 'none'}"
        )
    return image_key, label_key

"""Finds and opens data prepared by TensorFlow Datasets: versions, splits, records."""

import contextlib
import importlib.util
import itertools
import logging
import os
import pathlib
import re

from research.data import tfrecord

_NAME = re.compile(
    r"(?P<name>\w+)(/(?P<config>[\w.\-]+))?(:(?P<version>\d+\.\d+\.\d+))?"
)


def import_tfds():
    """Imports tensorflow_datasets, which takes half a second and is optional."""
    for package in ("tensorflow_datasets", "array_record"):
        if importlib.util.find_spec(package) is None:
            raise ValueError(
                f"data 'tfds' needs the package {package}, which is not installed; "
                "run pip install 'menagerie[tfds]'"
            )
    import tensorflow_datasets

    return tensorflow_datasets


@contextlib.contextmanager
def quiet():
    """Hides what TFDS logs about every file that it opens."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def builder(path: str | None, dataset: str):
    """Opens prepared data by its files alone.

    Args:
      path: data_dir, or the folder of one version; None means $TFDS_DATA_DIR or
        ~/tensorflow_datasets.
      dataset: "name[/config][:version]"; may be "" for the folder of one version.

    Raises:
      FileNotFoundError: the data is not prepared; the sentence says how to.
      ValueError: the name is malformed, ambiguous or not that of the folder.
    """
    tfds = import_tfds()
    default = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    root = pathlib.Path(path or default).expanduser()
    if (root / "dataset_info.json").is_file():
        opened = _open(root, tfds.builder_from_directory, str(root))
        if dataset and not re.match(rf"{opened.info.name}\b", dataset):
            raise ValueError(
                f"{root} holds {opened.info.full_name}, not {dataset!r}; correct "
                "config.data.dataset or config.data.path"
            )
        return opened
    match = _NAME.fullmatch(dataset)
    if match is None:
        raise ValueError(
            "data 'tfds' needs the name of a data set as name, name/config or "
            f"name:1.2.3, got {dataset!r}; set config.data.dataset"
        )
    folder = _version_folder(root, match, dataset)
    name = folder.relative_to(root).parent.as_posix()
    return _open(folder, tfds.builder, f"{name}:{folder.name}", data_dir=str(root))


def _open(folder: pathlib.Path, opener, *args, **kwargs):
    try:
        with quiet():
            return opener(*args, **kwargs)
    # Damaged metadata fails in any of the parsers that TFDS uses.
    except Exception as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{folder} is not readable as prepared data ({reason}); prepare it again"
        ) from error


def _version_folder(root: pathlib.Path, match: re.Match, dataset: str) -> pathlib.Path:
    """Finds the folder of the highest version, or of the one asked for."""
    base = root / match["name"]
    pattern = f"{match['config']}/*" if match["config"] else "*"
    found = _versions(base, pattern, match["version"])
    if not found and not match["config"]:
        found = _versions(base, "*/*", match["version"])
        configs = sorted({folder.parent.name for folder in found})
        if len(configs) > 1:
            raise ValueError(
                f"{match['name']} in {root} has several configs: {', '.join(configs)}; "
                f"set config.data.dataset to one, such as {match['name']}/{configs[0]}"
            )
    if not found:
        raise FileNotFoundError(
            f"data set {dataset!r} is not prepared in {root}; run: python "
            f"scripts/prepare_data.py --name={dataset} --data_dir={root} (after pip "
            "install 'menagerie[prepare]')"
        )
    return max(found, key=lambda folder: tuple(map(int, folder.name.split("."))))


def _versions(base: pathlib.Path, pattern: str, version: str | None) -> list:
    folders = [info.parent for info in base.glob(f"{pattern}/dataset_info.json")]
    versions = [f for f in folders if re.fullmatch(r"\d+\.\d+\.\d+", f.name)]
    return [f for f in versions if version in (None, f.name)]


def expressions(builder, named: dict[str, str]) -> dict[str, str]:
    """Keeps the splits that the data has; checks that no two share an example.

    Args:
      builder: of `builder`.
      named: our split -> split of the data, or an expression of TFDS; "" for none.

    Returns:
      Our split -> its expression.

    Raises:
      ValueError: an expression is none, or two overlap.
    """
    tfds = import_tfds()
    known, kept, ranges = builder.info.splits, {}, {}
    for split, expression in named.items():
        if not expression or (expression == split and split not in known):
            continue
        try:
            instruction = tfds.core.ReadInstruction.from_spec(expression)
            ranges[split] = [
                (part.splitname, part.from_ or 0, part.to)
                for part in instruction.to_absolute(known)
            ]
            kept[split] = expression
        except ValueError as error:
            raise ValueError(
                f"{split}={expression!r} is not a split of {builder.info.full_name}, "
                f"which has {', '.join(known)}; write for example 'train[:90%]'"
            ) from error
    for one, other in itertools.combinations(kept, 2):
        if any(_overlap(a, b) for a in ranges[one] for b in ranges[other]):
            raise ValueError(
                f"{one}={kept[one]!r} and {other}={kept[other]!r} share examples; "
                "give each its own part, for example 'train[:90%]' and 'train[90%:]'"
            )
    return kept


def _overlap(a: tuple, b: tuple) -> bool:
    """Tells whether two (split, from, to) share an example; to None is the end."""
    return (
        a[0] == b[0] and (a[2] is None or b[1] < a[2]) and (b[2] is None or a[1] < b[2])
    )


class Records:
    """The examples of one split, images and sounds left encoded."""

    def __init__(self, builder, expression: str):
        """Opens the files; reads no record.

        Args:
          builder: of `builder`.
          expression: which split, one of `expressions`.

        Attributes:
          name: of the data and the split, for messages.
          files: that hold the records.
          nbytes: of these files.

        Raises:
          FileNotFoundError: a file is missing.
          ValueError: a file is damaged.
        """
        features, split = builder.info.features, builder.info.splits[expression]
        self.name = f"{builder.info.full_name} {expression}"
        self.files = sorted({i.filename for i in split.file_instructions})
        self.nbytes = sum(os.path.getsize(f) for f in self.files if os.path.exists(f))
        self._records = _records(builder, expression, split)
        self._deserialize = features.deserialize_example_np
        self._decoders = _skip_images(features)

    def __len__(self) -> int:
        return len(self._records)

    def example(self, k: int) -> dict:
        """Reads the features of example k.

        Raises:
          ValueError: it is damaged; the sentence names it.
        """
        try:
            return self._deserialize(self._records[k], decoders=self._decoders)
        # A damaged record fails anywhere in the reader or in the protocol buffer.
        except Exception as error:
            reason = " ".join(str(error).split())
            raise ValueError(
                f"example {k} of {self.name} is not readable ({reason}); prepare or "
                "copy the data again"
            ) from error


def _records(builder, expression: str, split):
    """Opens the raw records of a split as a sequence."""
    if builder.info.file_format.value == "tfrecord":
        return tfrecord.TFRecords(
            (i.filename, i.skip, i.take, i.examples_in_shard)
            for i in split.file_instructions
        )
    for instruction in split.file_instructions:
        if not os.path.exists(instruction.filename):
            raise FileNotFoundError(
                f"{instruction.filename} is missing; prepare or copy it again"
            )
    with quiet():
        opened = builder.as_data_source(split=expression)
    # Its own decoding would also unpack the features that are not asked for.
    return opened.data_source


def _skip_images(features) -> dict:
    """Leaves encoded what is costly to decode and not ours, or decoded by us."""
    tfds = import_tfds()
    costly = (tfds.features.Image, tfds.features.Video, tfds.features.Audio)
    return {
        key: tfds.decode.SkipDecoding()
        for key, feature in features.items()
        if isinstance(feature, costly)
    }

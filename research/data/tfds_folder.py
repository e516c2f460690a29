"""Finds and opens data prepared by TensorFlow Datasets."""

import contextlib
import importlib.util
import logging
import os
import pathlib
import re

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

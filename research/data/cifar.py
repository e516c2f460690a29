"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009) in their original python batches.

The folder is cifar-10-batches-py (batches.meta, data_batch_1..5, test_batch) or
cifar-100-python (meta, train, test; its fine labels are used). The files are pickles:
they are read by an unpickler that can build numpy arrays and plain containers only.
"""

import pathlib
import pickle

import numpy as np

from research.data import source

_HOLDS = "the batches of cifar-10-batches-py or cifar-100-python"
# meta file -> the key of its class names, the key of the labels, the files per split.
_LAYOUTS = {
    "batches.meta": (
        b"label_names",
        b"labels",
        {
            "train": [f"data_batch_{k}" for k in range(1, 6)],
            "test": ["test_batch"],
        },
    ),
    "meta": (
        b"fine_label_names",
        b"fine_labels",
        {"train": ["train"], "test": ["test"]},
    ),
}
# Old names of numpy's modules stand in the files; all lead to these three objects.
_ALLOWED = {
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


def splits(path: str | None) -> tuple[str, ...]:
    """Lists the splits, always "train" and "test"; checks the folder."""
    _layout(path)
    return "train", "test"


def load(split: str, path: str | None) -> source.Arrays:
    """Reads one split: image (32, 32, 3) uint8, label () int32.

    Args:
      split: "train" or "test".
      path: folder with the batches; CIFAR-10 or -100 is told by what it holds.

    Raises:
      FileNotFoundError: the folder or one of its files is missing.
      ValueError: a file is damaged or is not a CIFAR batch.
    """
    meta, (names_key, labels_key, files) = _layout(path)
    source.check_split(split, tuple(files), f"CIFAR folder {path}")
    class_names = [name.decode() for name in _field(_unpickle(meta), names_key, meta)]
    images, labels = [], []
    for name in files[split]:
        file = meta.parent / name
        batch = _unpickle(file)
        pixels = _field(batch, b"data", file)
        label = np.asarray(_field(batch, labels_key, file), dtype=np.int32)
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
            raise ValueError(f"{file} must hold uint8 pixels; download it again")
        if pixels.shape != (len(label), 3 * 32 * 32):
            raise ValueError(
                f"{file} must hold 3072 pixels for each of its {len(label)} labels, "
                f"got an array of shape {pixels.shape}; download it again"
            )
        source.check_labels(label, class_names, str(file))
        images.append(pixels.reshape(-1, 3, 32, 32))
        labels.append(label)
    count = sum(len(label) for label in labels)
    image = np.empty((count, 32, 32, 3), np.uint8)
    np.concatenate([part.transpose(0, 2, 3, 1) for part in images], out=image)
    arrays = {"image": image, "label": np.concatenate(labels)}
    return source.Arrays(arrays, class_names)


def _layout(path: str | None):
    """Returns the meta file and the layout that it stands for."""
    folder = source.require_folder(path, _HOLDS)
    for name, layout in _LAYOUTS.items():
        if (folder / name).is_file():
            return folder / name, layout
    raise FileNotFoundError(
        f"neither batches.meta (CIFAR-10) nor meta (CIFAR-100) is in {path}; set "
        f"config.data.path to a folder with {_HOLDS}"
    )


class _ArrayUnpickler(pickle.Unpickler):
    """Refuses every global but those that rebuild a numpy array."""

    def find_class(self, module: str, name: str):
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _unpickle(file: pathlib.Path) -> dict:
    """Reads one batch; its strings, written by Python 2, stay bytes."""
    if not file.is_file():
        raise FileNotFoundError(
            f"{file.name} is not in {file.parent}; copy it there or download the "
            "whole folder again"
        )
    try:
        with file.open("rb") as opened:
            batch = _ArrayUnpickler(opened, encoding="bytes").load()
    # A damaged pickle fails in any of its instructions, with the error of that one.
    except Exception as error:
        raise ValueError(
            f"{file} is not a readable CIFAR batch ({error}); download it again"
        ) from error
    return batch if isinstance(batch, dict) else {}


def _field(batch: dict, key: bytes, file: pathlib.Path):
    if key not in batch:
        raise ValueError(
            f"{file} must hold the field {key.decode()!r} of a CIFAR batch; download "
            "it again"
        )
    return batch[key]

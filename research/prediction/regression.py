"""Predicts numbers for the examples in .npy files, by a run's checkpoint."""

import argparse
import pathlib
from collections.abc import Iterable, Iterator

import numpy as np

from research.training import run as runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds no options: the input files say all."""
    del parser


def of_run(opened: runs.Run, options: argparse.Namespace) -> Iterator[dict]:
    """Yields {"file", "example", "prediction": [k numbers]} of each row of each file.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: no file was given, or one does not hold what the model reads.
    """
    experiment = opened.programs.experiment
    name = experiment.task.input
    feature = experiment.spec.features[name]
    shape = ", ".join(map(str, ("n", *feature.shape)))
    if not options.inputs:
        raise ValueError(f"predict needs .npy files of {name} ({shape}), got none")
    size = experiment.config.data.eval_batch_size
    for file in options.inputs:
        values = _read(pathlib.Path(file), feature.shape, f"{name} ({shape})")
        for first in range(0, len(values), size):
            part = values[first : first + size]
            padded = np.zeros((size, *feature.shape), feature.dtype)
            padded[: len(part)] = part
            found = opened.programs.predict(opened.state, {name: padded})
            for row, prediction in enumerate(found["prediction"][: len(part)]):
                yield {
                    "file": file,
                    "example": first + row,
                    "prediction": [float(value) for value in prediction],
                }


def show(rows: Iterable[dict], options: argparse.Namespace) -> None:
    """Prints a line per example."""
    for row in rows:
        told = " ".join(f"{value:.6g}" for value in row["prediction"])
        print(f"{row['file']}[{row['example']}]: {told}")


def _read(file: pathlib.Path, shape: tuple[int, ...], holds: str) -> np.ndarray:
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}; correct the path")
    try:
        values = np.load(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"{file} is no .npy file ({error}); write it with numpy.save"
        ) from error
    found = getattr(values, "shape", "an archive of arrays")
    if found[1:] != shape:
        raise ValueError(f"{file} must hold {holds}, got {found}; reshape it")
    if not np.issubdtype(values.dtype, np.number):
        raise ValueError(f"{file} must hold numbers, got {values.dtype}; convert it")
    return values

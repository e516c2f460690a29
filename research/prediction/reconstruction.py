"""Codes, reconstructions and errors of what a user gives an autoencoder.

… some.png a_folder/          images, resized as the run's own
… table.npz                   the array of the run's input feature, (n, ...)
… series.csv                  for runs on windows: an answer per row, whose error is the
                              mean of the windows that hold it; --picture draws it
… --to=codes.npz              arrays code, reconstruction and error of all of them
… --picture=answer.png        inputs above their reconstructions
… --quantile=0.99             verdict: an error above that of 99 % of the normal
                              validation examples is an anomaly
"""

import argparse
import pathlib
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import jax
import numpy as np

from research.data import images
from research.prediction import classification
from research.reports import reconstruction as report
from research.reports import series, strips
from research.tasks import comparing
from research.training import run as runs

_DRAWN = 16  # examples in a picture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of reconstruction."""
    parser.add_argument("--to", help="NPZ to write: code, reconstruction, error")
    parser.add_argument("--picture", help="PNG to write: inputs and reconstructions")
    parser.add_argument(
        "--quantile", type=float, help="verdict at this quantile of normal errors"
    )


def of_run(opened: runs.Run, options: argparse.Namespace) -> Iterator[dict]:
    """Yields {"input", "error", "code", and "verdict" where one is asked for}.

    There is a verdict with --quantile, and for runs on normal examples and anomalies,
    by the quantile of their task.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: an option, or a file of another form than the run's data.
    """
    check_files(options)
    limit = _limit(opened, options.quantile)
    if any(name.endswith(".csv") for name in options.inputs):
        return series.rows(opened, options, limit, predicted)
    return _rows(opened, read(opened, options.inputs), limit, options)


def show(rows: Iterable[dict], options: argparse.Namespace) -> None:
    """Prints a line per example."""
    for row in rows:
        line = f"{row['input']}: error {row['error']:.5g}"
        if "verdict" in row:
            line += f"  {row['verdict']}"
        if "code" in row:
            line += "  code " + " ".join(f"{value:.3g}" for value in row["code"][:8])
            line += " …" if len(row["code"]) > 8 else ""
        print(line)
    for name in ("to", "picture"):
        if getattr(options, name):
            print(f"written: {getattr(options, name)}")


def check_files(options: argparse.Namespace, **others: str) -> None:
    """Checks the names of the files to write: --to, --picture and others.

    Args:
      options: what was typed.
      others: the ending of each other option that names a file.

    Raises:
      ValueError: one ends otherwise than it should.
    """
    for name, suffix in {"to": ".npz", "picture": ".png", **others}.items():
        value = getattr(options, name)
        if value and pathlib.Path(value).suffix.lower() != suffix:
            raise ValueError(f"--{name}={value} must end in {suffix}; name such a file")


@dataclass
class Inputs:
    """What a user gave.

    Attributes:
      names: one per example.
      feature: name of the input.
      stored: (n, ...) as the data source would give it.
    """

    names: list[str]
    feature: str
    stored: np.ndarray


def read(opened: runs.Run, files: Sequence[str]) -> Inputs:
    """Reads the user's files in the form of the run's data.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: no file, or one of another form.
    """
    experiment = opened.programs.experiment
    feature = experiment.task.input
    form = experiment.spec.features[feature]
    if not files:
        raise ValueError("predict needs files of the run's kind of data, got none")
    names, parts = [], []
    for name in classification.list_files(files):
        if name.suffix == ".npz":
            part = _read_npz(name, feature, form)
            names += [f"{name}:{number}" for number in range(len(part))]
        else:
            part = _read_image(name, form, experiment.config.data)[None]
            names.append(str(name))
        parts.append(part)
    return Inputs(names, feature, np.concatenate(parts))


def predicted(opened: runs.Run, given: Inputs) -> dict[str, np.ndarray]:
    """Applies the network to all that was given, a batch at a time."""
    stored, most = given.stored, opened.programs.experiment.config.data.eval_batch_size
    size = min(most, len(stored))
    shares = opened.programs.mesh.size
    size = -(-size // shares) * shares
    experiment, parts = opened.programs.experiment, []
    task = getattr(experiment.task, "without_estimate", lambda: experiment.task)()
    apply = jax.jit(lambda state, x: task.predict(state, experiment.preprocess(x)))
    for first in range(0, len(stored), size):
        part = stored[first : first + size]
        filled = np.concatenate([part, part[:1].repeat(size - len(part), axis=0)])
        batch = {given.feature: filled}
        answer = {k: np.asarray(v) for k, v in apply(opened.state, batch).items()}
        parts.append({name: value[: len(part)] for name, value in answer.items()})
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


def _rows(opened, given: Inputs, limit: float | None, options) -> Iterator[dict]:
    answer = predicted(opened, given)
    if options.to:
        kept = ("code", "reconstruction", "error")
        np.savez(options.to, **{name: answer[name] for name in kept})
    if options.picture:
        _draw(opened, given, answer, pathlib.Path(options.picture))
    flat = answer["code"].reshape(len(given.names), -1)
    for name, error, code in zip(given.names, answer["error"], flat, strict=True):
        row = {"input": name, "error": float(error), "code": code.tolist()}
        if limit is not None:
            row["verdict"] = comparing.CLASSES[int(error > limit)]
        yield row


def _limit(opened: runs.Run, quantile: float | None) -> float | None:
    experiment = opened.programs.experiment
    if quantile is None:
        if experiment.spec.class_names != comparing.CLASSES:
            return None
        quantile = experiment.task.quantile
    comparing.check_quantile(quantile)
    return report.threshold(opened.folder, quantile)


def _draw(opened, given: Inputs, answer, file: pathlib.Path) -> None:
    config = opened.programs.experiment.config
    if given.feature != "image":
        raise ValueError("--picture draws images, which this run has none of; leave it")
    original = report.pixels_of(config.to_dict(), given.stored[:_DRAWN])
    made = strips.to_pixels(
        answer["reconstruction"][:_DRAWN], config.data.mean, config.data.std
    )
    strips.write(file, [("input", original), ("reconstruction", made)])


def _read_image(file: pathlib.Path, form, data) -> np.ndarray:
    if len(form.shape) != 3 or form.dtype != "uint8":
        raise ValueError(
            f"{file} is no .npz file, but the run was trained on {form.shape} "
            f"{form.dtype}, not on images; save yours with numpy.savez"
        )
    height, width, channels = form.shape
    rule = {key: data[key] for key in ("resize", "interpolation") if key in data}
    picture = images.open_image(str(file), channels)
    return images.to_array(images.fit(picture, (height, width), **rule))


def _read_npz(file: pathlib.Path, feature: str, form) -> np.ndarray:
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}; correct its name")
    try:
        if not zipfile.is_zipfile(file):
            raise zipfile.BadZipFile("it is not a zip archive")
        with np.load(file, allow_pickle=False) as arrays:
            found = arrays[feature] if feature in arrays.files else None
            known = ", ".join(arrays.files)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(
            f"{file} is not a readable .npz file of numbers ({error}); write it with "
            "numpy.savez"
        ) from error
    if found is None:
        raise ValueError(
            f"{file} has no array {feature!r}, which the run reads; it has: {known}"
        )
    if feature == "image" and found.ndim == 3:
        found = found[..., None]
    if found.shape[1:] != form.shape or str(found.dtype) != form.dtype:
        raise ValueError(
            f"array {feature!r} of {file} must hold examples {form.shape} {form.dtype} "
            f"as the run's data does, got {found.shape[1:]} {found.dtype}; convert it"
        )
    if not len(found):
        raise ValueError(f"array {feature!r} of {file} holds no examples; add some")
    return found

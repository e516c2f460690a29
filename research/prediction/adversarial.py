"""Images that a generator makes of noise.

… --samples=64 --seed=3 --picture=samples.png    a grid of them
… --samples=64 --to=samples.npz                  the array `sample`, (64, h, w, c)
… --truncation=0.7                               less variety, more typical images
… --label=3                                      of one class, where there are classes
… --interpolation=strip.png                      from one point of the noise to another
… --mixing=table.png       rows' coarse styles with columns' fine ones (stylegan2)
… --progress=training.gif  the same noise over training, a frame per evaluation
"""

import argparse
import pathlib
from collections.abc import Iterable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from research.data import preprocess
from research.models import kernels
from research.prediction import reconstruction
from research.reports import progress, strips
from research.training import run as runs

_STAGES, _ROWS = 16, 6  # images of an interpolation, and interpolations
_TABLE = 8  # rows and columns of mixed styles
_CHUNK, _PIXELS = 250, 2**22  # images made at once, and pixels of them, at most


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of generators."""
    parser.add_argument("--samples", type=int, default=64, help="images to make")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    parser.add_argument(
        "--truncation", type=float, default=1.0, help="scale of the noise, 0..1"
    )
    parser.add_argument("--label", type=int, help="class of all images")
    parser.add_argument("--picture", help="PNG with the images")
    parser.add_argument(
        "--to", help="file .npz for the images as the network made them"
    )
    parser.add_argument("--interpolation", help="PNG with walks between two draws")
    parser.add_argument("--mixing", help="PNG with mixed styles")
    parser.add_argument("--progress", help="GIF of the same noise over training")


def of_run(opened: runs.Run, options: argparse.Namespace) -> Iterator[dict]:
    """Yields {"sample": number} of each image, once all files are written.

    Raises:
      ValueError: an option out of range.
    """
    _check(opened, options)
    return _made(opened, options)


def show(rows: Iterable[dict], options: argparse.Namespace) -> None:
    """Prints how many images were made, and where they are."""
    print(f"made: {len(list(rows))}")
    for name in ("to", "picture", "interpolation", "mixing", "progress"):
        if getattr(options, name):
            print(f"written: {getattr(options, name)}")


def draw(
    opened: runs.Run, count: int, seed: int, *, truncation: float = 1.0
) -> Iterator[dict[str, np.ndarray]]:
    """Yields batches of `count` images in all, of all classes in turn.

    Returns:
      image (n, h, w, c) uint8; label (n,) int where the generator is told one.
    """
    data = opened.programs.experiment.config.data
    classes, first = opened.programs.experiment.task.model.classes, 0
    for made in _images(opened, count, seed, truncation):
        batch = {"image": np.asarray(preprocess.to_pixels(made, data.mean, data.std))}
        if classes:
            batch["label"] = (first + np.arange(len(made))) % classes
        first += len(made)
        yield batch


def _images(opened, count, seed, truncation=1.0, label=None) -> Iterator[np.ndarray]:
    """Yields images as the network makes them."""
    experiment = opened.programs.experiment
    task, shape = experiment.task, experiment.input_shape()
    key = kernels.key(seed)
    size = max(1, min(count, _CHUNK, _PIXELS // (shape[0] * shape[1])))

    @jax.jit
    def make(state, start):
        number = start + jnp.arange(size)
        chosen = number % max(1, task.model.classes) if label is None else label
        chosen = jnp.broadcast_to(chosen, (size,))
        z = task.game.noise(key, size, start)
        return task.generate(state, z, shape, chosen, truncation)

    for start in range(0, count, size):
        yield np.asarray(make(opened.state, start))[: count - start]


def _made(opened: runs.Run, options) -> Iterator[dict]:
    data = opened.programs.experiment.config.data
    made = np.concatenate(
        list(
            _images(
                opened, options.samples, options.seed, options.truncation, options.label
            )
        )
    )
    if options.to:
        np.savez(options.to, sample=made)
    if options.picture:
        pixels = strips.to_pixels(made, data.mean, data.std)
        strips.write(pathlib.Path(options.picture), strips.grid(pixels))
    if options.interpolation:
        rows = [("", row) for row in _walks(opened, options)]
        strips.write(pathlib.Path(options.interpolation), rows)
    if options.mixing:
        strips.write(pathlib.Path(options.mixing), _mixed(opened, options))
    if options.progress:
        progress.write(pathlib.Path(options.progress), opened.folder)
    for number in range(len(made)):
        yield {"sample": number}


def _walks(opened: runs.Run, options) -> Iterator[np.ndarray]:
    """Yields rows of images between two draws each, on the arc that joins them."""
    experiment = opened.programs.experiment
    task, shape = experiment.task, experiment.input_shape()
    data = experiment.config.data
    ends = np.asarray(task.game.noise(kernels.key(options.seed), 2 * _ROWS))
    label = np.zeros(_STAGES, np.int32) + (options.label or 0)
    make = jax.jit(
        lambda state, z: task.generate(state, z, shape, label, options.truncation)
    )
    for a, b in zip(ends[::2], ends[1::2], strict=True):
        z = arc(a, b, np.linspace(0, 1, _STAGES))
        yield strips.to_pixels(np.asarray(make(opened.state, z)), data.mean, data.std)


def _mixed(opened: runs.Run, options) -> list[tuple[str, np.ndarray]]:
    """Makes rows whose first half of the layers is the row's, the rest the column's."""
    experiment = opened.programs.experiment
    task, shape = experiment.task, experiment.input_shape()
    data = experiment.config.data
    z = task.game.noise(kernels.key(options.seed), _TABLE)
    label = jnp.full(_TABLE, options.label or 0)

    @jax.jit
    def make(state):
        return task.apply(state, "mix", z, shape, label, truncation=options.truncation)

    rows = strips.to_pixels(np.asarray(make(opened.state)), data.mean, data.std)
    return [
        (f"coarse styles {k}", row)
        for k, row in enumerate(rows.reshape(_TABLE, _TABLE, *shape), 1)
    ]


def arc(a: np.ndarray, b: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Interpolates on the sphere (Shoemake 1985): normal draws keep their length.

    Args:
      a, b: (d,) ends.
      shares: (n,) of the way from a to b, in [0, 1].

    Returns:
      (n, d) float32.
    """
    cosine = a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-12)
    angle = np.arccos(np.clip(cosine, -1, 1))
    if np.sin(angle) < 1e-6:
        return ((1 - shares)[:, None] * a + shares[:, None] * b).astype(np.float32)
    weights = np.sin(np.stack([1 - shares, shares]) * angle) / np.sin(angle)
    return (weights.T @ np.stack([a, b])).astype(np.float32)


def _check(opened: runs.Run, options) -> None:
    if options.inputs:
        raise ValueError(
            f"a generator reads no files, got {options.inputs}; leave them out"
        )
    reconstruction.check_files(
        options, interpolation=".png", mixing=".png", progress=".gif"
    )
    if options.samples < 1:
        raise ValueError(
            f"--samples={options.samples} must be at least 1; say how many images"
        )
    if not 0 <= options.truncation <= 1:
        raise ValueError(
            f"--truncation={options.truncation} must be in 0..1; 1 leaves the noise "
            "as it is"
        )
    model = opened.programs.experiment.task.model
    if options.mixing and not hasattr(model, "styles"):
        raise ValueError(
            "--mixing needs a generator with styles, such as stylegan2, got "
            f"{type(model).__name__}; leave it out"
        )
    classes = model.classes
    if options.label is not None and not 0 <= options.label < classes:
        legal = f"use 0 to {classes - 1}" if classes else "leave it out"
        raise ValueError(
            f"--label={options.label} is not one of the {classes} classes that the "
            f"generator was conditioned on; {legal}"
        )

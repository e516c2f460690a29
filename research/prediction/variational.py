"""Codes, reconstructions and errors of a user's examples; draws from the prior.

… some.png table.npz          as for an autoencoder: --to, --picture, --quantile
… --samples=64 --picture=samples.png      draws; --draw-seed chooses them
… --samples=64 --to=samples.npz           the array `sample`, (64, ...)
"""

import argparse
import pathlib
from collections.abc import Iterable, Iterator

import jax
import numpy as np

from research.prediction import reconstruction
from research.reports import strips
from research.training import run as runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of variational autoencoders."""
    reconstruction.add_arguments(parser)
    parser.add_argument("--samples", type=int, default=0, help="draws from the prior")
    parser.add_argument("--draw-seed", type=int, default=0, help="of the draws")


def of_run(opened: runs.Run, options: argparse.Namespace) -> Iterator[dict]:
    """Yields the rows of an autoencoder, or {"sample": number, "code"} of each draw.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: an option, or a file of another form than the run's data.
    """
    if not options.samples:
        return reconstruction.of_run(opened, options)
    reconstruction.check_files(options)
    if options.samples < 1 or options.inputs:
        raise ValueError(
            f"--samples={options.samples} draws that many examples, >= 1, and takes no "
            f"files, got {options.inputs}; give one or the other"
        )
    if options.draw_seed < 0:
        raise ValueError(
            f"--draw-seed must be at least 0, got {options.draw_seed}; raise it"
        )
    return _drawn(opened, options)


def show(rows: Iterable[dict], options: argparse.Namespace) -> None:
    """Prints a line per example, or what was drawn."""
    if not options.samples:
        reconstruction.show(rows, options)
        return
    count = len(list(rows))
    print(f"drawn: {count}")
    for name in ("to", "picture"):
        if getattr(options, name):
            print(f"written: {getattr(options, name)}")


def _drawn(opened: runs.Run, options) -> Iterator[dict]:
    experiment = opened.programs.experiment
    task, config = experiment.task, experiment.config
    shape = experiment.input_shape()
    rng = np.random.default_rng(options.draw_seed)
    z = rng.normal(size=(options.samples, task.model.latent)).astype(np.float32)
    decode = jax.jit(lambda state, z: task.decode(state, z, shape))
    made = np.asarray(decode(opened.state, z))
    if options.to:
        np.savez(options.to, sample=made, code=z)
    if options.picture:
        if task.input != "image":
            raise ValueError(
                "--picture draws images, which this run has none of; leave it out"
            )
        pixels = strips.to_pixels(made, config.data.mean, config.data.std)
        strips.write(pathlib.Path(options.picture), strips.grid(pixels))
    for number, code in enumerate(z):
        yield {"sample": number, "code": code.tolist()}

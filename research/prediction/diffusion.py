"""Draws examples from a diffusion model, completes and changes a user's images.

… --samples=64 --picture=samples.png       --to=samples.npz: arrays sample and label
… --steps=50 --sampler=ddim --eta=0        as the run's task says, where left out
… --label=7 --guidance=2                   by label or class name; without --label the
                                           classes take turns
… --strip --samples=4 --picture=strip.png  the estimates on the way to each sample
… --over-training --samples=8 --picture=…  the same draws by each checkpoint kept
… some.png --strength=0.6                  begins with noise added to the image
… some.png --box=4,4,20,24                 draws the box x0,y0,x1,y1 (pixels) anew
"""

import argparse
import pathlib
from collections.abc import Iterable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from research.models import kernels
from research.prediction import reconstruction
from research.reports import strips
from research.tasks import drawing, samplers
from research.training import checkpoint
from research.training import run as runs

_HOW = ("steps", "sampler", "eta", "guidance")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of diffusion."""
    parser.add_argument("--samples", type=int, default=0, help="images to draw")
    parser.add_argument("--steps", type=int, help="of the sampler")
    parser.add_argument("--sampler", help=", ".join(samplers.NAMES))
    parser.add_argument("--eta", type=float, help="noise of ddim, 0..1")
    parser.add_argument("--guidance", type=float, help="1: the conditional model")
    parser.add_argument("--label", help="class name or number, for all images")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    parser.add_argument("--to", help="NPZ to write: sample (uint8), label")
    parser.add_argument("--picture", help="PNG to write: a grid of them")
    parser.add_argument("--strip", action="store_true", help="show the way to each")
    parser.add_argument(
        "--over-training", action="store_true", help="a row for each checkpoint"
    )
    parser.add_argument(
        "--strength", type=float, default=1.0, help="of the noise on images, 0..1"
    )
    parser.add_argument("--box", help="x0,y0,x1,y1: part of images to draw anew")


def of_run(opened: runs.Run, options: argparse.Namespace) -> Iterator[dict]:
    """Yields {"sample": number, "label"} of each image that is drawn.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: an option is not legal, or contradicts another.
    """
    reconstruction.check_files(options)
    how = sampling(opened, **{name: getattr(options, name) for name in _HOW})
    opened.programs.experiment.task.check(how)
    changes = bool(options.box) or options.strength != 1
    if not options.inputs and (options.samples < 1 or changes):
        raise ValueError(
            f"--samples={options.samples} must be at least 1 where no image is given, "
            "and --strength and --box need images; give --samples=64 or an image"
        )
    if not 0 < options.strength <= 1:
        raise ValueError(f"--strength={options.strength} must be in 0..1, above 0")
    if options.inputs and options.samples:
        raise ValueError(
            f"--samples={options.samples} draws from noise alone, got images as well; "
            "leave one out (each image is drawn once)"
        )
    if options.inputs and not changes:
        raise ValueError(
            f"{options.inputs[0]} needs --strength below 1 or --box, which say what is "
            "to be drawn; give one"
        )
    return _rows(opened, options, how)


def of_weights(options: argparse.Namespace) -> Iterator[dict]:
    """Refuses: published networks draw what an autoencoder has yet to decode.

    Raises:
      ValueError: always.
    """
    raise ValueError(
        f"--weights={options.weights}: published diffusion networks draw by "
        "research.weights.load and the samplers only; give the --workdir of a run"
    )


def show(rows: Iterable[dict], options: argparse.Namespace) -> None:
    """Prints how many were drawn, and where to."""
    print(f"drawn: {len(list(rows))}")
    for name in ("to", "picture"):
        if getattr(options, name):
            print(f"written: {getattr(options, name)}")


def sampling(
    opened: runs.Run,
    *,
    steps: int | None = None,
    sampler: str | None = None,
    eta: float | None = None,
    guidance: float | None = None,
) -> drawing.Sampling:
    """Chooses how to draw: what is left out is as the run's task has it."""
    usual = opened.programs.experiment.task.sampling
    sampler = sampler or usual.sampler
    if eta is None:
        eta = usual.eta if sampler == usual.sampler else 0.0
    steps = usual.steps if steps is None else steps
    guidance = usual.guidance if guidance is None else guidance
    return drawing.Sampling(sampler, steps, eta, guidance)


def draw(
    opened: runs.Run,
    count: int,
    seed: int,
    *,
    steps: int | None = None,
    sampler: str | None = None,
    guidance: float | None = None,
) -> Iterator[dict[str, np.ndarray]]:
    """Yields what `images` returns of `count` images, of all classes in turn."""
    how = sampling(opened, steps=steps, sampler=sampler, guidance=guidance)
    opened.programs.experiment.task.check(how)
    yield images(opened, count, how=how, seed=seed)


def images(
    opened: runs.Run,
    count: int,
    *,
    how: drawing.Sampling | None = None,
    labels: np.ndarray | None = None,
    seed: int = 0,
    start: drawing.Start | None = None,
    way: bool = False,
) -> dict[str, np.ndarray]:
    """Draws images with a run's averaged parameters, a batch at a time.

    Args:
      opened: the run.
      count: of the images.
      how: sampler, steps, eta, guidance; None: as the run's task says.
      labels: (count,) int; None: the classes take turns. Not read by a model without.
      seed: of all noise: equal seeds draw equal images.
      start: what to start from, `given` (count, h, w, c); None: noise.
      way: also return the estimates on the way.

    Returns:
      image (count, h, w, c) uint8; label (count,) int32 where the model has classes;
      with `way` also way (count, steps, h, w, c) uint8.
    """
    experiment = opened.programs.experiment
    task, data = experiment.task, experiment.config.data
    shape = experiment.input_shape()
    size = min(count, data.eval_batch_size)
    turns = np.arange(count) % max(task.classes, 1)
    labels = np.asarray(turns if labels is None else labels, np.int32)

    @jax.jit
    def batch(state, key, label, given, mask):
        begin = start and drawing.Start(given, mask, start.strength)
        label = label if task.classes else None
        made, seen = task.sample(
            state, key, (size, *shape), label, sampling=how, start=begin
        )
        return made, jnp.moveaxis(seen, 0, 1) if way else None

    def rows(array, first):
        part = array[first : first + size]
        return np.concatenate([part, part[:1].repeat(size - len(part), axis=0)])

    parts = []
    for first in range(0, count, size):
        key = jax.random.fold_in(kernels.key(seed), first)
        given = mask = None
        if start is not None:
            given, mask = rows(start.given, first), start.mask
        parts.append(batch(opened.state, key, rows(labels, first), given, mask))

    def pixels(arrays):
        joined = np.concatenate([np.asarray(a) for a in arrays])[:count]
        return strips.to_pixels(joined, data.mean, data.std)

    found = {"image": pixels(made for made, _ in parts)}
    found |= {"label": labels} if task.classes else {}
    return found | ({"way": pixels(seen for _, seen in parts)} if way else {})


def _rows(opened: runs.Run, options, how) -> Iterator[dict]:
    names, start = [], None
    count = options.samples
    if options.inputs:
        given = reconstruction.read(opened, options.inputs)
        start, names, count = (
            _start(opened, given, options),
            given.names,
            len(given.names),
        )
    labels = _labels(opened, options.label, count)
    fields = dict(how=how, labels=labels, seed=options.seed, start=start)
    if options.over_training:
        rows = _over_training(opened, count, fields)
        found = images(opened, count, **fields)
    else:
        found = images(opened, count, **fields, way=options.strip)
        rows = _grid(found, options.strip)
        if start is not None:
            shown = np.asarray(start.given)[: strips.COLUMNS]
            data = opened.programs.experiment.config.data
            rows = [("given", strips.to_pixels(shown, data.mean, data.std)), *rows]
    if options.picture:
        strips.write(pathlib.Path(options.picture), rows)
    if options.to:
        arrays = {"label": found["label"]} if "label" in found else {}
        np.savez(options.to, sample=found["image"], **arrays)
    classes = opened.programs.experiment.spec.class_names
    for number in range(count):
        row = {"sample": names[number] if names else number}
        if "label" in found:
            label = int(found["label"][number])
            row["label"] = classes[label] if label < len(classes) else "any"
        yield row


def _grid(found, strip: bool) -> list[tuple[str, np.ndarray]]:
    if strip:
        shown = np.linspace(0, found["way"].shape[1] - 1, strips.COLUMNS - 1).astype(
            int
        )
        return [
            (f"sample {n}", np.concatenate([way[np.unique(shown)], image[None]]))
            for n, (way, image) in enumerate(
                zip(found["way"], found["image"], strict=True)
            )
        ]
    return strips.grid(found["image"])


def _over_training(opened: runs.Run, count: int, fields) -> list:
    """Draws the same with every checkpoint that the run still has."""
    folder, config = opened.folder, opened.programs.experiment.config
    rows = []
    for step in checkpoint.steps(folder):
        then = runs.open_run(folder, config, str(step))
        rows.append((f"step {step:,}", images(then, count, **fields)["image"]))
    return rows


def _labels(opened: runs.Run, asked: str | None, count: int) -> np.ndarray | None:
    experiment = opened.programs.experiment
    if asked is None:
        return None
    classes, names = experiment.task.classes, list(experiment.spec.class_names)
    if not classes:
        raise ValueError(
            f"--label={asked} needs a model with classes, which this run has not; "
            "leave it out"
        )
    if asked in names:
        return np.full(count, names.index(asked))
    if not asked.isdecimal() or int(asked) >= classes:
        legal = ", ".join(names) if names else f"0 to {classes - 1}"
        raise ValueError(f"unknown --label={asked}; use one of {legal}")
    return np.full(count, int(asked))


def _start(opened: runs.Run, given: reconstruction.Inputs, options) -> drawing.Start:
    experiment = opened.programs.experiment
    prepared = experiment.preprocess({given.feature: given.stored})[given.feature]
    mask = None
    if options.box:
        mask = _mask(options.box, prepared.shape[1:3], experiment.config.data.pad)
    return drawing.Start(np.asarray(prepared), mask, options.strength)


def _mask(box: str, sides: tuple[int, int], pad: int) -> np.ndarray:
    height, width = sides
    parts = box.split(",")
    numbers = [int(part) for part in parts if part.strip().isdecimal()]
    x0, y0, x1, y1 = numbers if len(numbers) == len(parts) == 4 else (0, 0, 0, 0)
    if not (x0 < x1 <= width - 2 * pad and y0 < y1 <= height - 2 * pad):
        raise ValueError(
            f"--box={box} must be x0,y0,x1,y1 in pixels with x0 < x1 <= "
            f"{width - 2 * pad} and y0 < y1 <= {height - 2 * pad}; correct it"
        )
    mask = np.ones((height, width, 1), np.float32)
    mask[y0 + pad : y1 + pad, x0 + pad : x1 + pad] = 0
    return mask

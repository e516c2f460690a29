"""Names what image files show, by a run's checkpoint or by published weights.

Files are PNG, JPEG, WebP or BMP; each is resized as the network's evaluation does. Of
sounds they are WAV, FLAC or Ogg, see `research.prediction.sounds`.
"""

import argparse
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import jax
import numpy as np
from PIL import Image

from research import weights
from research.data import images
from research.data import sounds as sound_files
from research.prediction import sounds
from research.reports import predictions
from research.training import run as runs

_BATCH = 32  # of published weights, which no config goes with


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of image and sound classification."""
    parser.add_argument("--top", type=int, default=5, help="classes shown per file")
    parser.add_argument(
        "--class-names", help="file of names, where the weights have none"
    )
    parser.add_argument("--picture", help="PNG to write: the inputs and their classes")
    parser.add_argument(
        "--hop", type=float, help="seconds between windows of a long sound"
    )


def of_run(opened: runs.Run, options: argparse.Namespace) -> Iterator[dict]:
    """Yields {"file", "classes": [{"class", "probability"}, …]} of each input.

    The rows of a run on sounds hold more, see `research.prediction.sounds.rows`.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: an option, or a file that is no image or no sound.
    """
    _check(options)
    if options.class_names:
        raise ValueError("--class-names goes with --weights; a run knows its classes")
    spec = opened.programs.experiment.spec
    if "audio" in spec.features and spec.class_names:
        files = list_files(options.inputs, sound_files.EXTENSIONS, "sound")
        return sounds.rows(sounds.run_listener(opened), files, options)
    if options.hop is not None:
        raise ValueError(
            "--hop goes with sounds, but the network reads none; leave it out"
        )
    return _rows(run_classifier(opened), options)


def of_weights(options: argparse.Namespace) -> Iterator[dict]:
    """Yields the rows of `of_run`, with published weights."""
    _check(options)
    found = weights.describe(options.weights, class_names=options.class_names)
    if hasattr(found.build(), "samples"):
        files = list_files(options.inputs, sound_files.EXTENSIONS, "sound")
        return sounds.rows(sounds.published_listener(found), files, options)
    if options.hop is not None:
        raise ValueError(
            "--hop goes with sounds, but the network reads none; leave it out"
        )
    classifier = published_classifier(options.weights, options.class_names)
    return _rows(classifier, options)


def show(rows: Iterable[dict], options: argparse.Namespace) -> None:
    """Prints a line per file, and one per window of a long sound."""
    for row in rows:
        best = "  ".join(f"{c['class']} {c['probability']:.1%}" for c in row["classes"])
        print(f"{row['file']}: {best}")
        for note in row.get("notes", ()):
            print(f"  note: {note}")
        for window in row.get("windows", ()):
            span = f"{window['start']:.2f}-{window['stop']:.2f} s"
            print(f"  {span}: {window['class']} {window['probability']:.1%}")
    if options.picture:
        print(f"picture: {options.picture}")


def _check(options) -> None:
    if options.top < 1:
        raise ValueError(f"--top must be at least 1, got {options.top}; use 5")
    if not options.inputs:
        raise ValueError("predict needs files or folders of them, got none")
    if options.picture and pathlib.Path(options.picture).suffix.lower() != ".png":
        raise ValueError(
            f"--picture={options.picture} must end in .png; name a PNG file"
        )


def _rows(classifier, options) -> Iterator[dict]:
    files, rows = list_files(options.inputs), []
    for file, p in zip(files, classifier(files), strict=True):
        best = np.argsort(-p, kind="stable")[: options.top]
        names = classifier.class_names
        classes = [{"class": names[i], "probability": float(p[i])} for i in best]
        rows.append({"file": str(file), "classes": classes})
        yield rows[-1]
    if options.picture:
        predictions.write_sheet(
            pathlib.Path(options.picture),
            [images.open_image(row["file"], channels=3) for row in rows],
            [pathlib.Path(row["file"]).name for row in rows],
            [[(c["class"], c["probability"]) for c in row["classes"]] for row in rows],
        )


def list_files(
    inputs: Sequence[str],
    suffixes: tuple[str, ...] = images.EXTENSIONS,
    what: str = "image",
) -> list[pathlib.Path]:
    """Lists the files, folders opened, in a stable order."""
    files = []
    for name in inputs:
        path = pathlib.Path(name)
        if path.is_dir():
            inside = sorted(f for f in path.rglob("*") if f.suffix.lower() in suffixes)
            if not inside:
                kinds = ", ".join(suffixes)
                raise ValueError(f"{name} holds no {what} file; give {kinds} files")
            files += inside
        else:
            files.append(path)
    return files


@dataclass(frozen=True)
class Classifier:
    """Pictures in, probabilities out.

    Attributes:
      class_names: k names.
      prepare: picture -> (h, w, c), as the network's own preprocessing makes it.
      classify: (b, h, w, c) -> (b, k) probabilities; b is `batch` always.
      batch: pictures per call.
      channels: 1 (grey) or 3 (RGB), of the pictures that `prepare` takes.
    """

    class_names: tuple[str, ...]
    prepare: Callable[[Image.Image], np.ndarray]
    classify: Callable[[np.ndarray], np.ndarray]
    batch: int
    channels: int

    def __call__(self, files: Sequence[pathlib.Path]) -> Iterator[np.ndarray]:
        """Yields (k,) probabilities of each file, holding one batch at a time.

        Raises:
          FileNotFoundError: there is no such file.
          ValueError: a file is not a readable image.
        """
        size = min(
            self.batch, -(-len(files) // jax.device_count()) * jax.device_count()
        )
        for first in range(0, len(files), size):
            part = files[first : first + size]
            pixels = [self.prepare(images.open_image(f, self.channels)) for f in part]
            pixels += [np.zeros_like(pixels[0])] * (size - len(part))
            yield from self.classify(np.stack(pixels))[: len(part)]


def run_classifier(opened: runs.Run) -> Classifier:
    """Classifies as a run does.

    Raises:
      ValueError: the run does not classify images.
    """
    experiment = opened.programs.experiment
    spec, data = experiment.spec, experiment.config.data
    if "image" not in spec.features or not spec.class_names:
        raise ValueError(
            f"{opened.folder} was trained on {', '.join(spec.features)}, not on images "
            "or sounds with classes; predict takes files of those"
        )
    height, width, channels = spec.features["image"].shape
    rule = {key: data[key] for key in ("resize", "interpolation") if key in data}

    def prepare(picture: Image.Image) -> np.ndarray:
        return images.to_array(images.fit(picture, (height, width), **rule))

    def classify(pixels: np.ndarray) -> np.ndarray:
        return opened.programs.predict(opened.state, {"image": pixels})["probability"]

    batch = data.eval_batch_size
    return Classifier(spec.class_names, prepare, classify, batch, channels)


def published_classifier(name: str, class_names: str | None = None) -> Classifier:
    """Classifies as a published network does, with the preprocessing it states.

    Args:
      name: short name, repository, file or folder; see `research.weights.describe`.
      class_names: file with the names, where the weights have none.

    Raises:
      FileNotFoundError, ValueError: as `research.weights.describe` and `load`; or the
        weights read no images, have no classifier, or state no preprocessing.
    """
    found = weights.describe(name, class_names=class_names)
    if found.image_size is None:
        raise ValueError(
            f"{found.source} holds a {found.architecture} that reads no images; apply "
            "it with research.weights.load"
        )
    if not found.num_classes:
        raise ValueError(
            f"{found.source} holds no classifier; train one with "
            f"--config.init.weights={name}"
        )
    if found.preprocessing is None:
        raise ValueError(
            f"{found.source} states no preprocessing; bring its publisher's "
            "config.json or preprocessor_config.json beside it"
        )
    model = found.build()
    variables = jax.device_put(weights.read(found, model))
    apply = jax.jit(
        lambda variables, pixels: jax.nn.softmax(
            model.apply(variables, pixels, train=False)
        )
    )
    return Classifier(
        class_names=found.class_names or tuple(map(str, range(found.num_classes))),
        prepare=found.preprocessing,
        classify=lambda pixels: np.asarray(apply(variables, pixels)),
        batch=_BATCH,
        channels=found.channels,
    )

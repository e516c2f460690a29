"""Finds objects in image files, by a run's checkpoint or by published weights.

… photo.jpg folder/                the objects of each file
… --pictures=FOLDER                a copy of each with boxes, names and scores, as PNG
… --to=found.json                  COCO's JSON: images, annotations with scores,
                                   categories
"""

import argparse
import json
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import jax
import numpy as np
import optax
from PIL import Image

from research import weights
from research.data import images, objects, preprocess, source
from research.prediction import classification
from research.reports import drawn_boxes
from research.tasks import detection, gradient
from research.training import run as runs
from research.weights import preprocessing

_SHORTER, _LONGER = 800, 1333  # pixels of a picture's sides, of published detectors


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of detection."""
    parser.add_argument(
        "--threshold", type=float, help="least score shown; the run's by default"
    )
    parser.add_argument("--pictures", help="folder for copies with boxes, PNG")
    parser.add_argument("--to", help="JSON to write, in COCO's form")


def of_run(opened: runs.Run, options: argparse.Namespace) -> Iterator[dict]:
    """Yields {"file", "height", "width", "objects": [{"class", "score", "box"}, …]}.

    A box is [left, top, right, bottom] in pixels of the file's picture, upright.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: an option, or a file that is no image.
    """
    _check(options)
    return _rows(run_detector(opened), options)


def of_weights(options: argparse.Namespace) -> Iterator[dict]:
    """Yields the rows of `of_run`, with published weights."""
    _check(options)
    return _rows(published_detector(options.weights), options)


def show(rows: Iterable[dict], options: argparse.Namespace) -> None:
    """Prints a line per file: how many of each class, and the surest."""
    for row in rows:
        counts = {}
        for found in row["objects"]:
            counts[found["class"]] = counts.get(found["class"], 0) + 1
        told = "  ".join(f"{name} {n}" for name, n in sorted(counts.items()))
        best = max((f["score"] for f in row["objects"]), default=0)
        surest = f"  (highest score {best:.1%})" if told else ""
        print(f"{row['file']}: {told or 'nothing found'}{surest}")
    for name in ("pictures", "to"):
        if getattr(options, name):
            print(f"{name}: {getattr(options, name)}")


@dataclass(frozen=True)
class Detector:
    """Pictures in, boxes out.

    Attributes:
      class_names: k names.
      size: (height, width) that pictures are fitted into.
      detect: {"image" (b, h, w, 3) uint8, "size" (b, 2)} -> the task's predictions; b
        is `batch` always.
      batch: pictures per call.
      threshold: score from which on a box is shown.
    """

    class_names: tuple[str, ...]
    size: tuple[int, int]
    detect: Callable[[dict], dict]
    batch: int
    threshold: float

    def __call__(self, files: Sequence[pathlib.Path]) -> Iterator[tuple]:
        """Yields (picture, boxes (m, 4), scores (m,), labels (m,)) of each file.

        Raises:
          FileNotFoundError: there is no such file.
          ValueError: a file is not a readable image.
        """
        devices = jax.device_count()
        size = min(self.batch, -(-len(files) // devices) * devices)
        for first in range(0, len(files), size):
            part = [images.open_image(f, 3) for f in files[first : first + size]]
            batch = {
                "image": np.zeros((size, *self.size, 3), np.uint8),
                "size": np.ones((size, 2), np.int32),
            }
            for k, picture in enumerate(part):
                batch["image"][k], _ = objects.fit(picture, self.size)
                batch["size"][k] = picture.height, picture.width
            found = self.detect(batch)
            for k, picture in enumerate(part):
                yield (picture, *(found[n][k] for n in ("boxes", "scores", "labels")))


def run_detector(opened: runs.Run) -> Detector:
    """Detects as a run does."""
    experiment = opened.programs.experiment
    return Detector(
        class_names=experiment.spec.class_names,
        size=experiment.spec.features["image"].shape[:2],
        detect=lambda batch: opened.programs.predict(opened.state, batch),
        batch=experiment.config.data.eval_batch_size,
        threshold=experiment.task.threshold,
    )


@dataclass(frozen=True)
class PublishedDetector:
    """The same as its publisher prepares pictures: one by one, each in its own shape.

    Attributes:
      class_names: k names.
      multiple: that the sides of an image are rounded up to.
      detect: as of `Detector`, of one picture.
      threshold: score from which on a box is shown.
    """

    class_names: tuple[str, ...]
    multiple: int
    detect: Callable[[dict], dict]
    threshold: float

    def __call__(self, files: Sequence[pathlib.Path]) -> Iterator[tuple]:
        """Yields what `Detector` does; each new shape compiles the network anew."""
        for file in files:
            picture = images.open_image(file, 3)
            shape = _published_shape(picture.height, picture.width, self.multiple)
            image, _ = objects.fit(picture, shape)
            size = np.array([[picture.height, picture.width]], np.int32)
            found = self.detect({"image": image[None], "size": size})
            found = {name: np.asarray(found[name][0]) for name in found}
            yield picture, found["boxes"], found["scores"], found["labels"]


def _published_shape(height: int, width: int, multiple: int) -> tuple[int, int]:
    """Scales as DETR and torchvision do: shorter side 800, longer at most 1,333."""
    scale = min(_SHORTER / min(height, width), _LONGER / max(height, width))
    sides = (max(1, round(side * scale)) for side in (height, width))
    tall, wide = (-(-side // multiple) * multiple for side in sides)
    return tall, wide


def published_detector(name: str) -> PublishedDetector:
    """Detects as a published network does.

    Args:
      name: short name, repository, file or folder; see `research.weights.describe`.

    Raises:
      FileNotFoundError, ValueError: as `research.weights.describe` and `read`.
    """
    found = weights.describe(name)
    model = found.build()
    task = detection.build(model, optax.identity(), gradient.Options())
    variables = weights.read(found, model)
    params = variables.pop("params")
    state = gradient.init_state(params, variables, task.tx, 0, task.options)
    prepare = preprocess.make(
        pad=0, mean=preprocessing.IMAGENET_MEAN, std=preprocessing.IMAGENET_STD
    )
    predict = jax.jit(lambda state, batch: task.predict(state, prepare(batch)))
    state = jax.device_put(state)
    names = found.class_names or source.number_names(model.num_classes)
    return PublishedDetector(
        class_names=names,
        multiple=1 if model.family == "queries" else 32,
        detect=lambda batch: predict(state, batch),
        threshold=task.threshold,
    )


def _check(options) -> None:
    threshold = options.threshold
    if threshold is not None and not 0 <= threshold <= 1:
        raise ValueError(f"--threshold must be in 0..1, got {threshold}; use 0.3")
    if not options.inputs:
        raise ValueError("predict needs image files or folders of them, got none")
    if options.to and pathlib.Path(options.to).suffix.lower() != ".json":
        raise ValueError(f"--to={options.to} must end in .json; name a JSON file")


def _rows(detector: Detector | PublishedDetector, options) -> Iterator[dict]:
    files, rows = classification.list_files(options.inputs), []
    least = detector.threshold if options.threshold is None else options.threshold
    for file, (picture, boxes, scores, labels) in zip(
        files, detector(files), strict=True
    ):
        chosen = (scores >= least) & (scores > 0)
        boxes, scores, labels = boxes[chosen], scores[chosen], labels[chosen]
        names = [detector.class_names[label] for label in labels]
        if options.pictures:
            told = [f"{n} {s:.0%}" for n, s in zip(names, scores, strict=True)]
            drawn = drawn_boxes.draw(picture, boxes, labels, told)
            _save(drawn, pathlib.Path(options.pictures), file)
        found = [
            {"class": name, "score": float(score), "box": [float(x) for x in box]}
            for name, score, box in zip(names, scores, boxes, strict=True)
        ]
        size = {"height": picture.height, "width": picture.width}
        rows.append({"file": str(file)} | size | {"objects": found})
        yield rows[-1]
    if options.to:
        text = json.dumps(coco(rows, detector.class_names))
        pathlib.Path(options.to).write_text(text)


def _save(picture: Image.Image, folder: pathlib.Path, file: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{file.stem}.png"
    if target.exists() and target.samefile(file):
        raise ValueError(
            f"--pictures={folder} would overwrite {file}; name another folder"
        )
    picture.save(target)


def coco(rows: Sequence[dict], class_names: Sequence[str]) -> dict:
    """Writes rows of `of_run` as COCO does, with the score of each box beside it.

    The result is a data set as well, which `research/data/coco.py` reads.
    """
    ids = {name: k + 1 for k, name in enumerate(class_names)}
    annotations = []
    for image, row in enumerate(rows, 1):
        for found in row["objects"]:
            left, top, right, bottom = found["box"]
            wide, tall = right - left, bottom - top
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": ids[found["class"]],
                    "bbox": [left, top, wide, tall],
                    "area": wide * tall,
                    "iscrowd": 0,
                    "score": found["score"],
                }
            )
    return {
        "images": [
            {"id": k, "file_name": row["file"]}
            | {name: row[name] for name in ("height", "width")}
            for k, row in enumerate(rows, 1)
        ],
        "annotations": annotations,
        "categories": [{"id": k, "name": name} for name, k in ids.items()],
    }

"""Classifies image files with a run's checkpoint or with published weights."""

import pathlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import jax
import numpy as np
from PIL import Image

from research import weights
from research.data import images
from research.training import run as runs

_BATCH = 32  # of published weights, which no config goes with


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


def of_run(opened: runs.Run) -> Classifier:
    """Classifies as a run does.

    Raises:
      ValueError: the run does not classify images.
    """
    experiment = opened.programs.experiment
    spec, data = experiment.spec, experiment.config.data
    if "image" not in spec.features or not spec.class_names:
        raise ValueError(
            f"{opened.folder} was trained on {', '.join(spec.features)}, not on images "
            "with classes; predict takes image files"
        )
    height, width, channels = spec.features["image"].shape
    rule = {key: data[key] for key in ("resize", "interpolation") if key in data}

    def prepare(picture: Image.Image) -> np.ndarray:
        return images.to_array(images.fit(picture, (height, width), **rule))

    def classify(pixels: np.ndarray) -> np.ndarray:
        return opened.programs.predict(opened.state, {"image": pixels})["probability"]

    batch = data.eval_batch_size
    return Classifier(spec.class_names, prepare, classify, batch, channels)


def of_weights(name: str, class_names: str | None = None) -> Classifier:
    """Classifies as a published network does, with the preprocessing it states.

    Args:
      name: short name, repository, file or folder; see `research.weights.describe`.
      class_names: file with the names, where the weights have none.

    Raises:
      FileNotFoundError, ValueError: as `research.weights.describe` and `load`; or the
        weights state no preprocessing.
    """
    found = weights.describe(name, class_names=class_names)
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
    count = found.fields["num_classes"]
    return Classifier(
        class_names=found.class_names or tuple(map(str, range(count))),
        prepare=found.preprocessing,
        classify=lambda pixels: np.asarray(apply(variables, pixels)),
        batch=_BATCH,
        channels=found.channels,
    )

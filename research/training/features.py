"""What a trained classifier sees in images: features, classes, confidence.

Its features are what its last dense layer reads. Images of any generator are compared
with data by them, see `research/metrics/frechet.py`.
"""

import functools
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from research.metrics import frechet
from research.training import run

_BATCH = 250
_COMPARED = 2_000  # images of each set whose manifolds are compared


class Seen(NamedTuple):
    """What the classifier sees in n images.

    Attributes:
      features: (n, d) float32.
      label: (n,) int, the class that it names.
      confidence: (n,) float32, the probability that it gives to that class.
    """

    features: np.ndarray
    label: np.ndarray
    confidence: np.ndarray


def open_classifier(folder: pathlib.Path, checkpoint: str = "best") -> run.Run:
    """Opens the run of a classifier of images.

    Raises:
      ValueError: the folder holds no run, or one of another task.
    """
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"--classifier={folder} is no run directory, so that there are no features "
            "to compare images by; train one first: python scripts/train.py "
            f"--config=configs/lenet_modern_mnist.py --workdir={folder}"
        )
    config = run.read_config(folder)
    if config.task.name != "classification":
        raise ValueError(
            f"--classifier={folder} must be a run of the task classification, got "
            f"{config.task.name}; name another"
        )
    # Whichever devices it was trained on, it runs on those that are here.
    config.mesh.update(data=-1, fsdp=1, tensor=1, rules=())
    return run.open_run(folder, config, checkpoint)


def see(classifier: run.Run, images: Iterable[np.ndarray]) -> Seen:
    """Shows images to a classifier.

    Args:
      classifier: from `open_classifier`.
      images: arrays (n, h, w, c) uint8, of any n.

    Raises:
      ValueError: the images have another form than those it was trained on.
    """
    experiment = classifier.programs.experiment
    wanted = tuple(experiment.spec.features["image"].shape)
    look, parts = _look(experiment), []
    for array in images:
        if array.shape[1:] != wanted:
            raise ValueError(
                f"the classifier in {classifier.folder} reads images of {wanted}, got "
                f"{array.shape[1:]}; name one that was trained on the same data"
            )
        for start in range(0, len(array), _BATCH):
            batch = array[start : start + _BATCH]
            padded = np.zeros((_BATCH, *wanted), np.uint8)
            padded[: len(batch)] = batch
            seen = look(classifier.state, padded)
            parts.append([np.asarray(x)[: len(batch)] for x in seen])
    return Seen(*map(np.concatenate, zip(*parts, strict=True)))


def compare(made: Seen, real: Seen) -> dict[str, float]:
    """Compares made images with real ones.

    Returns:
      classifier_frechet, classifier_kernel (distances), classifier_precision,
      classifier_recall (of up to 2,000 images of each), confidence (mean), classes
      (how many the classifier names at least once in a hundred images).
    """
    nearby = (x.features[:_COMPARED] for x in (real, made))
    precision, recall = frechet.precision_recall(*nearby)
    shares = np.bincount(made.label) / len(made.label)
    return {
        "classifier_frechet": frechet.frechet_distance(made.features, real.features),
        "classifier_kernel": frechet.kernel_distance(made.features, real.features),
        "classifier_precision": precision,
        "classifier_recall": recall,
        "confidence": float(made.confidence.mean()),
        "classes": int((shares >= 0.01).sum()),
    }


def _look(experiment):
    """Compiles (state, images) -> (features, label, confidence)."""

    @jax.jit
    def look(state, images):
        read = []

        def note(call, args, kwargs, context):
            if isinstance(context.module, nn.Dense) and context.method_name == (
                "__call__"
            ):
                read.append(args[0])
            return call(*args, **kwargs)

        batch = experiment.preprocess({"image": images})
        apply = functools.partial(experiment.model.apply, train=False)
        variables = {"params": state.eval_params(), **state.model_state}
        with nn.intercept_methods(note):
            logits = apply(variables, batch["image"])
        if not read:
            raise ValueError(
                "a classifier's features are what its last dense layer reads, but "
                f"{type(experiment.model).__name__} has none; use another model"
            )
        probabilities = jax.nn.softmax(logits, axis=-1)
        features = read[-1].reshape(len(images), -1).astype(jnp.float32)
        return features, logits.argmax(-1), probabilities.max(-1)

    return look

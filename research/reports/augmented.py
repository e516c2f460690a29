"""Pictures of what augmentation makes of the first training examples."""

import pathlib

import jax
import numpy as np

from research.data import preprocess
from research.reports import pictures, spectrograms

_EXAMPLES, _EPOCHS = 6, 5  # rows and, beside the stored picture, columns


def write(file: pathlib.Path, experiment, examples) -> None:
    """Writes a grid: in each row an example as stored, then as in epochs 0 to 4.

    The captions name the classes, and the partner's share where examples are mixed.

    Args:
      file: PNG to write.
      experiment: a `research.training.experiment.Experiment`.
      examples: its training split.

    Raises:
      ValueError: the config augments nothing.
    """
    if not experiment.augments:
        raise ValueError(
            "config.augment is switched off, so that there is nothing to show; set for "
            "example config.augment.flip=random"
        )
    config, batches = experiment.config, experiment.training_batches(examples)
    indices = batches.order.indices(0)[:_EXAMPLES]
    prepare = jax.jit(
        preprocess.make(
            pad=config.data.pad, mean=(0.0,), std=(1.0,), augment=experiment.augment
        )
    )
    columns = [(examples.gather(indices), "stored")]
    for epoch in range(_EPOCHS):
        batch = batches.read(np.full_like(indices, epoch), indices)
        made = jax.tree.map(np.asarray, prepare(batch, config.seed))
        columns.append((made, f"epoch {epoch}"))
    names = examples.spec.class_names
    shown, captions = [], []
    for row in range(len(indices)):
        for batch, title in columns:
            shown.append(_picture(batch, row, examples.spec))
            captions.append(f"{title}\n{_classes(batch, row, names)}")
    _write(file, shown, captions)


def _picture(batch, row: int, spec) -> np.ndarray:
    """Draws an image, stored or in [0, 1], or the spectrogram of a sound."""
    if "audio" in batch:
        return spectrograms.picture(batch["audio"][row], spec.sizes["sample_rate"])
    image = batch["image"][row]
    if image.dtype == np.uint8:
        return image
    return np.rint(image * 255).clip(0, 255).astype(np.uint8)


def _write(file: pathlib.Path, shown: list, captions: list[str]) -> None:
    """Brings all to one shape: padding enlarges what is augmented."""
    height, width = (max(image.shape[axis] for image in shown) for axis in (0, 1))
    grid = np.full((len(shown), height, width, shown[0].shape[-1]), 255, np.uint8)
    for cell, image in zip(grid, shown, strict=True):
        top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
        cell[top : top + image.shape[0], left : left + image.shape[1]] = image
    pictures.write_grid(file, grid, captions)


def _classes(batch, row: int, names) -> str:
    if "label" not in batch:
        return ""
    label = batch["label"][row]
    if label.ndim == 0:
        return names[label] if names else str(label)
    parts = [k for k in np.argsort(-label, kind="stable")[:2] if label[k] > 0.005]
    if len(parts) == 1:
        return names[parts[0]]
    return f"{names[parts[0]]} + {label[parts[1]]:.0%} {names[parts[1]]}"

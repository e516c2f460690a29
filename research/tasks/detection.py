"""Detection: boxes, classes and scores of the objects in an image.

Batch: image (b, h, w, c) and the features of `research/data/objects.py`: boxes
(b, n, 4) in the image's pixels, labels, box_mask, crowd (b, n), size (b, 2); mask (b,).
The model's `family` says how it finds objects, and its losses and its decoding are in
`detection_<family>.py`: points (CenterNet), anchors (RetinaNet) or queries (DETR).

Metrics: loss and its parts, per object. Evaluation adds precision, recall and f1 at
IoU 0.5 of what scores at least `threshold`; and, over a whole split, COCO's average
precision, see `research/metrics/mean_average_precision.py`.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from research.metrics import mean_average_precision
from research.models import kernels
from research.tasks import boxes as geometry
from research.tasks import gradient, suppression
from research.tasks.task import Task
from research.training.state import TrainState

SCORES = mean_average_precision.NAMES
FAMILIES = ("points", "anchors", "queries")
_TRUTH = ("boxes", "labels", "box_mask", "crowd")


@dataclass(frozen=True)
class Detection(Task):
    """The task's pure functions, over one model and one optimizer."""

    model: nn.Module
    tx: optax.GradientTransformation
    family: Any
    weights: Mapping[str, float]
    overlap: float
    count: int
    threshold: float
    options: gradient.Options

    def init(self, seed: jax.Array, batch) -> TrainState:
        """Draws the initial state; `batch` gives shapes only."""
        variables = self.model.init(kernels.key(seed), batch["image"], train=False)
        return gradient.first_state(variables, self.tx, seed, self.options)

    def train_step(self, state: TrainState, batch):
        """Makes one update; returns (state, metrics)."""
        step = gradient.make_train_step(self._loss, self.tx, self.options)
        return step(state, batch)

    def eval_step(self, state: TrainState, batch) -> gradient.Metrics:
        """Measures a batch with the averaged parameters, where there are any."""
        outputs = self._outputs(state, batch)
        return self._metrics(outputs, batch) | self._hits(outputs, batch)

    def predict(self, state: TrainState, batch) -> dict[str, jax.Array]:
        """Finds objects, in pixels of the pictures as stored.

        Returns:
          {"boxes": (b, m, 4), "scores": (b, m), by falling score, 0 where there is no
          box; "labels": (b, m)}, and where the batch has truths, "true_boxes"
          (b, n, 4), "true_labels", "true_mask", "true_crowd" (b, n), "size" (b, 2).
        """
        found, scores, labels = self._decode(self._outputs(state, batch), batch)
        scale = _scale(batch["size"], batch["image"].shape)
        side = jnp.concatenate([batch["size"][:, ::-1]] * 2, axis=-1)[:, None]
        found = jnp.clip(found / scale, 0, side.astype(jnp.float32))
        scores = jnp.where(geometry.area(found) > 0, scores, 0)
        made = {"boxes": found, "scores": scores, "labels": labels}
        if "boxes" in batch:
            boxes, kinds, mask, crowd = (batch[name] for name in _TRUTH)
            made |= {"true_boxes": boxes / scale, "true_labels": kinds}
            made |= {"true_mask": mask, "true_crowd": crowd, "size": batch["size"]}
        return made

    def derive(self, averages: Mapping[str, float]) -> dict[str, float]:
        """Adds f1 = 2 precision recall / (precision + recall)."""
        if "recall" not in averages and "precision" not in averages:
            return dict(averages)
        precision, recall = (averages.get(k, 0.0) for k in ("precision", "recall"))
        f1 = 2 * precision * recall / max(precision + recall, 1e-12)
        return {**averages, "f1": f1}

    def score(self, predictions: Mapping[str, Any], examples) -> dict[str, float]:
        """Measures COCO's average precisions of a split."""
        names = examples.spec.class_names
        return mean_average_precision.measure(predictions, len(names)).scores

    def _outputs(self, state, batch):
        variables = {"params": state.eval_params(), **state.model_state}
        return self.model.apply(variables, batch["image"], train=False)

    def _decode(self, outputs, batch):
        """Returns the strongest boxes (b, m, 4), scores and labels (b, m)."""
        decoded = self.family.decode(outputs, batch["image"].shape, self.count)
        return jax.vmap(
            lambda *each: suppression.strongest(*each, self.overlap, self.count)
        )(*decoded)

    def _loss(self, params, model_state, batch, rng):
        outputs, model_state = self.model.apply(
            {"params": params, **model_state},
            batch["image"],
            train=True,
            rngs={"dropout": rng},
            mutable=list(model_state),
        )
        return self._metrics(outputs, batch), model_state

    def _metrics(self, outputs, batch) -> gradient.Metrics:
        parts, count = self.family.losses(outputs, batch, self.model.num_classes)
        count = jnp.maximum(count, 1)
        total = sum(self.weights[name] * part for name, part in parts.items())
        metrics = {"loss": (total, count)}
        return metrics | {name: (part, count) for name, part in parts.items()}

    def _hits(self, outputs, batch) -> gradient.Metrics:
        """Counts what is found at IoU 0.5 among boxes of at least the threshold."""
        found, scores, labels = self._decode(outputs, batch)
        truth = [batch[name] for name in _TRUTH]
        hits, claimed = jax.vmap(_match)(
            found, labels, scores >= self.threshold, *truth
        )
        real = (batch["box_mask"] > 0) & ~batch["crowd"]
        mask = batch["mask"]
        hits = (hits * mask).sum()
        return {
            "precision": (hits, (claimed * mask).sum()),
            "recall": (hits, (real.sum(-1) * mask).sum().astype(jnp.float32)),
        }


def _match(found, labels, claims, boxes, kinds, mask, crowd):
    """Matches one image's boxes to objects: () hits, () claims that count.

    By falling score each takes the free object of its class that it overlaps most, by
    IoU 0.5 at least; a claim mostly in a crowd counts neither way.
    """
    objects = (mask > 0) & ~crowd
    same = labels[:, None] == kinds[None]
    ratio = geometry.iou(found[:, None], boxes[None])
    ratio = jnp.where(same & objects[None], ratio, 0)
    share = geometry.covered(found[:, None], boxes[None])
    excused = (same & (crowd & (mask > 0))[None] & (share >= 0.5)).any(1)

    def take(free, row):
        overlaps, claim = row
        best = jnp.argmax(jnp.where(free, overlaps, 0))
        hit = claim & free[best] & (overlaps[best] >= 0.5)
        return free & ~(hit & (jnp.arange(len(free)) == best)), hit

    _, hits = jax.lax.scan(take, objects, (ratio, claims))
    claimed = claims & (hits | ~excused)
    return hits.sum().astype(jnp.float32), claimed.sum().astype(jnp.float32)


def _scale(size, image_shape):
    """Returns what `research.data.objects.fit` multiplied boxes by, (b, 1, 4)."""
    target = jnp.array(image_shape[1:3], jnp.float32)[None]
    stored = jnp.maximum(size, 1).astype(jnp.float32)
    factor = (target / stored).min(-1, keepdims=True)
    scale = jnp.maximum(jnp.round(stored * factor), 1) / stored
    return jnp.concatenate([scale[:, ::-1]] * 2, axis=-1)[:, None]


def build(
    model: nn.Module,
    tx: optax.GradientTransformation,
    options: gradient.Options,
    *,
    weights: tuple = (),
    overlap: float = -1.0,
    count: int = 100,
    threshold: float = 0.3,
) -> Detection:
    """Builds the task.

    Args:
      model: a detector, which has a `family`.
      tx: the optimizer.
      options: switches of the gradient step.
      weights: (name of a part of the loss, weight) pairs; others are the paper's.
      overlap: IoU above which the weaker of two boxes of a class is dropped; 1: none
        is; below 0: the family's own.
      count: most boxes per image.
      threshold: score at which a box counts in precision and recall, and is drawn.

    Raises:
      ValueError: the model finds no objects, or an option is wrong.
    """
    if getattr(model, "family", None) not in FAMILIES:
        raise ValueError(
            f"detection needs a model that finds objects, got {type(model).__name__}; "
            "set config.model.name to a detector such as centernet"
        )
    family = importlib.import_module(f"research.tasks.detection_{model.family}")
    wrong = [p for p in weights if len(p) != 2 or p[0] not in family.WEIGHTS]
    if wrong:
        raise ValueError(
            "task.weights must hold (part, weight) pairs of the parts "
            f"{', '.join(family.WEIGHTS)}, got {wrong[0]!r}; correct it"
        )
    if count < 1 or not 0 <= threshold <= 1:
        raise ValueError(
            "task.count must be at least 1 and task.threshold in 0..1, got "
            f"{count} and {threshold}; use for example 100 and 0.3"
        )
    return Detection(
        model,
        tx,
        family,
        family.WEIGHTS | dict(weights),
        family.OVERLAP if overlap < 0 else overlap,
        count,
        threshold,
        options,
    )

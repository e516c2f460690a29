"""What is shown of a detection run: boxes beside the truth, precision over recall, the
worst mistakes.

`write` runs after an evaluation and needs the data; `section` draws what it left in
the run directory and needs nothing else.
"""

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw

from research.data import objects, source
from research.metrics import mean_average_precision
from research.reports import (
    drawn_boxes,
    evaluations,
    mistakes,
    page,
    pictures,
    precision_recall,
    reconstruction,
)
from research.tasks import detection
from research.training import workdir

_SHOWN, _WORST = 6, 6  # pictures of each kind
_SIDE = 360  # pixels of a picture's longer side
_LINES = 4  # classes with a curve
_TITLE = 22  # pixels
_NAMES = {
    "ap": "AP, IoU 0.50 to 0.95",
    "ap50": "AP at IoU 0.50",
    "ap75": "AP at IoU 0.75",
    "ap_small": "AP of small objects, below 32 x 32 pixels",
    "ap_medium": "AP of medium ones",
    "ap_large": "AP of large ones, above 96 x 96",
    "average_recall": "average recall, 100 boxes",
}


def write(
    folder: pathlib.Path,
    split: str,
    *,
    spec: source.Spec,
    examples: source.Source,
    predictions: Mapping[str, np.ndarray],
    metrics: Mapping[str, float],
    step: int,
    checkpoint: str,
) -> dict[str, pathlib.Path]:
    """Writes `evaluation/<split>.json` and pictures under `samples/`.

    Args:
      folder: the run directory.
      split: its name.
      spec: of the data; its class names are used.
      examples: the split; only what is shown is read.
      predictions: of the task, in the order of the split.
      metrics: `<split>/<metric>` -> value.
      step: updates that the parameters had seen.
      checkpoint: how it was chosen: best, latest or a step.

    Returns:
      `<split>/found` and `<split>/mistakes` -> PNG file.
    """
    count = len(predictions["boxes"])
    values = evaluations.record(
        split, metrics=metrics, examples=count, step=step, checkpoint=checkpoint
    )
    names = spec.class_names
    measured = mean_average_precision.measure(predictions, len(names))
    values["classes"] = [
        {"name": name} | row for name, row in zip(names, measured.classes, strict=True)
    ]
    frequent = sorted(range(len(names)), key=lambda k: -measured.classes[k]["objects"])
    values["curves"] = {
        names[k]: np.maximum(measured.precision[k], 0).round(4).tolist()
        for k in frequent[:_LINES]
        if measured.classes[k]["objects"]
    }
    threshold = _threshold(folder)
    wrong = [mistakes.of_picture(predictions, k, threshold) for k in range(count)]
    values["false_boxes"] = sum(len(false) for false, _ in wrong)
    values["missed_objects"] = sum(len(missed) for _, missed in wrong)
    values["threshold"] = threshold
    evaluations.write(folder, values)
    shown = Shown(examples, predictions, names, threshold)
    return _write_pictures(folder, split, shown, wrong)


def _write_pictures(folder, split: str, shown: "Shown", wrong) -> dict:
    """Draws some pictures evenly over the split, and those with most mistakes."""
    predictions, count = shown.predictions, len(wrong)
    even = np.unique(np.arange(_SHOWN) * count // _SHOWN)
    weight = [
        len(missed) + float(predictions["scores"][k][false].sum())
        for k, (false, missed) in enumerate(wrong)
    ]
    order = np.argsort(-np.array(weight), kind="stable")[:_WORST]
    worst = [k for k in order if weight[k] > 0]
    written = {}
    for kind, rows in (
        ("found", [shown.pair(k) for k in even]),
        ("mistakes", [shown.wrong(k, *wrong[k]) for k in worst]),
    ):
        file = folder / "samples" / f"{split}_{kind}.png"
        file.unlink(missing_ok=True)
        if rows:
            _sheet(file, rows)
            written[f"{split}/{kind}"] = file
    return written


def _threshold(folder: pathlib.Path) -> float:
    """Reads the score from which on a box counts, where the config gives one."""
    chosen = workdir.read_json(folder / "config.json")["task"]
    return chosen.get("threshold", detection.build.__kwdefaults__["threshold"])


class Shown:
    """Draws pictures of a split with boxes on them."""

    def __init__(self, examples, predictions, names: Sequence[str], threshold: float):
        self.examples, self.predictions = examples, predictions
        self.names, self.threshold = names, threshold

    def pair(self, k: int) -> list[tuple[str, Image.Image]]:
        """Draws the truth and what was found, side by side."""
        chosen = self.predictions["scores"][k] >= max(self.threshold, 1e-9)
        mask = np.asarray(self.predictions["true_mask"][k]) > 0
        return [
            (f"{k}: truth", self._drawn(k, "true_", np.flatnonzero(mask))),
            (f"{k}: found", self._drawn(k, "", np.flatnonzero(chosen))),
        ]

    def wrong(self, k: int, false, missed) -> list[tuple[str, Image.Image]]:
        """Draws what was missed and what is not there, side by side."""
        return [
            (f"{k}: {len(missed)} missed", self._drawn(k, "true_", missed, True)),
            (f"{k}: {len(false)} not there", self._drawn(k, "", false)),
        ]

    def _drawn(self, k: int, kind: str, places, dashed: bool = False) -> Image.Image:
        picture, scale = self._picture(k)
        boxes = np.asarray(self.predictions[f"{kind}boxes"][k])[places] * scale
        labels = np.asarray(self.predictions[f"{kind}labels"][k])[places]
        told = [self.names[label] for label in labels]
        if not kind:
            scores = self.predictions["scores"][k][places]
            told = [f"{n} {s:.0%}" for n, s in zip(told, scores, strict=True)]
        told = told if dashed or not kind else [""] * len(told)
        return drawn_boxes.draw(picture, boxes, labels, told, dashed=dashed)

    def _picture(self, k: int):
        """Returns a picture, enlarged, and the factor from stored to its pixels."""
        example = {n: v[0] for n, v in self.examples.gather(np.array([k])).items()}
        height, width = (int(side) for side in example["size"])
        tall, wide = objects.fitted(height, width, example["image"].shape[:2])
        picture = Image.fromarray(example["image"][:tall, :wide])
        factor = _SIDE / max(picture.size)
        size = tuple(round(side * factor) for side in picture.size)
        scale = np.array([size[0] / width, size[1] / height] * 2, np.float32)
        return picture.resize(size, Image.Resampling.BICUBIC), scale


def _sheet(file: pathlib.Path, rows: Sequence[list]) -> None:
    """Writes pairs of titled pictures, two pairs a line."""
    font, line = pictures.font(), 2 if len(rows) > 1 else 1
    tall = max(p.height for row in rows for _, p in row) + _TITLE + 6
    wide = max(p.width for row in rows for _, p in row) + 6
    size = (2 * line * wide, -(-len(rows) // line) * tall)
    canvas = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(canvas)
    for number, row in enumerate(rows):
        for column, (title, picture) in enumerate(row):
            left = (number % line * 2 + column) * wide
            top = number // line * tall
            draw.text((left, top + 2), title, fill="black", font=font)
            canvas.paste(picture, (left, top + _TITLE))
    file.parent.mkdir(parents=True, exist_ok=True)
    canvas.save(file, optimize=True)


def section(folder: pathlib.Path) -> str:
    """Draws scores, curves, pictures and mistakes of each evaluated split."""
    parts = []
    for values in evaluations.read(folder):
        if "curves" not in values:
            continue
        split = values["split"]
        at = f"score {values['threshold']:g} and IoU 0.5"
        body = _scores(values) + reconstruction.strip(
            folder, f"{split}_found", "Truth and what was found, evenly over the split"
        )
        body += reconstruction.strip(
            folder,
            f"{split}_mistakes",
            f"The pictures with most mistakes; in all {values['missed_objects']:,} "
            f"objects missed, {values['false_boxes']:,} boxes not there, at {at}",
        )
        parts.append(page.section(f"Objects: {split}", body))
    return "".join(parts)


def _scores(values: Mapping) -> str:
    measured = {k.partition("/")[2]: v for k, v in values["metrics"].items()}
    overall = page.table(
        ("of all classes", ""),
        [
            (title, page.percent(measured[name]))
            for name, title in _NAMES.items()
            if name in measured
        ],
    )
    classes = page.table(
        ("class", "objects", "AP", "AP at 0.50"),
        [
            (c["name"], c["objects"], page.percent(c["ap"]), page.percent(c["ap50"]))
            for c in values["classes"]
            if c["objects"]
        ],
    )
    lines = values["curves"]
    points = [k / 100 for k in range(101)]
    drawn = precision_recall.curves(points, lines) if lines else ""
    return (
        f"<h3>Precision over recall at IoU 0.5, and average precision</h3>\n<div "
        f'class="beside">{drawn}<div>{overall}</div><div>{classes}</div></div>\n'
    )

"""What is shown of a classification run: right and wrong predictions, confusions.

Sounds are shown as spectrograms.

`write` runs after an evaluation and needs the data; `section` draws what it left in
the run directory and needs nothing else.
"""

import pathlib
from collections.abc import Callable, Mapping

import numpy as np

from research.data import source
from research.metrics import confusion
from research.reports import evaluations, figures, page, pictures, spectrograms

_RIGHT, _WRONG = 12, 24  # examples shown of each
_MOST_CLASSES = 100  # with a confusion matrix
_MOST_PAIRS = 12  # confusions listed
_SHORT_TABLE = 20  # classes; longer tables are folded


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
      examples: the split; only the few images that are shown are read.
      predictions: {"probability": (n, k) float32}, in the order of the split.
      metrics: `<split>/<metric>` -> value.
      step: updates that the parameters had seen.
      checkpoint: how it was chosen: best, latest or a step.

    Returns:
      `<split>/right` and `<split>/wrong` -> PNG file, where there is one.
    """
    probability = np.asarray(predictions["probability"])
    label = np.asarray(examples.labels())
    predicted = predicted_class(probability, label)
    k = probability.shape[1]
    names = spec.class_names or source.number_names(k)
    values = evaluations.record(
        split, metrics=metrics, examples=len(label), step=step, checkpoint=checkpoint
    )
    values["errors"] = int((predicted != label).sum())
    values["classes"] = _class_rows(label, predicted, names)
    values["confusions"] = _frequent_confusions(label, predicted, names)
    if k <= _MOST_CLASSES:
        values["confusion_matrix"] = confusion.matrix(label, predicted, k).tolist()
    written = {}
    for kind, indices in _choose(probability, label, predicted).items():
        file = folder / "samples" / f"{split}_{kind}.png"
        file.unlink(missing_ok=True)
        if len(indices) and (show := _pictures(spec)):
            rows = [
                {
                    "example": int(i),
                    "true": names[label[i]],
                    "predicted": names[predicted[i]],
                    "probability": evaluations.plain(probability[i, predicted[i]]),
                }
                for i in indices
            ]
            values[kind] = _write_samples(file, show(examples, indices), rows)
            written[f"{split}/{kind}"] = file
    evaluations.write(folder, values)
    return written


def predicted_class(probability: np.ndarray, label: np.ndarray) -> np.ndarray:
    """Finds the most probable class; ties and NaN count against the prediction.

    The same rule as in `research/metrics/accuracy.py`, so that errors and accuracy
    agree: a class other than the label wins where it is at least as probable.

    Args:
      probability: (n, k) float.
      label: (n,) integer in [0, k).

    Returns:
      (n,) integer in [0, k).
    """
    rows = np.arange(len(label))
    others = np.nan_to_num(probability, nan=0.0)
    own = others[rows, label].copy()
    others[rows, label] = -1.0
    best_other = others.argmax(axis=1)
    return np.where(own > others[rows, best_other], label, best_other)


def section(folder: pathlib.Path) -> str:
    """Draws predictions, confusions and scores per class of each evaluated split."""
    parts = []
    for values in evaluations.read(folder):
        split = page.escape(values["split"])
        body = _samples(folder, values) + confusions(values)
        parts.append(page.section(f"Predictions: {split}", body))
    return "".join(parts)


def _class_rows(label, predicted, names) -> list[dict]:
    scores = confusion.per_class(label, predicted, len(names))
    plain = {
        name: [evaluations.plain(value) for value in scores[name]]
        for name in ("precision", "recall", "f1")
    }
    return [
        {"name": name, "examples": int(scores["support"][index])}
        | {score: values[index] for score, values in plain.items()}
        for index, name in enumerate(names)
    ]


def _frequent_confusions(label, predicted, names) -> list[dict]:
    """Lists the pairs of classes that are confused most often."""
    wrong = label != predicted
    pairs, counts = np.unique(
        np.stack([label[wrong], predicted[wrong]]), axis=1, return_counts=True
    )
    order = np.argsort(-counts, kind="stable")[:_MOST_PAIRS]
    return [
        {
            "true": names[pairs[0, i]],
            "predicted": names[pairs[1, i]],
            "count": int(counts[i]),
        }
        for i in order
    ]


def _choose(probability, label, predicted) -> dict[str, np.ndarray]:
    """Chooses right ones evenly over the split, and the most confident mistakes."""
    right = np.flatnonzero(predicted == label)
    wrong = np.flatnonzero(predicted != label)
    count = min(_RIGHT, len(right))
    even = np.arange(count) * len(right) // max(count, 1)
    confident = np.argsort(-probability[wrong, predicted[wrong]], kind="stable")
    return {"right": right[even], "wrong": wrong[confident[:_WRONG]]}


def _pictures(spec: source.Spec) -> Callable | None:
    """Finds (examples, indices) -> n (h, w, c) uint8; None where nothing is shown."""
    feature = spec.features.get("image")
    if feature and pictures.are_images(feature.shape, feature.dtype):
        return lambda examples, indices: examples.gather(indices)["image"]
    if "audio" in spec.features:
        rate = spec.sizes["sample_rate"]
        return lambda examples, indices: [
            spectrograms.picture(samples, rate, trim=True)
            for samples in examples.gather(indices)["audio"]
        ]
    return None


def _write_samples(file: pathlib.Path, images, rows: list[dict]) -> list[dict]:
    """Writes pictures of some examples; adds to each row where it is shown."""
    boxes = pictures.write_grid(file, images, [_caption(row) for row in rows])
    return [row | {"box": box} for row, box in zip(rows, boxes, strict=True)]


def _caption(row: dict) -> str:
    told = row["true"]
    if row["predicted"] != row["true"]:
        told += f" → {row['predicted']}"
    return f"{told}\n{page.percent(row['probability'])}"


def _samples(folder: pathlib.Path, values: dict) -> str:
    wrong, right = values["errors"], values["examples"] - values["errors"]
    titles = {
        "right": f"Right: {{shown}} of {right:,}, evenly over the split",
        "wrong": f"Wrong: the {{shown}} most confident of {wrong:,}",
    }
    if wrong <= _WRONG:
        titles["wrong"] = f"Wrong: all {wrong:,}, the most confident first"
    parts = []
    for kind, title in titles.items():
        rows = values.get(kind, [])
        file = folder / "samples" / f"{values['split']}_{kind}.png"
        images = pictures.cut(file, [row["box"] for row in rows])
        if not images:
            continue
        cells = [_sample(row, *image) for row, image in zip(rows, images, strict=True)]
        parts.append(
            f"<h3>{title.format(shown=len(rows))}</h3>\n{page.grid('samples', cells)}"
        )
    return "".join(parts)


def _sample(row: dict, data: bytes, kind: str) -> str:
    true, predicted = row["true"], row["predicted"]
    told = page.escape(true)
    if true != predicted:
        told += f' <span class="bad">→ {page.escape(predicted)}</span>'
    told += f' <span class="muted">{page.percent(row["probability"])}</span>'
    picture = page.image(
        data, kind, f"example {row['example']}: {true}, predicted {predicted}"
    )
    return f"<figure><div>{picture}</div><figcaption>{told}</figcaption></figure>"


def confusions(values: dict) -> str:
    """Draws an evaluation's confusion matrix and scores per class."""
    classes = values["classes"]
    names = [row["name"] for row in classes]
    scores = page.table(
        ("class", "examples", "precision", "recall", "F1"),
        (
            (
                row["name"],
                row["examples"],
                *(page.percent(row[score]) for score in ("precision", "recall", "f1")),
            )
            for row in classes
        ),
    )
    if len(classes) > _SHORT_TABLE:
        scores = f"<details><summary>{len(classes)} classes</summary>{scores}</details>"
    parts = []
    if "confusion_matrix" in values:
        parts.append(figures.confusion_matrix(values["confusion_matrix"], names))
    if len(classes) > _SHORT_TABLE and values["confusions"]:
        frequent = page.table(
            ("true", "predicted", "times"),
            (
                (pair["true"], pair["predicted"], pair["count"])
                for pair in values["confusions"]
            ),
        )
        parts.append(f"<div><h3>Confused most often</h3>{frequent}</div>")
    parts.append(f"<div>{scores}</div>")
    return f'<h3>Classes</h3>\n<div class="beside">{"".join(parts)}</div>\n'

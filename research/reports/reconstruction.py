"""What is shown of an autoencoder: inputs and reconstructions, codes, errors.

`write` runs after an evaluation and needs the data; `section` draws what it left in
the run directory and needs nothing else.
"""

import pathlib
from collections.abc import Mapping

import numpy as np

from research.data import preprocess, source
from research.reports import (
    evaluations,
    figures,
    histograms,
    latent_map,
    page,
    pictures,
    strips,
)
from research.training import workdir

_SHOWN = 12  # examples
_BARS = 40  # of the histogram of errors
_QUANTILES = np.linspace(0, 1, 1001)
_ROWS = (
    ("corrupted", "corrupted input"),
    ("denoised", "denoised"),
    ("reconstruction", "reconstruction"),
)


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
      spec: of the data.
      examples: the split; only what is shown is read.
      predictions: reconstruction, code, error and more, see the task.
      metrics: `<split>/<metric>` -> value.
      step: updates that the parameters had seen.
      checkpoint: how it was chosen: best, latest or a step.

    Returns:
      `<split>/reconstructions` -> PNG file, where the examples are pictures.
    """
    values = record(
        split,
        examples=examples,
        predictions=predictions,
        metrics=metrics,
        step=step,
        checkpoint=checkpoint,
    )
    shown = _even(predictions["error"])
    written = {}
    config = workdir.read_json(folder / "config.json")
    feature = config["task"].get("input", "image")
    form = spec.features[feature]
    rows = [(t, predictions[n][shown]) for n, t in _ROWS if n in predictions]
    if pictures.are_images(form.shape, form.dtype):
        file = folder / "samples" / f"{split}_reconstructions.png"
        original = pixels_of(config, examples.gather(shown)["image"])
        scale = config["data"]["mean"], config["data"]["std"]
        rows = [(title, strips.to_pixels(x, *scale)) for title, x in rows]
        strips.write(file, [("input", original), *rows])
        written[f"{split}/reconstructions"] = file
    else:
        original = examples.gather(shown)[feature]
        values["windows"] = [
            {title: _listed(x[number]) for title, x in [("input", original), *rows]}
            for number in range(min(6, len(shown)))
        ]
    evaluations.write(folder, values)
    return written


def record(
    split: str, *, examples, predictions, metrics, step: int, checkpoint: str
) -> dict:
    """Builds the evaluation of a task with codes and errors; see `write`."""
    values = evaluations.record(
        split,
        metrics=metrics,
        examples=len(examples),
        step=step,
        checkpoint=checkpoint,
    )
    errors, label = np.asarray(predictions["error"]), examples.labels()
    if label is not None and label.ndim != 1:
        label = None
    values["code_size"] = int(predictions["code"][0].size)
    flat = predictions["code"].reshape(len(errors), -1)
    values["map"] = latent_map.points(flat, label)
    values["class_names"] = list(examples.spec.class_names)
    normal = errors
    if label is not None and tuple(values["class_names"]) == ("normal", "anomaly"):
        normal = errors[label == 0]
    # Of normal examples: what scripts/predict.py makes its threshold of.
    levels = np.quantile(normal, _QUANTILES) if len(normal) else ()
    values["normal_quantiles"] = [evaluations.plain(level) for level in levels]
    values["histogram"] = _histogram(errors, label, values["class_names"])
    return values


def section(folder: pathlib.Path) -> str:
    """Draws reconstructions, codes and errors of each evaluated split."""
    parts = []
    for values in evaluations.read(folder):
        if "map" not in values:
            continue
        split = values["split"]
        body = strip(folder, f"{split}_reconstructions", "from small error to large")
        body += _windows(values) + comparison(values) + maps(values)
        parts.append(page.section(f"Reconstructions: {split}", body))
    return "".join(parts) + searches(folder)


def searches(folder: pathlib.Path) -> str:
    """Tabulates what scripts/search.py measured, if it did."""
    file = folder / "search.json"
    if not file.exists():
        return ""
    found = workdir.read_json(file)
    head = ("vectors", "bytes", f"recall@{found['k']}", "ms per query", "speed-up")
    rows = (
        (
            row["method"],
            row["bytes"],
            f"{row['recall']:.3f}",
            f"{row['milliseconds']:.3f}",
            f"{row['speed_up']:.1f}",
        )
        for row in found["methods"]
    )
    title = f"Search of {found['rows']:,} vectors by {found['queries']:,}"
    return page.section(title, page.table(head, rows))


def pixels_of(config: Mapping, images: np.ndarray) -> np.ndarray:
    """Returns stored pictures with the margins that the model sees, uint8."""
    data = config["data"]
    scale = {key: data[key] for key in ("pad", "mean", "std")}
    x = np.asarray(preprocess.make(**scale)({"image": images})["image"])
    return strips.to_pixels(x, data["mean"], data["std"])


def strip(folder: pathlib.Path, name: str, title: str) -> str:
    """Shows a picture of `samples/`, if it is there."""
    file = folder / "samples" / f"{name}.png"
    if not file.exists():
        return ""
    picture = page.image(file.read_bytes(), "png", title)
    return f"<h3>{page.escape(title)}</h3>\n<figure class='wide'>{picture}</figure>\n"


def maps(values: Mapping) -> str:
    """Draws the codes in the plane, and how often which error occurs."""
    plots = [latent_map.draw(values["map"], values["class_names"])]
    found = values["histogram"]
    if found:
        title = f"Examples by error, in steps of {found['step']:.3g}"
        plots.append(histograms.histogram(title, found["series"], "steps"))
    return page.grid("plots", plots)


def threshold(folder: pathlib.Path, quantile: float) -> float:
    """Returns the error below which that share of normal validation examples lies.

    Args:
      folder: the run directory.
      quantile: in (0, 1).

    Raises:
      ValueError: the validation split was not evaluated, or held nothing normal.
    """
    for values in evaluations.read(folder):
        levels = values.get("normal_quantiles")
        if values["split"] == "validation" and levels and None not in levels:
            return float(np.interp(quantile, _QUANTILES, levels))
    raise ValueError(
        f"{folder} knows no errors of normal validation examples, which make the "
        "threshold; measure them with scripts/evaluate.py --split=validation"
    )


def comparison(values: Mapping) -> str:
    """Sets the measured numbers beside those of methods without a network."""
    split, size = values["split"], values["code_size"]
    measured = {k.partition("/")[2]: v for k, v in values["metrics"].items()}
    rows = [
        ("this autoencoder", "squared_error", "auroc"),
        (f"PCA, {size} components", "pca_error", "pca_auroc"),
        ("Isolation Forest", "", "isolation_forest_auroc"),
        ("input as it is", "identity_error", ""),
    ]
    cells = [
        (name, *(page.number(measured[k]) if k in measured else None for k in keys))
        for name, *keys in rows
        if any(key in measured for key in keys)
    ]
    if not cells:
        return ""
    return f"<h3>Code of {size} numbers, {page.escape(split)}</h3>" + page.table(
        ("method", "squared error", "AUROC of anomalies"), cells
    )


def _listed(x: np.ndarray) -> list:
    """Makes JSON numbers of an example of any shape, (t, c)."""
    x = np.asarray(x, np.float64)
    rows = x.reshape(len(x), -1) if x.ndim > 1 else x[:, None]
    return [[evaluations.plain(round(v, 5)) for v in row] for row in rows]


def _even(errors: np.ndarray) -> np.ndarray:
    """Chooses examples evenly by the order of their errors."""
    order = np.argsort(errors, kind="stable")
    places = np.linspace(0, len(errors) - 1, min(_SHOWN, len(errors)))
    return order[places.astype(int)]


def _windows(values: Mapping) -> str:
    """Draws the first column of each shown window."""
    plots = []
    for number, window in enumerate(values.get("windows", ()), 1):
        lines = {
            title: [(t, row[0]) for t, row in enumerate(rows) if row[0] is not None]
            for title, rows in window.items()
        }
        plots.append(figures.line_plot(f"window {number}", lines))
    return page.grid("plots", plots) if plots else ""


def _histogram(errors, label, names) -> dict:
    finite = np.isfinite(errors)
    top = float(errors[finite].max(initial=0.0)) - min(
        0.0, float(errors[finite].min(initial=0.0))
    )
    if top <= 0:
        return {}
    step = top / _BARS
    low = min(0.0, float(errors[finite].min()))
    bars = np.where(finite, (np.nan_to_num(errors) - low) / step, 0).astype(int)
    if tuple(names) != ("normal", "anomaly") or label is None:
        return {"step": step, "series": {"examples": bars.tolist()}}
    series = {n: bars[label == k].tolist() for k, n in enumerate(names)}
    return {"step": step, "series": {n: v for n, v in series.items() if v}}

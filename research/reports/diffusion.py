"""What is shown of a diffusion model: samples, how one comes to be, what is denoised.

`write` runs after an evaluation and needs the data; `section` draws what it left in
the run directory and needs nothing else.
"""

import pathlib
from collections.abc import Mapping

import numpy as np

from research.data import source
from research.reports import evaluations, page, quality, reconstruction, strips
from research.training import workdir

_WALKS, _DENOISED = 6, 4  # examples
_PICTURES = (
    ("samples", "Samples"),
    ("walks", "On the way to a sample: the estimates of it, from noise to the end"),
    ("denoised", "Noise of each strength, and the estimate of the image under it"),
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
      examples: the split.
      predictions: of the task: sample, walk, noisy, denoised.
      metrics: `<split>/<metric>` -> value.
      step: updates that the parameters had seen.
      checkpoint: how it was chosen: best, latest or a step.

    Returns:
      `<split>/<what>` -> PNG file.
    """
    values = evaluations.record(
        split, metrics=metrics, examples=len(examples), step=step, checkpoint=checkpoint
    )
    evaluations.write(folder, values)
    data = workdir.read_json(folder / "config.json")["data"]
    written = {}
    for name, rows in _rows(predictions, data["mean"], data["std"]).items():
        file = folder / "samples" / f"{split}_{name}.png"
        strips.write(file, rows)
        written[f"{split}/{name}"] = file
    # Kept by step as well: what training made of them.
    kept = folder / "samples" / f"{split}_samples_{step}.png"
    kept.write_bytes((folder / "samples" / f"{split}_samples.png").read_bytes())
    return written


def _rows(predictions, mean, std) -> dict[str, list[tuple[str, np.ndarray]]]:
    made, walk, noisy, found = (
        strips.to_pixels(predictions[name], mean, std)
        for name in ("sample", "walk", "noisy", "denoised")
    )
    walks = [
        (f"sample {n + 1}", np.concatenate([stages, image[None]]))
        for n, (stages, image) in enumerate(zip(walk, made, strict=True))
    ]
    pairs = [
        (title, array[n])
        for n in range(min(_DENOISED, len(noisy)))
        for title, array in (("with noise", noisy), ("estimate", found))
    ]
    return {"samples": strips.grid(made), "walks": walks[:_WALKS], "denoised": pairs}


def section(folder: pathlib.Path) -> str:
    """Shows samples, walks and what is denoised, of each evaluated split."""
    parts = []
    for values in evaluations.read(folder):
        split = values["split"]
        if split == "samples":  # of sample_quality.py
            continue
        body = _numbers(values)
        for name, title in _PICTURES:
            body += reconstruction.strip(folder, f"{split}_{name}", title)
        body += _others(folder, split, values["step"])
        parts.append(page.section(f"Diffusion: {split}", body))
    return "".join([*parts, quality.section(folder)])


def _others(folder: pathlib.Path, split: str, shown: int) -> str:
    """Shows the samples of the other steps at which the split was evaluated."""
    prefix = f"{split}_samples_"
    files = (folder / "samples").glob(f"{prefix}*.png")
    steps = sorted(int(file.stem.removeprefix(prefix)) for file in files)
    return "".join(
        reconstruction.strip(folder, f"{prefix}{step}", f"Samples at step {step:,}")
        for step in steps
        if step != shown
    )


def _numbers(values: Mapping) -> str:
    measured = {k.partition("/")[2]: v for k, v in values["metrics"].items()}
    rows = (
        ("mean squared error of the prediction", "squared_error"),
        ("bound on -log2 p(x), bits per dimension", "bits_per_dimension"),
    )
    cells = [(t, page.number(measured[k])) for t, k in rows if k in measured]
    return page.table(("measure", "value"), cells)

"""What is shown of a variational autoencoder: what an autoencoder's report shows, and
samples from the prior, walks along latents, the parts of the bound.

`write` runs after an evaluation and needs the data; `section` draws what it left in
the run directory and needs nothing else.
"""

import pathlib
from collections.abc import Mapping

import numpy as np

from research.data import source
from research.reports import evaluations, page, pictures, reconstruction, strips
from research.tasks import variational
from research.training import workdir

_SAMPLE_ROWS = 4
_LATENTS = 10  # that are walked along


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
      predictions: of the task.
      metrics: `<split>/<metric>` -> value.
      step: updates that the parameters had seen.
      checkpoint: how it was chosen: best, latest or a step.

    Returns:
      `<split>/<what>` -> PNG file, where the examples are pictures.
    """
    written = reconstruction.write(
        folder,
        split,
        spec=spec,
        examples=examples,
        predictions=predictions,
        metrics=metrics,
        step=step,
        checkpoint=checkpoint,
    )
    return written | _drawn(folder, split, spec, predictions)


def _drawn(folder, split: str, spec, predictions) -> dict[str, pathlib.Path]:
    """Draws samples of the prior and walks along latents, of pictures."""
    config = workdir.read_json(folder / "config.json")
    form = spec.features[config["task"].get("input", "image")]
    if not pictures.are_images(form.shape, form.dtype):
        return {}
    scale = config["data"]["mean"], config["data"]["std"]
    count = strips.COLUMNS * _SAMPLE_ROWS
    drawn = strips.to_pixels(predictions["sample"][:count], *scale)
    rows = strips.grid(drawn, "from the prior")
    file = folder / "samples" / f"{split}_prior.png"
    strips.write(file, rows)
    size, walk = predictions["code"][0].size, variational.WALK
    # A batch begins the walks anew.
    most = min(_LATENTS, size, config["data"]["eval_batch_size"] // walk)
    walked = strips.to_pixels(predictions["traversal"][: most * walk], *scale)
    rows = [
        (f"latent of rank {k + 1}", walked[k * walk : (k + 1) * walk])
        for k in range(len(walked) // walk)
    ]
    written = {f"{split}/prior": file}
    if rows:
        file = folder / "samples" / f"{split}_traversals.png"
        strips.write(file, rows)
        written[f"{split}/traversals"] = file
    return written


def section(folder: pathlib.Path) -> str:
    """Draws bound, reconstructions, samples, walks and codes of each split."""
    parts = []
    for values in evaluations.read(folder):
        if "map" not in values:
            continue
        split = values["split"]
        body = _bound(values)
        for name, title in (
            (
                "reconstructions",
                "Inputs and reconstructions, from small error to large",
            ),
            ("prior", "Decoded draws from the prior"),
            ("traversals", "One latent from -3 to 3, by falling divergence"),
        ):
            body += reconstruction.strip(folder, f"{split}_{name}", title)
        body += reconstruction.comparison(values) + reconstruction.maps(values)
        parts.append(page.section(f"Latent variables: {split}", body))
    return "".join(parts) + reconstruction.searches(folder)


def _bound(values: Mapping) -> str:
    measured = {k.partition("/")[2]: v for k, v in values["metrics"].items()}
    rows = [
        ("negative bound", "loss", "bits_per_dimension"),
        ("reconstruction, -E log p(x|z)", "reconstruction", ""),
        ("divergence, KL(q(z|x) || p(z))", "kl", ""),
        ("-log p(x), estimated", "nll", "nll_bits_per_dimension"),
    ]
    cells = [
        (title, *(page.number(measured[k]) if k in measured else None for k in keys))
        for title, *keys in rows
        if keys[0] in measured
    ]
    units = measured.get("active_units")
    told = (
        ""
        if units is None
        else (f"<p>{units:.0f} of {values['code_size']} latents are active.</p>")
    )
    return page.table(("per example", "nats", "bits per dimension"), cells) + told

"""What is shown of a translation run: sentences, attention maps, lengths, BLEU.

`write` runs after an evaluation and needs the data; `section` draws what it left in
the run directory and needs nothing else.
"""

import pathlib
from collections.abc import Mapping

import numpy as np
from tokenizers import Tokenizer

from research.data import source
from research.reports import attention_maps, evaluations, histograms, page
from research.tasks import translation

_SENTENCES, _MAPS = 16, 4  # examples shown
_MOST_TOKENS = 24  # of a sentence whose attention is drawn


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
    """Writes `evaluation/<split>.json` and attention maps under `samples/`.

    Args:
      folder: the run directory.
      split: its name.
      spec: of the data; its tokenizers write tokens as text.
      examples: the split.
      predictions: token (n, t) and, with attention, attention (n, t, s).
      metrics: `<split>/<metric>` -> value.
      step: updates that the parameters had seen.
      checkpoint: how it was chosen: best, latest or a step.

    Returns:
      `<split>/attention` -> PNG file, where there is one.
    """
    count = len(examples)
    values = evaluations.record(
        split, metrics=metrics, examples=count, step=step, checkpoint=checkpoint
    )
    found = translation.scores(predictions, examples)
    values["signatures"] = {name: score.signature for name, score in found.items()}
    tokenizer = Tokenizer.from_str(spec.tokenizers["target"])
    shown = np.arange(min(_SENTENCES, count)) * count // min(_SENTENCES, count)
    values["sentences"] = [
        {"source": given, "translation": written, "reference": true}
        for given, written, true in zip(
            examples.texts("source", shown),
            translation.texts(tokenizer, predictions["token"][shown]),
            examples.texts("target", shown),
            strict=True,
        )
    ]
    true = examples.gather(np.arange(count))["target"][:, 1:]
    values["lengths"] = {
        "translation": (predictions["token"] != 0).sum(1).tolist(),
        "reference": (true != 0).sum(1).tolist(),
    }
    file = folder / "samples" / f"{split}_attention.png"
    file.unlink(missing_ok=True)
    maps = _maps(spec, examples, predictions) if "attention" in predictions else []
    if maps:
        attention_maps.write(file, maps)
    evaluations.write(folder, values)
    return {f"{split}/attention": file} if maps else {}


def section(folder: pathlib.Path) -> str:
    """Shows sentences, lengths and attention of each evaluated split."""
    parts = []
    for values in evaluations.read(folder):
        if "sentences" not in values:
            continue
        split = values["split"]
        signatures = "".join(
            f"<p><code>{page.escape(name)}: {page.escape(signature)}</code></p>"
            for name, signature in values["signatures"].items()
        )
        rows = (
            (row["source"], row["translation"], row["reference"])
            for row in values["sentences"]
        )
        table = page.table(("source", "translation", "reference"), rows)
        lengths = histograms.histogram(
            "Sentences by length", values["lengths"], "tokens"
        )
        body = signatures + table + page.grid("plots", [lengths])
        parts.append(
            page.section(f"Translations: {split}", body + _attention(folder, split))
        )
    return "".join(parts)


def _attention(folder: pathlib.Path, split: str) -> str:
    file = folder / "samples" / f"{split}_attention.png"
    if not file.exists():
        return ""
    picture = page.image(file.read_bytes(), "png", f"attention maps of {split}")
    return (
        "<h3>Attention: what each written token (row) looked at (column), the mean "
        f"over layers and heads</h3>\n<figure class='wide'>{picture}</figure>"
    )


def _maps(spec, examples, predictions) -> list[attention_maps.Map]:
    """Chooses the first sentences that are short enough to be drawn."""
    maps = []
    sides = ("source", "target")
    tokenizers = [Tokenizer.from_str(spec.tokenizers[side]) for side in sides]
    for number in range(len(examples)):
        read = examples.gather(np.array([number]))["source"][0]
        read, written = read[read != 0], predictions["token"][number]
        written = written[written != 0]
        if max(len(read), len(written)) > _MOST_TOKENS or not len(written):
            continue
        weights = predictions["attention"][number][: len(written), : len(read)]
        labels = map(attention_maps.labels, tokenizers, (read, written))
        maps.append(attention_maps.Map(weights, *reversed(list(labels))))
        if len(maps) == _MAPS:
            break
    return maps

"""What is shown of a language model: how it goes on with texts of the split."""

import pathlib
from collections.abc import Mapping

import numpy as np

from research.data import source, tokenization
from research.reports import evaluations, page


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
    """Writes `evaluation/<split>.json`, with the texts in it.

    Args:
      folder: the run directory.
      split: its name.
      spec: of the data; its tokenizer, if there is one, writes the tokens as text.
      examples: the split.
      predictions: token (n, t + 1): half of it given, the rest drawn.
      metrics: `<split>/<metric>` -> value.
      step: updates that the parameters had seen.
      checkpoint: how it was chosen: best, latest or a step.

    Returns:
      {}: there are no pictures.
    """
    values = evaluations.record(
        split,
        metrics=metrics,
        examples=len(examples),
        step=step,
        checkpoint=checkpoint,
    )
    if "token" in spec.tokenizers:
        tokens = predictions["token"]
        true = examples.gather(np.arange(len(tokens)))["token"]
        values["texts"] = _texts(tokens, true, spec.tokenizers["token"])
    evaluations.write(folder, values)
    return {}


def _texts(tokens: np.ndarray, true: np.ndarray, stored: str) -> list[dict[str, str]]:
    """Writes what was given, drawn and true of each row of (n, t + 1) tokens."""
    given, tokenizer = -(-tokens.shape[1] // 2), tokenization.from_str(stored)

    def text(ids) -> str:
        return tokenizer.decode(ids[ids >= 0].tolist(), skip_special_tokens=False)

    def row(drawn, own) -> dict[str, str]:
        begun = text(drawn[:given])  # blanks between words belong to what follows
        later = (text(ids).removeprefix(begun) for ids in (drawn, own))
        return dict(zip(("given", "drawn", "true"), (begun, *later), strict=True))

    return [row(*pair) for pair in zip(tokens, true, strict=True)]


def section(folder: pathlib.Path) -> str:
    """Shows each text: what was given, how the model goes on, how the text does."""
    parts = []
    for values in evaluations.read(folder):
        rows = [
            f"<figure><pre>{page.escape(row['given'])}<b>{page.escape(row['drawn'])}"
            f"</b></pre><figcaption class='muted'>In the text: "
            f"{page.escape(row['true'])}</figcaption></figure>"
            for row in values.get("texts", ())
        ]
        title = f"Going on with a text (drawn in bold): {page.escape(values['split'])}"
        parts.append(page.section(title, "".join(rows)))
    return "".join(parts)

"""What is shown of a masked language model: texts with what it fills in.

Beside its loss stands that of counting tokens: the entropy of the hidden tokens under
their own frequencies, which a model that never looks at the text around cannot beat.
"""

import pathlib
from collections.abc import Mapping

import numpy as np

from research.data import source, tokenization
from research.reports import evaluations, page

_SHOWN = 16  # texts
_COUNTED = 4096  # examples whose tokens are counted


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
      spec: of the data; its tokenizer writes the tokens as text.
      examples: the split.
      predictions: of the task, for the first examples.
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
    tokenizer = tokenization.from_str(spec.tokenizers["token"])
    count = min(_SHOWN, len(predictions["token"]))
    lengths = examples.gather(np.arange(count))["length"]
    rows = (
        {name: predictions[name][i] for name in predictions} | {"length": lengths[i]}
        for i in range(count)
    )
    values["texts"] = [_text(row, tokenizer) for row in rows]
    values["unigram_entropy"] = unigram_entropy(examples)
    evaluations.write(folder, values)
    return {}


def unigram_entropy(examples: source.Source) -> float:
    """Measures the entropy of the tokens that may be hidden, in nats, by counting."""
    batch = examples.gather(np.arange(min(_COUNTED, len(examples))))
    counts = np.bincount(batch["token"][batch["word"] >= 0])
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log(p)).sum())


def section(folder: pathlib.Path) -> str:
    """Shows each text with its hidden tokens: filled in, and as they were."""
    parts = []
    for values in evaluations.read(folder):
        if "texts" not in values:
            continue
        split = values["split"]
        loss = values["metrics"].get(f"{split}/loss")
        told = (
            f"<p>Hidden tokens: {page.number(loss)} nats each; by their frequency "
            f"alone {page.number(values['unigram_entropy'])}. Right ones are "
            '<b class="good">blue</b>, wrong ones <b class="bad">red</b> with the '
            "token that stood there.</p>"
        )
        body = "".join(f"<p>{_marked(text)}</p>" for text in values["texts"])
        parts.append(page.section(f"Masked words: {split}", told + body))
    return "".join(parts)


def _text(row: Mapping[str, np.ndarray], tokenizer) -> list:
    """Lists tokens; a hidden one as [true, predicted, probability]."""
    hidden = {
        int(position): place
        for place, position in enumerate(row["position"])
        if row["weight"][place]
    }
    name, shown = tokenizer.id_to_token, []
    for at in range(1, int(row["length"])):  # behind [CLS]
        if at not in hidden:
            shown.append(name(int(row["token"][at])))
            continue
        place = hidden[at]
        pair = [name(int(row[key][place])) for key in ("target", "predicted")]
        shown.append([*pair, evaluations.plain(row["probability"][place])])
    return shown


def _marked(tokens: list) -> str:
    words = []
    for token in tokens:
        if isinstance(token, str):
            words.append((token, page.escape(token.removeprefix("##"))))
            continue
        true, predicted, probability = token
        kind = "good" if true == predicted else "bad"
        told = page.escape(predicted.removeprefix("##"))
        shown = f'<b class="{kind}" title="{page.percent(probability)}">{told}</b>'
        if true != predicted:
            shown += f"<small> ({page.escape(true.removeprefix('##'))})</small>"
        words.append((true, shown))
    # What continues a word stands against it.
    return "".join(
        shown if token.startswith("##") else f" {shown}" for token, shown in words
    )

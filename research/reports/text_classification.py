"""What is shown of a text classification run: the worst mistakes, as text; confusions.

`write` runs after an evaluation and needs the data; `section` draws what it left in
the run directory and needs nothing else.
"""

import pathlib
from collections.abc import Mapping

import numpy as np

from research.data import source, tokenization
from research.reports import classification, evaluations, page, scatter
from research.training import workdir

_WORST = 24  # examples shown


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
      examples: the split; only the few texts that are shown are read.
      predictions: {"probability": (n, k)}, or {"score": (n,)}, in the split's order.
      metrics: `<split>/<metric>` -> value.
      step: updates that the parameters had seen.
      checkpoint: how it was chosen: best, latest or a step.

    Returns:
      {}: there are no pictures.
    """
    told = dict(metrics=metrics, step=step, checkpoint=checkpoint)
    if "score" in predictions:
        values = _scores(split, examples, np.asarray(predictions["score"]), told)
    else:
        probability = np.asarray(predictions["probability"])
        values = _classes(folder, split, spec, examples, probability, told)
    indices = np.array([row["example"] for row in values["mistakes"]], int)
    texts = _texts(spec, examples, indices) if len(indices) else []
    for row, text in zip(values["mistakes"], texts, strict=True):
        row["text"] = text
    evaluations.write(folder, values)
    return {}


def section(folder: pathlib.Path) -> str:
    """Draws the worst mistakes and the confusions of each evaluated split."""
    parts = []
    for values in evaluations.read(folder):
        split = page.escape(values["split"])
        if "mistakes" in values:
            body = _points(values) + _mistakes(values)
            parts.append(page.section(f"Predictions: {split}", body))
    return "".join(parts)


def _classes(folder, split, spec, examples, probability, told) -> dict:
    """Records as image classification does, and adds the most confident mistakes."""
    classification.write(
        folder,
        split,
        spec=spec,
        examples=examples,
        predictions={"probability": probability},
        **told,
    )
    values = workdir.read_json(folder / "evaluation" / f"{split}.json")
    label = np.asarray(examples.labels())
    predicted = classification.predicted_class(probability, label)
    names = spec.class_names or source.number_names(probability.shape[1])
    wrong = np.flatnonzero(predicted != label)
    sure = np.argsort(-probability[wrong, predicted[wrong]], kind="stable")
    values["mistakes"] = [
        {
            "example": int(i),
            "true": names[label[i]],
            "predicted": names[predicted[i]],
            "probability": evaluations.plain(probability[i, predicted[i]]),
        }
        for i in wrong[sure[:_WORST]]
    ]
    return values


def _scores(split, examples, score, told) -> dict:
    true = np.asarray(examples.labels(), np.float64)
    values = evaluations.record(split, examples=len(true), **told)
    worst = np.argsort(-np.abs(score - true), kind="stable")[:_WORST]
    values["mistakes"] = [
        {
            "example": int(i),
            "true": evaluations.plain(true[i]),
            "predicted": evaluations.plain(score[i]),
        }
        for i in worst
    ]
    even = np.linspace(0, len(true) - 1, min(len(true), scatter.MOST_POINTS)).astype(
        int
    )
    values["scores"] = {
        "true": [evaluations.plain(x) for x in true[even]],
        "predicted": [evaluations.plain(x) for x in score[even]],
    }
    return values


def _texts(spec: source.Spec, examples: source.Source, indices) -> list[str]:
    """Writes examples as text, with a bar between the two of a pair."""
    tokenizer = tokenization.from_str(spec.tokenizers["token"])
    ids = tokenization.special_ids(tokenizer)
    around = [i for i in (ids.cls, ids.sep) if i is not None]  # not the unknown ones
    batch, texts = examples.gather(indices), []
    for token, type, length in zip(
        batch["token"], batch["type"], batch["length"], strict=True
    ):
        token, type = token[:length], type[:length]
        told = ~np.isin(token, around)
        parts = (token[told & (type == k)].tolist() for k in np.unique(type[told]))
        decoded = (tokenizer.decode(p, skip_special_tokens=False) for p in parts)
        texts.append(" | ".join(part.strip() for part in decoded))
    return texts


def _points(values: dict) -> str:
    if "scores" not in values:
        return classification.confusions(values)
    pairs = zip(values["scores"]["true"], values["scores"]["predicted"], strict=True)
    finite = [pair for pair in pairs if None not in pair]
    if not finite:
        return ""
    told = f"{len(finite):,} of {values['examples']:,} examples; the line is exact."
    return scatter.scatter(*zip(*finite, strict=True), told)


def _mistakes(values: dict) -> str:
    rows = values["mistakes"]
    if "scores" in values:
        title = f"The {len(rows)} that are farthest off"
        head = ("true", "predicted", "text")
        cells = ((_score(r["true"]), _score(r["predicted"]), r["text"]) for r in rows)
    else:
        wrong = values["errors"]
        title = f"Wrong: the {len(rows)} most confident of {wrong:,}"
        if wrong <= _WORST:
            title = f"Wrong: all {wrong:,}, the most confident first"
        head = ("true", "predicted", "probability", "text")
        cells = (
            (r["true"], r["predicted"], page.percent(r["probability"]), r["text"])
            for r in rows
        )
    if not rows:
        return "<h3>No mistake</h3>\n"
    return f"<h3>{title}</h3>\n{page.table(head, cells)}\n"


def _score(value) -> str | None:
    return None if value is None else f"{value:.2f}"

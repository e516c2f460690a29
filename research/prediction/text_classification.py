"""Classifies or scores sentences, and pairs of them.

… "a sentence" "another one"
… "A man sleeps." --second "Somebody rests."     pairs, one second text per first
… --file=FILE    one text per line, a pair with a tab between its two
"""

import argparse
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from research import weights
from research.data import sentences, text_files, tokenization
from research.training import run as runs

_BATCH = 32  # of published weights, which no config goes with


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of text classification."""
    parser.add_argument(
        "--second", action="append", default=[], help="second text of a pair, in order"
    )
    parser.add_argument("--file", help="file with a text, or two and a tab, per line")
    parser.add_argument("--top", type=int, default=5, help="classes shown per text")
    parser.add_argument(
        "--class-names", help="file of names, where the weights have none"
    )


def of_run(opened: runs.Run, options: argparse.Namespace) -> Iterator[dict]:
    """Yields {"text", "second"?, "classes": [{"class", "probability"}, …]} or "score".

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: an option, or a single text where the run was trained on pairs.
    """
    if options.class_names:
        raise ValueError("--class-names goes with --weights; a run knows its classes")
    columns = _columns(options)
    experiment = opened.programs.experiment
    spec, data = experiment.spec, experiment.config.data
    wanted = len(data.text) if "text" in data else len(columns)
    if len(columns) != wanted:
        raise ValueError(
            f"{opened.folder} was trained on {('single texts', 'pairs')[wanted - 1]}, "
            f"got {('single texts', 'pairs')[len(columns) - 1]}; --second gives the "
            "second text of a pair"
        )
    length = spec.features["token"].shape[0]
    tokenizer = tokenization.from_str(spec.tokenizers["token"])
    batch = sentences.encode(sentences.fitted(tokenizer, length), columns)

    def predict(part: dict) -> dict:
        return opened.programs.predict(opened.state, part)

    answers = _in_batches(predict, batch, data.eval_batch_size)
    return _rows(columns, answers, spec.class_names, options.top)


def of_weights(options: argparse.Namespace) -> Iterator[dict]:
    """Yields the rows of `of_run`, with published weights and their tokenizer."""
    columns = _columns(options)
    found = weights.describe(options.weights, class_names=options.class_names)
    if not found.num_classes:
        raise ValueError(
            f"{found.source} holds no classifier; train one with "
            "--config.init.weights, or ask for its masked words with --fill-mask"
        )
    model = found.build()
    tokenizer = tokenization.beside(found.source)
    batch = sentences.encode(sentences.fitted(tokenizer, model.max_length), columns)
    longest = int(batch["length"].max())
    batch |= {name: batch[name][:, :longest] for name in ("token", "type")}
    variables = jax.device_put(weights.read(found, model))

    @jax.jit
    def classify(variables, token, type, length):
        outputs = model.apply(
            variables,
            token,
            token_type_ids=type,
            attention_mask=jnp.arange(longest)[None] < length[:, None],
            train=False,
        )
        if model.num_classes == 1:
            return {"score": outputs["logits"][:, 0]}
        return {"probability": jax.nn.softmax(outputs["logits"])}

    answers = _in_batches(lambda part: classify(variables, **part), batch, _BATCH)
    names = found.class_names or tuple(map(str, range(model.num_classes)))
    return _rows(columns, answers, names, options.top)


def show(rows: Iterable[dict], options: argparse.Namespace) -> None:
    """Prints a line per text."""
    for row in rows:
        text = " | ".join(row[name] for name in ("text", "second") if name in row)
        if "score" in row:
            print(f"{text}: {row['score']:.3f}")
            continue
        best = "  ".join(f"{c['class']} {c['probability']:.1%}" for c in row["classes"])
        print(f"{text}: {best}")


def _columns(options) -> list[Sequence[str]]:
    """Lists the first texts, and the second ones where pairs are given."""
    if options.top < 1:
        raise ValueError(f"--top must be at least 1, got {options.top}; use 5")
    first, second = list(options.inputs), list(options.second)
    if options.file:
        lines = text_files.lines(text_files.read(pathlib.Path(options.file)))
        cells = [line.split("\t") for line in lines if line.strip()]
        if len({len(each) for each in cells}) != 1 or len(cells[0]) > 2:
            raise ValueError(
                f"every line of {options.file} must hold one text, or two with a tab "
                "between them; correct it"
            )
        first += [each[0] for each in cells]
        second += [each[1] for each in cells if len(each) == 2]
    if not first:
        raise ValueError("predict needs texts, got none; write them behind the options")
    if not second:
        return [first]
    if len(first) != len(second):
        raise ValueError(
            f"pairs need as many second texts as first ones, got {len(second)} for "
            f"{len(first)}; give one --second for each"
        )
    return [first, second]


def _in_batches(predict: Callable, batch: dict, size: int) -> dict[str, np.ndarray]:
    """Predicts all rows, in batches of one shape."""
    count, devices = len(batch["token"]), jax.device_count()
    size = min(size, -(-count // devices) * devices)
    parts = []
    for first in range(0, count, size):
        rows = np.minimum(np.arange(first, first + size), count - 1)
        found = predict({name: values[rows] for name, values in batch.items()})
        parts.append({name: np.asarray(value) for name, value in found.items()})
    joined = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    return {name: value[:count] for name, value in joined.items()}


def _rows(columns, answers: dict, names, top: int) -> Iterator[dict]:
    for row, texts in enumerate(zip(*columns, strict=True)):
        told = dict(zip(("text", "second"), texts, strict=False))
        if "score" in answers:
            yield told | {"score": float(answers["score"][row])}
            continue
        p = answers["probability"][row]
        best = np.argsort(-p, kind="stable")[:top]
        classes = [{"class": names[i], "probability": float(p[i])} for i in best]
        yield told | {"classes": classes}

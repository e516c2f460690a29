"""Translates sentences with a run's checkpoint.

… "Ein Mann schläft." "Zwei Hunde spielen." --beam=5 --length-penalty=0.6
… sentences.txt               a file with one sentence per line, plain or as .gz
… "…" --attention=maps.png    draws what each written token looked at
"""

import argparse
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np

from research.data import text_files, tokenization
from research.reports import attention_maps
from research.tasks import translation
from research.training import run as runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of translation."""
    parser.add_argument("--beam", type=int, help="beams of the search; 1 is greedy")
    parser.add_argument(
        "--length-penalty", type=float, help="alpha of the beam search, such as 0.6"
    )
    parser.add_argument("--max-tokens", type=int, help="most tokens of a translation")
    parser.add_argument("--attention", help="PNG to write: the attention maps")


def of_run(opened: runs.Run, options: argparse.Namespace) -> Iterator[dict]:
    """Yields {"source", "translation"} of each sentence; an empty one stays empty.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: no sentence, a file that is no text, or an option out of range.
    """
    if options.attention and not options.attention.lower().endswith(".png"):
        raise ValueError(
            f"--attention={options.attention} must end in .png; name a PNG file"
        )
    sentences = _sentences(options.inputs)
    return _rows(_Translator(opened, options), sentences, options)


def show(rows: Iterable[dict], options: argparse.Namespace) -> None:
    """Prints a translation per line, as they come."""
    for row in rows:
        print(row["translation"], flush=True)


def _sentences(inputs: Sequence[str]) -> list[str]:
    """Reads the lines of files; what is no file is a sentence."""
    sentences = []
    for text in inputs:
        path = pathlib.Path(text)
        looks_like_a_file = "\0" not in text and path.suffix in (".txt", ".gz")
        if looks_like_a_file or (len(text) < 256 and path.is_file()):
            sentences += text_files.lines(text_files.read(path))
        else:
            sentences.append(text)
    if not any(sentence.strip() for sentence in sentences):
        raise ValueError(
            "predict needs sentences, or a file with one per line, got none; write one "
            "in quotation marks"
        )
    return sentences


class _Written(NamedTuple):
    """One translation: tokens (t,), (s,), their text, attention (t, s) or None."""

    text: str
    tokens: np.ndarray
    read: np.ndarray
    attention: np.ndarray | None


def _rows(translator: "_Translator", sentences, options) -> Iterator[dict]:
    maps = []
    filled = [sentence for sentence in sentences if sentence.strip()]
    written = translator(filled)
    for sentence in sentences:
        if not sentence.strip():
            yield {"source": sentence, "translation": ""}
            continue
        found = next(written)
        if options.attention and found.attention is None:
            raise ValueError(
                "--attention needs a model with attention, which this one has not; "
                "leave it out"
            )
        if options.attention and len(found.tokens):
            maps.append(translator.map(found))
        yield {"source": sentence, "translation": found.text}
    if maps:
        attention_maps.write(pathlib.Path(options.attention), maps)


class _Translator:
    """Sentences in, translations out."""

    def __init__(self, opened: runs.Run, options: argparse.Namespace):
        """Prepares the search.

        Raises:
          ValueError: a run of another kind of data, or an option out of range.
        """
        experiment = opened.programs.experiment
        asked = {
            "beams": options.beam,
            "length_penalty": options.length_penalty,
            "max_length": options.max_tokens,
        }
        task = translation.with_search(
            experiment.task, **{k: v for k, v in asked.items() if v is not None}
        )
        self._state, self._width = opened.state, experiment.spec.features["target"]
        self._batch = experiment.config.data.eval_batch_size
        self._source, self._target = (
            tokenization.from_str(experiment.spec.tokenizers[side])
            for side in ("source", "target")
        )
        self._start = tokenization.special_ids(self._target).bos
        self._predict = jax.jit(task.predict)

    def __call__(self, sentences: Sequence[str]) -> Iterator[_Written]:
        """Translates; holds one batch at a time.

        Raises:
          ValueError: a sentence is longer than the model can read.
        """
        encoded = [np.array(self._source.encode(s).ids, np.int32) for s in sentences]
        width = max(map(len, encoded))
        for first in range(0, len(encoded), self._batch):
            part = encoded[first : first + self._batch]
            size = min(self._batch, len(encoded))
            source = np.zeros((size, width), np.int32)
            for row, ids in enumerate(part):
                source[row, : len(ids)] = ids
            source[len(part) :] = source[0]
            target = np.zeros((size, *self._width.shape), np.int32)
            target[:, 0] = self._start
            found = self._predict(self._state, {"source": source, "target": target})
            found = {name: np.asarray(value) for name, value in found.items()}
            texts = translation.texts(self._target, found["token"])
            for row, ids in enumerate(part):
                tokens = found["token"][row]
                tokens = tokens[tokens != 0]
                seen = found.get("attention")
                if seen is not None:
                    seen = seen[row, : len(tokens), : len(ids)]
                yield _Written(texts[row], tokens, ids, seen)

    def map(self, written: _Written) -> attention_maps.Map:
        """Names the tokens of an attention map."""
        return attention_maps.Map(
            written.attention,
            attention_maps.labels(self._target, written.tokens),
            attention_maps.labels(self._source, written.read),
        )

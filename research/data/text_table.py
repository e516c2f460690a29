"""Sentences, or pairs of them, with a class or a score each, from tables.

A folder holds train.tsv and, where there are such, dev.tsv (or validation.tsv) and
test.tsv, or the same as .csv or .jsonl; `files` names others. research/data/tables.py
says how they are read. GLUE's folders are of this kind.

Features: `token` (length,) int32, padded behind its end; `type` (length,) int32, 0 in
the first sentence and 1 in the second; `length` () int32, the tokens that are real;
`label` () int32, or float32 where it is a score. What is longer than `length` is cut at
the end, of a pair always the longer one by one token, as BERT does.
"""

import itertools
import pathlib
from collections.abc import Sequence

import numpy as np

from research.data import sentences, source, tables

_HOLDS = "train.tsv, and dev.tsv and test.tsv if you have them (or .csv, .jsonl)"
# What a split's file may be called.
_STEMS = {
    "train": ("train",),
    "validation": ("validation", "valid", "dev"),
    "test": ("test",),
}


def splits(
    path: str | None, *, files: Sequence[tuple[str, str]] = (), **options
) -> tuple[str, ...]:
    """Lists the splits that have a file; takes the options of `load`."""
    return tuple(_files(path, files))


def load(
    split: str,
    path: str | None,
    *,
    text: Sequence[str] = ("sentence",),
    label: str = "label",
    header: Sequence[str] = (),
    files: Sequence[tuple[str, str]] = (),
    class_names: Sequence[str] = (),
    regression: bool = False,
    length: int = 128,
    overlong: str = "cut",
    tokenizer: str = "word",
    vocabulary_size: int = 0,
    min_frequency: int = 1,
    lowercase: bool = False,
    words: str = "whitespace",
) -> sentences.Sentences:
    """Reads one split into memory.

    Args:
      split: "train", "validation" or "test".
      path: the folder.
      text: column of the sentence, or columns of the first and the second.
      label: column of the class or score.
      header: names of all columns, where the files do not begin with them.
      files: (split, file name) pairs in place of the usual names.
      class_names: what stands in the label's column, in the order of the classes;
        empty: all that stands there in "train", sorted.
      regression: the label is a score, a number.
      length: tokens per example, those that mark beginning and end included.
      overlong: what happens to longer texts: "cut", or "refuse" for an error.
      tokenizer: a kind, made from the sentences of "train", a file of one, or a run
        directory, whose own is taken; see research/data/tokenization.py.
      vocabulary_size: most tokens; 0: no limit.
      min_frequency: words that occur less often in "train" are unknown.
      lowercase: make capitals small (word, wordpiece).
      words: how words are told apart (word): "whitespace" or "punctuation".

    Raises:
      FileNotFoundError: the folder or a file is missing.
      ValueError: a file breaks a rule, or an option does; the sentence says which.
    """
    found = _files(path, files)
    source.check_split(split, tuple(found), f"folder {path}")
    _check_options(text, length, overlong)
    own, train = _read(found, split, (*text, label), header)
    options = dict(vocabulary_size=vocabulary_size, min_frequency=min_frequency)
    options |= dict(lowercase=lowercase, words=words, length=length)
    learnt, pairs = itertools.chain(*train[:-1]), len(text) == 2
    made = sentences.make_tokenizer(tokenizer, learnt, pairs=pairs, **options)
    where = str(found[split])
    arrays = sentences.encode(made, own[:-1], where=where, overlong=overlong)
    where = f"column {label!r} of {where}"
    if regression:
        arrays["label"] = _scores(own[-1], where)
        return sentences.examples(arrays, (), made, {"num_classes": 1})
    names = tuple(class_names) or _class_names(train[-1])
    arrays["label"] = _classes(own[-1], names, where)
    return sentences.examples(arrays, names, made)


def _read(found: dict, split: str, columns, header) -> tuple[list, list]:
    """Reads the columns of the split, and of "train", which the vocabulary is of."""
    own = tables.read(found[split], columns, header)
    if split == "train" or "train" not in found:
        return own, own
    return own, tables.read(found["train"], columns, header)


def _files(path: str | None, files) -> dict[str, pathlib.Path]:
    folder = source.require_folder(path, _HOLDS)
    for pair in files:
        if not (len(pair) == 2 and pair[0] in _STEMS):
            raise ValueError(
                "config.data.files must hold (split, file name) pairs of the splits "
                f"{', '.join(_STEMS)}, got {pair!r}; correct it"
            )
    if files:
        return {split: folder / name for split, name in files}
    found = {}
    for split, stems in _STEMS.items():
        names = (f"{stem}{suffix}" for stem in stems for suffix in tables.SUFFIXES)
        there = next((f for name in names if (f := folder / name).is_file()), None)
        if there:
            found[split] = there
    if not found:
        raise FileNotFoundError(
            f"no table of a split is in {path}; set config.data.path to a folder with "
            f"{_HOLDS}, or name the files in config.data.files"
        )
    return found


def _check_options(text, length: int, overlong: str) -> None:
    if isinstance(text, str) or len(text) not in (1, 2):
        raise ValueError(
            "config.data.text must name one column, or two for pairs, got "
            f"{text!r}; write for example ('sentence',)"
        )
    if length < 4:
        raise ValueError(
            f"config.data.length must be at least 4, got {length}; use 128"
        )
    if overlong not in ("cut", "refuse"):
        raise ValueError(
            f"config.data.overlong must be cut or refuse, got {overlong!r}; correct it"
        )


def _class_names(cells: Sequence[str]) -> tuple[str, ...]:
    names = set(cells)
    if all(name.lstrip("-").isdecimal() for name in names):
        return tuple(sorted(names, key=int))
    return tuple(sorted(names))


def _classes(cells: Sequence[str], names, where: str) -> np.ndarray:
    number = {name: index for index, name in enumerate(names)}
    for row, cell in enumerate(cells):
        if cell not in number:
            raise ValueError(
                f"{where} must hold one of {', '.join(names)}, got {cell!r} in example "
                f"{row}; correct it, or name all classes in config.data.class_names"
            )
    return np.array([number[cell] for cell in cells], np.int32)


def _scores(cells: Sequence[str], where: str) -> np.ndarray:
    scores = np.empty(len(cells), np.float32)
    for row, cell in enumerate(cells):
        try:
            scores[row] = float(cell)
        except ValueError:
            scores[row] = np.nan
        if not np.isfinite(scores[row]):
            raise ValueError(
                f"{where} must hold numbers, got {cell!r} in example {row}; correct "
                "it, or leave out config.data.regression"
            )
    return scores

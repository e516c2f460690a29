"""Sentences, or pairs of them, with a class or a score each, from tables.

A folder holds train.tsv and, where there are such, dev.tsv (or validation.tsv) and
test.tsv, or the same as .csv or .jsonl; `files` names others. research/data/tables.py
says how they are read. GLUE's folders are of this kind.

Features: `token` (length,) int32, padded behind its end; `type` (length,) int32, 0 in
the first sentence and 1 in the second; `length` () int32, the tokens that are real;
`label` () int32, or float32 where it is a score. What is longer than `length` is cut at
the end, of a pair always the longer one by one token, as BERT does.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Sequence

import numpy as np
from tokenizers import Tokenizer, processors

from research.data import source, tables, tokenization

_HOLDS = "train.tsv, and dev.tsv and test.tsv if you have them (or .csv, .jsonl)"
# What a split's file may be called.
_STEMS = {
    "train": ("train",),
    "validation": ("validation", "valid", "dev"),
    "test": ("test",),
}
# Special tokens of a vocabulary that is made from the text; padding has id 0.
_SPECIAL = {
    "word": ("<pad>", "<unk>", "<sep>"),
    "char": ("<pad>", "<unk>", "<sep>"),
    "byte": ("<pad>", "<sep>"),
    "bpe": ("<pad>", "<sep>"),
}


class Sentences(source.Arrays):
    """Encoded sentences; see the file's description."""

    def token_counts(self) -> np.ndarray:
        """Counts the tokens of every example that are no padding."""
        return self.arrays["length"]


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
) -> Sentences:
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
    columns = (*text, label)

    def cells(which: str) -> list[list[str]]:
        return tables.read(found[which], columns, header)

    own = cells(split)
    train = own if split == "train" or "train" not in found else cells("train")
    made = make_tokenizer(
        tokenizer,
        (sentence for column in train[: len(text)] for sentence in column),
        length=length,
        pairs=len(text) == 2,
        vocabulary_size=vocabulary_size,
        min_frequency=min_frequency,
        lowercase=lowercase,
        words=words,
    )
    arrays = encode(made, own[:-1], where=str(found[split]), overlong=overlong)
    where = f"column {label!r} of {found[split]}"
    if regression:
        names, sizes = (), {"num_classes": 1}
        arrays["label"] = _scores(own[-1], where)
    else:
        names, sizes = tuple(class_names) or _class_names(train[-1]), {}
        arrays["label"] = _classes(own[-1], names, where)
    return examples(arrays, names, made, sizes)


def examples(
    arrays: dict[str, np.ndarray], class_names, tokenizer: Tokenizer, sizes=()
) -> Sentences:
    """Makes a source of encoded sentences, whose spec knows their tokenizer."""
    made = Sentences(arrays, class_names)
    sizes = {**made.spec.sizes, **dict(sizes), "vocab_size": tokenizer.get_vocab_size()}
    made.spec = dataclasses.replace(
        made.spec, sizes=sizes, tokenizers={"token": tokenizer.to_str()}
    )
    return made


def make_tokenizer(
    name: str, texts: Iterable[str], *, length: int, pairs: bool, words: str, **options
) -> Tokenizer:
    """Builds a tokenizer that cuts and pads to `length` tokens.

    Args:
      name: as `load` takes it.
      texts: the training text, for a kind that is made from it.
      length: tokens of an example.
      pairs: whether two sentences come together.
      words: how words are told apart.
      **options: further ones of `tokenization.create`.

    Raises:
      FileNotFoundError, ValueError: as `tokenization.create`.
    """
    described = pathlib.Path(name) / "data.json"
    if described.is_file():
        made = _of_run(described)
    else:
        special = _SPECIAL.get(name)
        options |= {"split": words, "special": special}
        made = tokenization.create(name, texts, **options)
        if pairs and special:
            sep = "<sep>"
            made.post_processor = processors.TemplateProcessing(
                single="$A:0",
                pair=f"$A:0 {sep}:0 $B:1",
                special_tokens=[(sep, made.token_to_id(sep))],
            )
    return fitted(made, length)


def fitted(tokenizer: Tokenizer, length: int) -> Tokenizer:
    """Lets a tokenizer cut and pad to `length` tokens; returns it."""
    pad = tokenization.special_ids(tokenizer).pad or 0
    tokenizer.enable_truncation(length, strategy="longest_first")
    tokenizer.enable_padding(
        length=length, pad_id=pad, pad_token=tokenizer.id_to_token(pad) or "<pad>"
    )
    return tokenizer


def encode(
    tokenizer: Tokenizer,
    columns: Sequence[Sequence[str]],
    *,
    where: str = "the text",
    overlong: str = "cut",
) -> dict[str, np.ndarray]:
    """Turns sentences into the features `token`, `type` and `length`.

    Args:
      tokenizer: of `make_tokenizer` or `fitted`.
      columns: the sentences, and the second ones of pairs.
      where: names the text in errors.
      overlong: "cut" or "refuse".

    Raises:
      ValueError: a text without a token, or too long a one.
    """
    inputs = list(zip(*columns, strict=True)) if len(columns) > 1 else list(columns[0])
    found = tokenizer.encode_batch(inputs)
    if overlong == "refuse":
        for row, each in enumerate(found):
            if each.overflowing:
                raise ValueError(
                    f"example {row} of {where} has more than {len(each.ids)} tokens; "
                    "raise config.data.length or set config.data.overlong to 'cut'"
                )
    for column in columns:
        empty = next((row for row, s in enumerate(column) if not s.strip()), None)
        if empty is not None:
            raise ValueError(
                f"example {empty} of {where} is empty text; remove it or fill it in"
            )
    return {
        "token": np.array([each.ids for each in found], np.int32),
        "type": np.array([each.type_ids for each in found], np.int32),
        "length": np.array([sum(each.attention_mask) for each in found], np.int32),
    }


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


def _of_run(file: pathlib.Path) -> Tokenizer:
    """Takes the tokenizer that a run was trained with."""
    stored = json.loads(file.read_text(encoding="utf-8")).get("tokenizers", {})
    if "token" not in stored:
        raise ValueError(
            f"the run {file.parent} was not trained on text, so that it has no "
            "tokenizer; name another in config.data.tokenizer"
        )
    return tokenization.from_str(stored["token"])


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

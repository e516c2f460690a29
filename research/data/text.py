"""Language-model windows from text files.

The folder holds a text per split: train.txt, validation.txt (or valid, val) and
test.txt, or the Penn Treebank's ptb.train.txt and so on, or WikiText's
wiki.train.tokens and so on; each plain or as .gz. A single file, or a folder with one
.txt file under another name, is the text of all splits. A split that has no file is cut
off the end of the training text: train | validation | test, in this order.

Words have no line ends in them: every line, also an empty one, ends with the token
"<eos>", which is Mikolov's reading of the Penn Treebank ("wordpiece": with "[SEP]").
For the other tokenizers a line end is a character like any other.
"""

import functools
import pathlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from research.data import cache, source, text_cache, text_files, tokenization, windows

_HOLDS = "train.txt, and validation.txt and test.txt if you have them"
_NAMES = {
    "train": ("train.txt", "ptb.train.txt", "wiki.train.tokens", "wiki.train.raw"),
    "validation": (
        *("validation.txt", "valid.txt", "val.txt"),
        *("ptb.valid.txt", "wiki.valid.tokens", "wiki.valid.raw"),
    ),
    "test": ("test.txt", "ptb.test.txt", "wiki.test.tokens", "wiki.test.raw"),
}
HOLDS_OUT = True  # no window is held out at random: neighbours share their words

_PIECE = 2**16  # characters that are encoded at once,
_GROUP = 2**6  # as many pieces in a call of the tokenizer
# Where a text is cut: no token of words or of byte pairs reaches over these places.
_BLANK = re.compile(r"\s")
_SEAM = re.compile(r"(?<=\S)(?= \S)|(?<=\S\n)(?=\S)")


@dataclass(frozen=True)
class _Part:
    """A file, or the part of it between two fractions of its characters."""

    file: pathlib.Path
    first: float = 0.0
    last: float = 1.0
    whole_words: bool = False

    def read(self) -> str:
        text = text_files.read(self.file)
        cuts = [int(len(text) * fraction) for fraction in (self.first, self.last)]
        if self.whole_words:  # on to the next blank
            blanks = [_BLANK.search(text, cut) for cut in cuts]
            cuts = [m.start() if m else len(text) for m in blanks]
            cuts[0] = cuts[0] if self.first else 0
        return text[slice(*cuts)]

    def pieces(self) -> Iterator[str]:
        yield from pieces(self.read())  # reads nothing before it is asked

    def large(self) -> bool:
        return self.file.stat().st_size > text_cache.LARGE


def splits(
    path: str | None,
    *,
    validation_share: float = 0.1,
    test_share: float = 0.1,
    **options,
) -> tuple[str, ...]:
    """Lists the splits; takes the options of `load`."""
    return tuple(_parts(path, validation_share, test_share))


def load(
    split: str,
    path: str | None,
    *,
    tokenizer: str = "word",
    vocabulary_size: int = 0,
    min_frequency: int = 1,
    lowercase: bool = False,
    length: int = 64,
    stride: int = 0,
    contiguous: bool = False,
    validation_share: float = 0.1,
    test_share: float = 0.1,
) -> windows.Windows:
    """Reads one split: token (length + 1,) int32, see `windows.Windows`.

    The windows of "validation" and "test" lie side by side and ask for every token
    once; those of "train" are all full. The vocabulary is that of the training text.

    Args:
      split: "train", "validation" or "test".
      path: the folder or file.
      tokenizer: "word", "char", "byte", "bpe", "wordpiece" or the path of one.
      vocabulary_size: most tokens; 0: all. "bpe" and "wordpiece" need it.
      min_frequency: rarer words, characters or pairs get no token of their own.
      lowercase: whether capitals become small letters.
      length: tokens that a model reads at once, >= 1.
      stride: of "train": tokens from one window to the next, in 1..length; 0 means
        length. With 1 a window begins at every token.
      contiguous: whether the windows are read as streams, see `source.Spec`.
      validation_share: share of the training text in [0, 1) that is cut off where
        "validation" has no file; 0: there is no such split.
      test_share: likewise.

    Raises:
      FileNotFoundError: there is no such file or folder.
      ValueError: a file is no text, or an option is out of range.
    """
    windows.check(length, stride, contiguous)
    asked = (tokenizer, vocabulary_size, min_frequency, lowercase)
    whole_words = tokenizer in ("word", "wordpiece")
    parts = _parts(path, validation_share, test_share, whole_words)
    source.check_split(split, tuple(parts), f"text {path}")
    train, part = parts["train"], parts[split]
    stored = _tokenizer(cache.digest_files([train.file], (train, asked)), train, asked)
    opened = tokenization.from_str(stored)
    key = cache.digest_files([part.file], (part, stored))
    make = functools.partial(_encode_part, opened, part)
    tokens = text_cache.array(key, make) if part.large() else make()
    return windows.Windows(
        [tokens],
        length=length,
        stride=stride if split == "train" else 0,
        fill=split != "train",
        contiguous=contiguous,
        tokenizer=stored,
        vocabulary_size=opened.get_vocab_size(),
    )


def encode(tokenizer: Tokenizer, text: str) -> np.ndarray:
    """Encodes a long text, its line ends as the module says; returns (n,) int32."""
    if _drops_line_ends(tokenizer):
        special = tokenization.special_ids(tokenizer)
        end = special.sep if special.eos is None else special.eos
        mark = "" if end is None else tokenizer.id_to_token(end)
        text = text.removesuffix("\n") + "\n"
        text = text.replace("\n", f" {mark} ")
    found, waiting = [], []
    for piece in pieces(text):
        waiting.append(piece)
        if len(waiting) == _GROUP:
            found.append(tokenization.encode(tokenizer, waiting)[0])
            waiting = []
    found.append(tokenization.encode(tokenizer, waiting)[0])
    return np.concatenate(found)


def pieces(text: str) -> Iterator[str]:
    """Cuts a long text where that changes no token.

    Where there is no such place within 65,536 characters it is cut all the same.
    """
    first = 0
    while first < len(text):
        seam = _SEAM.search(text, first + _PIECE, first + 2 * _PIECE)
        last = seam.start() if seam else first + _PIECE
        yield text[first:last]
        first = last


def _parts(
    path: str | None,
    validation_share: float,
    test_share: float,
    whole_words: bool = False,
) -> dict[str, _Part]:
    """Finds the text of each split."""
    shares = {"validation": validation_share, "test": test_share}
    if min(shares.values()) < 0 or sum(shares.values()) >= 1:
        raise ValueError(
            "config.data.validation_share and test_share must be at least 0 and sum to "
            f"less than 1, got {validation_share} and {test_share}; use smaller ones"
        )
    files = _files(path)
    parts = {split: _Part(file) for split, file in files.items()}
    last = 1.0
    for split in ("test", "validation"):  # from the end
        if split not in files and shares[split]:
            first = last - shares[split]
            parts[split] = _Part(files["train"], first, last, whole_words)
            last = first
    if last < 1:
        parts["train"] = _Part(files["train"], 0.0, last, whole_words)
    return {split: parts[split] for split in _NAMES if split in parts}


def _files(path: str | None) -> dict[str, pathlib.Path]:
    """Finds the files of the splits that have one."""
    if path and pathlib.Path(path).expanduser().is_file():
        return {"train": pathlib.Path(path).expanduser()}
    folder = source.require_folder(path, _HOLDS)
    found = {}
    for split, names in _NAMES.items():
        there = [file for name in names if (file := text_files.find(folder, name))]
        if there:
            found[split] = there[0]
    if not found:
        others = sorted(f for f in folder.iterdir() if f.suffix == ".txt")
        if len(others) == 1:
            return {"train": others[0]}
    if "train" not in found:
        raise FileNotFoundError(
            f"no train.txt is in {path}; set config.data.path to a text file or a "
            f"folder with {_HOLDS}"
        )
    return found


@functools.lru_cache(maxsize=4)  # every split asks for it
def _tokenizer(digest: str, train: _Part, asked: tuple) -> str:
    """Builds or opens the tokenizer, as JSON."""
    name, vocabulary_size, min_frequency, lowercase = asked

    def make() -> str:
        return tokenization.create(
            name,
            train.pieces(),
            vocabulary_size=vocabulary_size,
            min_frequency=min_frequency,
            lowercase=lowercase,
        ).to_str()

    from_text = name in ("word", "char", "bpe", "wordpiece")
    return text_cache.text(digest, make) if from_text and train.large() else make()


def _encode_part(tokenizer: Tokenizer, part: _Part) -> np.ndarray:
    written = part.read()
    try:
        return encode(tokenizer, written)
    except ValueError as error:
        raise ValueError(f"{part.file}: {error}") from error


def _drops_line_ends(tokenizer: Tokenizer) -> bool:
    splitter = tokenizer.pre_tokenizer
    if splitter is None:
        return False
    return sum(len(piece) for piece, _ in splitter.pre_tokenize_str("a\nb")) == 2

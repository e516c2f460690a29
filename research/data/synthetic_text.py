"""Learnable text made from a seed: for quick twins and tests, never a result.

Each line is two sentences, such as

    Anna sees the old dogs . the dogs follow Anna .

The first one is free but for the grammar: name, verb, adjective, noun and number are
drawn. The second says again who was seen and by whom, in its number, and only its verb
is free. So a line is worth log2(8 * 8 * 8 * 16 * 2 * 8) = 17 bits: 1.42 for each of its
12 words ("<eos>" counts), a perplexity of 2.67; counting words alone gives one of 34.
"""

import functools

import numpy as np

from research.data import source, text, tokenization, windows

_SPLITS = ("train", "validation", "test")
_NAMES = ("Anna", "Ben", "Clara", "David", "Emma", "Felix", "Greta", "Hugo")
_SEES = ("sees", "hears", "finds", "greets", "paints", "feeds", "knows", "calls")
_ADJECTIVES = ("old", "young", "red", "small", "quick", "quiet", "brave", "happy")
_NOUNS = (
    *("dog", "cat", "bird", "horse", "king", "queen", "baker", "sailor"),
    *("farmer", "doctor", "teacher", "singer", "dancer", "painter", "robot", "frog"),
)
_FOLLOW = ("follow", "love", "help", "thank", "answer", "visit", "join", "trust")


def splits(path: str | None = None, **options) -> tuple[str, ...]:
    """Lists the splits; needs no path and takes the options of `load`."""
    return _SPLITS


def load(
    split: str,
    path: str | None = None,
    *,
    tokenizer: str = "word",
    vocabulary_size: int = 0,
    min_frequency: int = 1,
    lowercase: bool = False,
    length: int = 64,
    stride: int = 0,
    contiguous: bool = False,
    count: int = 2000,
    seed: int = 0,
) -> windows.Windows:
    """Makes one split: token (length + 1,) int32, as the source `text` does.

    Args:
      split: "train", "validation" or "test".
      path: not used.
      tokenizer, vocabulary_size, min_frequency, lowercase, length, stride, contiguous:
        see `text.load`.
      count: lines of "train", >= 4; the other two have a quarter of it each.
      seed: chooses the lines, >= 0.

    Raises:
      ValueError: an option is out of range.
    """
    source.check_split(split, _SPLITS, "synthetic text")
    windows.check(length, stride, contiguous)
    if count < 4:
        raise ValueError(
            f"synthetic text needs config.data.count >= 4, got {count}; use 2000"
        )
    asked = (tokenizer, vocabulary_size, min_frequency, lowercase)
    stored = _tokenizer(asked, count, seed)
    opened = tokenization.from_str(stored)
    return windows.Windows(
        [text.encode(opened, _write(split, count, seed))],
        length=length,
        stride=stride if split == "train" else 0,
        fill=split != "train",
        contiguous=contiguous,
        tokenizer=stored,
        vocabulary_size=opened.get_vocab_size(),
    )


@functools.lru_cache(maxsize=4)  # every split asks for it
def _tokenizer(asked: tuple, count: int, seed: int) -> str:
    name, vocabulary_size, min_frequency, lowercase = asked
    return tokenization.create(
        name,
        [_write("train", count, seed)],
        vocabulary_size=vocabulary_size,
        min_frequency=min_frequency,
        lowercase=lowercase,
    ).to_str()


def _write(split: str, count: int, seed: int) -> str:
    """Writes the text of a split, one line after another."""
    rng = np.random.default_rng((seed, _SPLITS.index(split)))
    lines = []
    for _ in range(count if split == "train" else count // 4):
        name, sees, adjective, noun, follow = (
            words[rng.integers(len(words))]
            for words in (_NAMES, _SEES, _ADJECTIVES, _NOUNS, _FOLLOW)
        )
        many = rng.integers(2)
        noun, verb = (noun + "s", follow) if many else (noun, follow + "s")
        lines.append(
            f"{name} {sees} the {adjective} {noun} . the {noun} {verb} {name} .\n"
        )
    return "".join(lines)

"""Learnable documents from a seed: for quick twins and tests, never a result.

A document is about one of four places; each sentence says what one of its people does
there, and everybody always does the same thing. So a hidden word follows from the
others, and a segment from another document mostly is about another place. Features as
in research/data/masked_text.py, with a vocabulary of words.
"""

import numpy as np

from research.data import masked_text, source, tokenization

_SPLITS = ("train", "validation", "test")
_SPECIAL = ("<pad>", "<unk>", "<cls>", "<sep>", "<mask>")
_PLACES = {
    "farm": "farmer feeds horse,shepherd guards sheep,dog chases cat,smith shoes mule",
    "ship": "captain steers boat,sailor mends sail,cook peels fish,gull follows wake",
    "town": "baker sells bread,teacher reads book,tailor sews coat,driver parks bus",
    "camp": "ranger lights fire,hiker reads map,scout carries tent,bear eats honey",
}


def splits(path: str | None = None, **options) -> tuple[str, ...]:
    """Lists the splits; needs no path and takes the options of `load`."""
    return _SPLITS


def load(
    split: str,
    path: str | None = None,
    *,
    length: int = 32,
    pairs: bool = True,
    count: int = 256,
    seed: int = 0,
) -> masked_text.MaskedText:
    """Makes one split.

    Args:
      split: "train", "validation" or "test".
      path: not used.
      length: tokens per example.
      pairs: see `masked_text.load`.
      count: documents of "train"; the other two have a quarter of it each.
      seed: chooses the documents, >= 0.

    Raises:
      ValueError: an option is out of range.
    """
    source.check_split(split, _SPLITS, "synthetic_documents")
    if length < 16 or count < 16:
        raise ValueError(
            "synthetic documents need a length and a count of at least 16, got "
            f"{length} and {count}; correct them"
        )
    rng = np.random.default_rng((seed, _SPLITS.index(split)))
    size = count if split == "train" else count // 4
    words = " ".join(_PLACES.values()).replace(",", " ").split()
    made = tokenization.create(
        "word", [*words, *_PLACES, "in", "the", "a", "."], special=_SPECIAL
    )
    texts = [_document(rng) for _ in range(size)]
    return masked_text.MaskedText(made, texts, length=length, pairs=pairs, seed=seed)


def _document(rng: np.random.Generator) -> list[str]:
    place = rng.choice(list(_PLACES))
    doings = [doing.split() for doing in _PLACES[place].split(",")]
    found = []
    for _ in range(rng.integers(6, 13)):
        who, does, what = doings[rng.integers(len(doings))]
        article = rng.choice(["the", "a"])
        where = f" in the {place}" if rng.random() < 0.5 else ""
        found.append(f"{article} {who} {does} the {what}{where} .")
    return found

"""Learnable sentences from a seed: for quick twins and tests, never a result.

A sentence praises or blames something; "not" turns it round. The label is which of the
two a sentence does; of pairs, whether both do the same; of scored pairs, how often the
two praise, times 2.5. Features as in research/data/text_table.py, with a vocabulary of
words.
"""

import numpy as np

from research.data import sentences, source

_SPLITS = ("train", "validation", "test")
_GOOD = "charming bright funny moving clever warm lively honest".split()
_BAD = "dull slow clumsy empty cold noisy tedious shallow".split()
_THINGS = "film plot story actor scene ending music cast script picture".split()
_VERBS = "is was seems remains".split()
_ADVERBS = "very rather truly often quite".split()
_CLASSES = {"class": ("blame", "praise"), "pair": ("differ", "agree"), "score": ()}


def splits(path: str | None = None, **options) -> tuple[str, ...]:
    """Lists the splits; needs no path and takes the options of `load`."""
    return _SPLITS


def load(
    split: str,
    path: str | None = None,
    *,
    kind: str = "class",
    length: int = 24,
    count: int = 2048,
    seed: int = 0,
) -> sentences.Sentences:
    """Makes one split.

    Args:
      split: "train", "validation" or "test".
      path: not used.
      kind: "class" of one sentence, "pair" or "score" of two.
      length: tokens per example, at least 24, so that none is cut.
      count: examples of "train"; the other two have a quarter of it each.
      seed: chooses the examples, >= 0.

    Raises:
      ValueError: an option is out of range.
    """
    source.check_split(split, _SPLITS, "synthetic_sentences")
    if kind not in _CLASSES or length < 24 or count < 4:
        raise ValueError(
            f"synthetic sentences need a kind of {', '.join(_CLASSES)}, a length of at "
            f"least 24 and a count of at least 4, got {kind!r}, {length} and {count}; "
            "correct them"
        )
    rng = np.random.default_rng((seed, _SPLITS.index(split)))
    size = count if split == "train" else count // 4
    praise = rng.integers(0, 2, (size, 1 if kind == "class" else 2))
    columns = [[_sentence(rng, each) for each in column] for column in praise.T]
    words = [*_GOOD, *_BAD, *_THINGS, *_VERBS, *_ADVERBS, "the", "and", "not"]
    tokenizer = sentences.make_tokenizer(
        "word", words, length=length, pairs=kind != "class", words="whitespace"
    )
    arrays = sentences.encode(tokenizer, columns)
    if kind == "score":
        arrays["label"] = 2.5 * praise.sum(axis=1, dtype=np.float32)
        sizes = {"num_classes": 1}
    else:
        same = praise[:, 0] if kind == "class" else praise[:, 0] == praise[:, 1]
        arrays["label"], sizes = same.astype(np.int32), {}
    return sentences.examples(arrays, _CLASSES[kind], tokenizer, sizes)


def _sentence(rng: np.random.Generator, praise: int) -> str:
    """Writes a sentence of 4 to 11 words that praises (1) or blames (0)."""
    turned = int(rng.random() < 0.2)
    words = ["the", rng.choice(_THINGS)]
    if rng.random() < 0.5:
        words += ["and", "the", rng.choice(_THINGS)]
    words.append(rng.choice(_VERBS))
    words += ["not"] * turned
    words += [rng.choice(_ADVERBS) for _ in range(rng.integers(0, 3))]
    words.append(rng.choice(_GOOD if praise != turned else _BAD))
    return " ".join(words)

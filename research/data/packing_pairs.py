"""Packs the sentences of documents into pairs of segments, as BERT's own code does."""

from typing import NamedTuple

import numpy as np

_SHORT = 0.1  # share of the documents whose examples aim at a shorter length


class Corpus(NamedTuple):
    """Tokens of all documents, one behind the other.

    Attributes:
      tokens: (n,) int32.
      sentences: (s + 1,) int64; sentence i is tokens[sentences[i] : sentences[i + 1]].
      documents: (d + 1,) int64, likewise of sentences.
    """

    tokens: np.ndarray
    sentences: np.ndarray
    documents: np.ndarray


def pack_pairs(corpus: Corpus, room: int, rng: np.random.Generator) -> np.ndarray:
    """Packs pairs of segments, one half of them from two documents.

    Args:
      corpus: of two documents at least.
      room: tokens of a pair, without special ones.
      rng: of every draw.

    Returns:
      (m, 5) int64: where A begins and ends in the tokens, likewise B, and whether B
      is from elsewhere.
    """
    found = []
    for document in range(len(corpus.documents) - 1):
        found += _pack_document(corpus, document, room, rng)
    return np.array(found, np.int64).reshape(-1, 5)


def _pack_document(corpus: Corpus, document: int, room: int, rng) -> list[tuple]:
    starts = corpus.sentences
    at, end = corpus.documents[document : document + 2]
    target = room if rng.random() >= _SHORT else int(rng.integers(2, room + 1))
    found = []
    while at < end:
        stop = at + 1
        while stop < end and starts[stop] - starts[at] < target:
            stop += 1
        cut = at + 1 if stop - at == 1 else int(rng.integers(at + 1, stop))
        random = stop - at == 1 or rng.random() < 0.5
        if random:
            missing = target - (starts[cut] - starts[at])
            first, last = _elsewhere(corpus, document, missing, rng)
            stop = cut  # the sentences behind A come again
        else:
            first, last = cut, stop
        a = (starts[at], starts[cut])
        b = (starts[first], starts[last])
        found.append((*_shortened(a, b, room, rng), random))
        at = stop
    return found


def _elsewhere(corpus: Corpus, document: int, missing: int, rng) -> tuple[int, int]:
    """Draws sentences of another document, as many as fill what is missing."""
    other = int(rng.integers(len(corpus.documents) - 2))
    other += other >= document
    begin, end = corpus.documents[other : other + 2]
    first = last = int(rng.integers(begin, end))
    last += 1
    while last < end and corpus.sentences[last] - corpus.sentences[first] < missing:
        last += 1
    return first, last


def _shortened(a, b, room: int, rng) -> tuple[int, int, int, int]:
    """Takes tokens off the longer segment, each in front or behind by chance."""
    lengths = [a[1] - a[0], b[1] - b[0]]
    excess = sum(lengths) - room
    if excess <= 0:
        return (*a, *b)
    # One by one from the longer, from B where they are equal: that ends here.
    shorter = min(lengths)
    if shorter <= room // 2:
        kept = [min(n, room - shorter) for n in lengths]
    else:
        kept = [room - room // 2, room // 2]
    ends = []
    for (start, stop), keep in zip((a, b), kept, strict=True):
        off = stop - start - keep
        front = int(rng.binomial(off, 0.5)) if off else 0
        ends += [start + front, start + front + keep]
    return tuple(ends)


def pack_singles(corpus: Corpus, room: int) -> np.ndarray:
    """Packs whole sentences of a document into segments; what is longer is cut behind.

    Returns:
      (m, 5) int64, as `pack_pairs`, with an empty B.
    """
    found, starts = [], corpus.sentences
    for document in range(len(corpus.documents) - 1):
        at, end = corpus.documents[document : document + 2]
        while at < end:
            stop = at + 1
            while stop < end and starts[stop + 1] - starts[at] <= room:
                stop += 1
            found.append(
                (starts[at], min(starts[stop], starts[at] + room), 0, 0, False)
            )
            at = stop
    return np.array(found, np.int64).reshape(-1, 5)

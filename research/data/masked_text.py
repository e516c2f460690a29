"""Text for BERT's pre-training: pairs of segments, packed from documents.

As the paper's section A.2 and its code (create_pretraining_data.py) have it: sentences
of a document follow each other until `length` tokens are full (a tenth of the examples
aims at a random shorter length); the first of them are segment A; B is in one half of
the examples what follows, in the other as much of another document. Pairs that are too
long lose tokens of the longer segment, in front or behind by chance. Which tokens are
masked is drawn in training, anew each time: research/tasks/masked_language_modeling.py.

Features: `token` and `type` (length,) int32; `word` (length,) int32, the number of the
word that a token belongs to, -1 for what is never masked: special tokens and padding;
`length` () int32; `mask_token` () int32, the id of [MASK], the same always; and with
pairs `label` () int32, 0 where B follows A and 1 where it does not.
"""

from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer

from research.data import documents, packing_pairs, source, tokenization

_NEEDED = ("cls", "sep", "mask", "pad")
_CHUNK = 1_000  # documents that are encoded at once
# Special tokens of a word vocabulary made from the text.
_SPECIAL = {"word": ("<pad>", "<unk>", "<cls>", "<sep>", "<mask>")}


def splits(path: str | None, **options) -> tuple[str, ...]:
    """Lists the splits that have a file; takes the options of `load`."""
    return tuple(documents.files(path))


def load(
    split: str,
    path: str | None,
    *,
    format: str = "plain",
    length: int = 128,
    pairs: bool = True,
    passes: int = 1,
    tokenizer: str = "wordpiece",
    vocabulary_size: int = 0,
    min_frequency: int = 1,
    lowercase: bool = False,
    seed: int = 0,
) -> "MaskedText":
    """Packs one split; the tokens lie in memory once, examples are assembled on demand.

    Args:
      split: "train", "validation" or "test".
      path: folder of the texts.
      format: "plain" or "wikitext", see research/data/documents.py.
      length: tokens per example, with [CLS] and [SEP].
      pairs: pack pairs for next sentence prediction; else one segment per example.
      passes: times that "train" is packed, each time into other pairs.
      tokenizer: "wordpiece" or "word", made from "train", or a file of one.
      vocabulary_size: most tokens.
      min_frequency: what occurs less often in "train" gets no token of its own.
      lowercase: make capitals small (word, wordpiece).
      seed: of the packing.

    Raises:
      FileNotFoundError: the folder or a file is missing.
      ValueError: a text is empty or no UTF-8, or an option is out of range.
    """
    _check_options(format, length, pairs, passes)
    found = documents.files(path)
    source.check_split(split, tuple(found), f"text folder {path}")

    def learnt():  # "<unk>" is left out of the text that makes a vocabulary
        for document in documents.read(found.get("train", found[split]), format):
            yield from document

    made = tokenization.create(
        tokenizer,
        learnt(),
        vocabulary_size=vocabulary_size,
        min_frequency=min_frequency,
        lowercase=lowercase,
        special=_SPECIAL.get(tokenizer),
    )
    unknown = _unknown(made, tokenizer)
    texts = documents.read(found[split], format, unknown)
    passes = passes if split == "train" else 1
    return MaskedText(made, texts, length=length, pairs=pairs, passes=passes, seed=seed)


def _unknown(made: Tokenizer, name: str) -> str:
    """Returns the unknown token, having checked that there are those for masking."""
    ids = tokenization.special_ids(made)
    lacking = [role for role in _NEEDED if getattr(ids, role) is None]
    if lacking:
        raise ValueError(
            f"masking needs a tokenizer with a {lacking[0]} token, got {name!r}; use "
            "'wordpiece', 'word' or BERT's vocab.txt"
        )
    return "" if ids.unk is None else made.id_to_token(ids.unk)


class MaskedText:
    """Segments packed from documents; see the file's description."""

    in_memory = True

    def __init__(
        self,
        tokenizer: Tokenizer,
        texts: Sequence[Sequence[str]],
        *,
        length: int,
        pairs: bool,
        passes: int = 1,
        seed: int = 0,
    ):
        """Encodes and packs.

        Args:
          tokenizer: with tokens for mask, padding, begin and separation.
          texts: documents of sentences.
          length: tokens per example.
          pairs: as `load` takes it.
          passes: likewise.
          seed: likewise.

        Raises:
          ValueError: pairs of a single document are asked for.
        """
        if pairs and len(texts) < 2:
            raise ValueError(
                "next sentence prediction needs two documents at least, got one; put "
                "blank lines between documents, or set config.data.pairs=False"
            )
        self.corpus = _encode(tokenizer, texts)
        if pairs:
            generators = (np.random.default_rng((seed, k)) for k in range(passes))
            self.records = np.concatenate(
                [
                    packing_pairs.pack_pairs(self.corpus, length - 3, g)
                    for g in generators
                ]
            )
        else:
            self.records = packing_pairs.pack_singles(self.corpus, length - 2)
        self.length, self.pairs = length, pairs
        self._ids = tokenization.special_ids(tokenizer)
        self._begins = _word_beginnings(tokenizer)
        row, one = source.Feature((length,), "int32"), source.Feature((), "int32")
        features = {"token": row, "type": row, "word": row}
        features |= {"length": one, "mask_token": one}
        self.spec = source.Spec(
            features=features | ({"label": one} if pairs else {}),
            sizes={"vocab_size": tokenizer.get_vocab_size()},
            tokenizers={"token": tokenizer.to_str()},
        )

    def __len__(self) -> int:
        return len(self.records)

    def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Assembles examples; see `source.Source.gather`."""
        shape, ids = (len(indices), self.length), self._ids
        batch = {
            "token": np.full(shape, ids.pad, np.int32),
            "type": np.zeros(shape, np.int32),
            "word": np.full(shape, -1, np.int32),
            "length": np.empty(len(indices), np.int32),
            "mask_token": np.full(len(indices), ids.mask, np.int32),
        }
        for row, record in enumerate(self.records[np.asarray(indices)]):
            a, b = (self.corpus.tokens[slice(*record[i : i + 2])] for i in (0, 2))
            first = len(a) + 2  # behind [CLS] A [SEP]
            last = first + len(b) + 1 if self.pairs else first
            token = batch["token"][row]
            token[[0, first - 1, last - 1]] = ids.cls, ids.sep, ids.sep
            token[1 : first - 1], token[first : last - 1] = a, b
            batch["type"][row, first:last] = 1
            begins = self._begins[np.concatenate([a, b])]
            begins[[0, len(a)][: 1 + bool(len(b))]] = True  # a cut word counts as one
            words = np.cumsum(begins, dtype=np.int32) - 1
            batch["word"][row, 1 : first - 1] = words[: len(a)]
            batch["word"][row, first : last - 1] = words[len(a) :]
            batch["length"][row] = last
        if self.pairs:
            batch["label"] = self.labels()[indices]
        return batch

    def labels(self) -> np.ndarray | None:
        """Reads whether B is from elsewhere; see `source.Source.labels`."""
        return self.records[:, 4].astype(np.int32) if self.pairs else None


def _encode(tokenizer: Tokenizer, texts) -> packing_pairs.Corpus:
    """Encodes documents, leaving out sentences without a token."""
    tokens, lengths = [], []
    for first in range(0, len(texts), _CHUNK):
        sentences = [s for document in texts[first : first + _CHUNK] for s in document]
        found = tokenization.encode(tokenizer, sentences)
        tokens.append(found[0])
        lengths.append(found[1])
    lengths = np.concatenate(lengths)
    counts = np.array([len(document) for document in texts])
    document = np.repeat(np.arange(len(texts)), counts)[lengths > 0]
    counts = np.bincount(document, minlength=len(texts))
    counts = counts[counts > 0]
    return packing_pairs.Corpus(
        np.concatenate(tokens),
        np.concatenate([[0], np.cumsum(lengths[lengths > 0])]),
        np.concatenate([[0], np.cumsum(counts)]),
    )


def _word_beginnings(tokenizer: Tokenizer) -> np.ndarray:
    """Tells of each token whether a word begins with it, (v,) bool.

    WordPiece marks what goes on with "##"; byte-level pairs mark a blank in front.
    """
    names = [tokenizer.id_to_token(i) or "" for i in range(tokenizer.get_vocab_size())]
    if any(name.startswith("##") for name in names):
        return np.array([not name.startswith("##") for name in names])
    if any(name.startswith("Ġ") for name in names):
        return np.array([name.startswith("Ġ") for name in names])
    return np.ones(len(names), bool)


def _check_options(format: str, length: int, pairs: bool, passes: int) -> None:
    if format not in documents.FORMATS:
        raise ValueError(
            f"config.data.format must be one of {', '.join(documents.FORMATS)}, got "
            f"{format!r}; correct it"
        )
    if length < 8 or passes < 1:
        raise ValueError(
            "config.data.length must be at least 8 and passes at least 1, got "
            f"{length} and {passes}; use 128 and 1"
        )
    if passes > 1 and not pairs:
        raise ValueError(
            f"config.data.passes={passes} packs other pairs each time, but pairs=False "
            "makes none; set it to 1"
        )

"""Pairs of sentences as a source: a text and its translation, as padded token ids.

Features: source (s,) and target (t,) int32: "<sos>", the tokens, "<eos>", and then
"<pad>", which is 0. The lengths s and t are the same for all splits. Of "train", pairs
that are longer on either side are left out; elsewhere, sentences are cut before their
"<eos>", while `texts`, by which translations are judged, stay whole.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer, processors

from research.data import source, tokenization

SPECIAL = ("<pad>", "<unk>", "<sos>", "<eos>")
SIDES = ("source", "target")


@dataclass(frozen=True)
class Options:
    """How sentences become ids; see `parallel_text.load`."""

    tokenizer: str
    vocabulary_size: int
    min_frequency: int
    lowercase: bool
    source_length: int
    target_length: int


@dataclass(frozen=True)
class Vocabulary:
    """What the training pairs decide for all splits: for source and target each,

    Attributes:
      tokenizers: as JSON; `Tokenizer.encode` adds "<sos>" and "<eos>".
      sizes: of the vocabularies.
      lengths: s and t.
    """

    tokenizers: tuple[str, str]
    sizes: tuple[int, int]
    lengths: tuple[int, int]


class Pairs:
    """A source of the features `source` and `target`; both stored without padding."""

    in_memory = True

    def __init__(
        self,
        ids: Sequence[np.ndarray],
        lengths: Sequence[np.ndarray],
        texts: Sequence[Sequence[str]],
        vocabulary: Vocabulary,
    ):
        """Prepares the pairs.

        Args:
          ids: of source and target each, all sentences one after another, (tokens,).
          lengths: of each sentence (n,), in tokens.
          texts: the n sentences as they were written.
          vocabulary: of which they are.
        """
        self.ids, self.lengths, self._texts = ids, lengths, texts
        self._starts = [np.cumsum(count) - count for count in lengths]
        self.spec = source.Spec(
            features={
                side: source.Feature((length,), "int32")
                for side, length in zip(SIDES, vocabulary.lengths, strict=True)
            },
            sizes={
                f"{side}_vocab_size": size
                for side, size in zip(SIDES, vocabulary.sizes, strict=True)
            },
            tokenizers=dict(zip(SIDES, vocabulary.tokenizers, strict=True)),
        )

    def __len__(self) -> int:
        return len(self.lengths[0])

    def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Reads pairs; see `source.Source.gather`."""
        batch = {}
        for side, ids, lengths, starts in zip(
            SIDES, self.ids, self.lengths, self._starts, strict=True
        ):
            place = np.arange(self.spec.features[side].shape[0])
            real = place < lengths[indices][:, None]
            at = np.where(real, starts[indices][:, None] + place, 0)
            batch[side] = np.where(real, ids[at], np.int32(0))
        return batch

    def labels(self) -> None:
        """Reads all labels; pairs have none."""
        return None

    def token_counts(self) -> np.ndarray:
        """Counts the tokens of every pair, (n,), both sides together."""
        return self.lengths[0] + self.lengths[1]

    def texts(self, name: str, indices: np.ndarray | None = None) -> list[str]:
        """Reads sentences of "source" or "target" as they were written; None: all."""
        lines = self._texts[SIDES.index(name)]
        return list(lines) if indices is None else [lines[index] for index in indices]

    def padding(self) -> tuple[float, float]:
        """Returns the share of source and of target that is padding, in [0, 1)."""
        shapes = (feature.shape[0] for feature in self.spec.features.values())
        return tuple(
            1 - float(lengths.mean()) / width
            for lengths, width in zip(self.lengths, shapes, strict=True)
        )


def learn(texts: tuple[list[str], list[str]], options: Options) -> Vocabulary:
    """Builds the vocabularies from the training pairs, and finds the lengths.

    Raises:
      ValueError: an option is out of range, or a tokenizer from files lacks a mark.
    """
    asked = (options.source_length, options.target_length)
    for side, length in zip(SIDES, asked, strict=True):
        if length != 0 and length < 3:
            raise ValueError(
                f"config.data.{side}_length counts <sos> and <eos> and must exceed 2 "
                f"(0: as the longest sentence), got {length}; correct it"
            )
    if options.tokenizer in ("word", "char"):
        tokenizers = [_tokenizer(lines, options) for lines in texts]
    else:
        tokenizers = [_tokenizer([*texts[0], *texts[1]], options)] * 2
    lengths = [
        length or int(tokenization.encode(tokenizer, lines, special=True)[1].max())
        for length, tokenizer, lines in zip(asked, tokenizers, texts, strict=True)
    ]
    return Vocabulary(
        tokenizers=tuple(tokenizer.to_str() for tokenizer in tokenizers),
        sizes=tuple(tokenizer.get_vocab_size() for tokenizer in tokenizers),
        lengths=tuple(lengths),
    )


def make(
    texts: tuple[Sequence[str], Sequence[str]], vocabulary: Vocabulary, training: bool
) -> Pairs:
    """Makes the source of one split; says how many pairs were too long.

    Args:
      texts: n sentences, and their n translations.
      vocabulary: from `learn`.
      training: whether pairs that are too long are left out, or cut.
    """
    encoded = [
        tokenization.encode(tokenization.from_str(text), lines, special=True)
        for text, lines in zip(vocabulary.tokenizers, texts, strict=True)
    ]
    fits = [
        lengths <= most
        for (_, lengths), most in zip(encoded, vocabulary.lengths, strict=True)
    ]
    kept = fits[0] & fits[1] if training else np.ones(len(fits[0]), bool)
    sides = [
        _keep(ids, lengths, kept, most)
        for (ids, lengths), most in zip(encoded, vocabulary.lengths, strict=True)
    ]
    chosen = np.flatnonzero(kept)
    made = Pairs(
        ids=[ids for ids, _ in sides],
        lengths=[lengths for _, lengths in sides],
        texts=[[lines[index] for index in chosen] for lines in texts],
        vocabulary=vocabulary,
    )
    if len(made):
        logging.info(
            "%d pairs; %d are longer than %d and %d tokens and were %s; padding is "
            "%.0f %% of source and %.0f %% of target",
            len(made),
            len(fits[0]) - int((fits[0] & fits[1]).sum()),
            *vocabulary.lengths,
            "left out" if training else "cut",
            *(100 * share for share in made.padding()),
        )
    return made


def _keep(
    ids: np.ndarray, lengths: np.ndarray, kept: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Leaves out sentences and cuts those longer than `most`; returns both again."""
    ends = np.cumsum(lengths)
    place = np.arange(len(ids)) - np.repeat(ends - lengths, lengths)
    # Of a sentence that is cut, the last token stays: "<eos>".
    last = np.arange(len(ids)) == np.repeat(ends - 1, lengths)
    stays = np.repeat(kept, lengths) & ((place < most - 1) | last)
    return ids[stays], np.minimum(lengths, most)[kept]


def _tokenizer(lines: Sequence[str], options: Options) -> Tokenizer:
    """Builds or opens a tokenizer that puts <sos> and <eos> around a sentence."""
    if options.tokenizer in ("byte", "wordpiece"):
        raise ValueError(
            f"tokenizer {options.tokenizer!r} has no <pad> with id 0 beside <sos> and "
            "<eos>, which pairs need; use 'word', 'char', 'bpe' or a path"
        )
    built = options.tokenizer in ("word", "char", "bpe")
    made = tokenization.create(
        options.tokenizer,
        lines,
        vocabulary_size=options.vocabulary_size,
        min_frequency=options.min_frequency if built else 1,
        lowercase=options.lowercase and built,
        split="punctuation" if options.tokenizer == "word" else "whitespace",
        special=SPECIAL if built else None,
    )
    special = tokenization.special_ids(made)
    if special.pad != 0 or special.bos is None or special.eos is None:
        raise ValueError(
            f"tokenizer {options.tokenizer} must have <pad> with id 0, <sos> and <eos> "
            f"for pairs, got ids {special.pad}, {special.bos} and {special.eos}; use "
            "'word', 'char' or 'bpe'"
        )
    names = [made.id_to_token(number) for number in (special.bos, special.eos)]
    made.post_processor = processors.TemplateProcessing(
        single=[names[0], "$A", names[1]],
        special_tokens=list(zip(names, (special.bos, special.eos), strict=True)),
    )
    return made

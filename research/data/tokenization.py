"""Tokenizers, each one a `tokenizers.Tokenizer`: built from text, or from files.

By name, built from the training text:

- "word": what stands between blanks; frequent words have small ids. With
  split="punctuation" every sign of punctuation is a word as well, see
  `tokenizer_kinds`.
- "char": every character, blanks and line ends too, in the order of their codes.
- "byte": the 256 bytes of UTF-8, id = byte; needs no text.
- "bpe": byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019).
- "wordpiece": BERT's (Schuster & Nakajima 2012), [CLS] and [SEP] around sentences.

Anything else is a path, see `tokenizer_files`. Decoding gives back the text exactly for
"char", "byte" and "bpe"; words are joined with blanks.
"""

import itertools
import pathlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer, models

from research.data import tokenizer_files, tokenizer_kinds

# What publishers call the special tokens, by role; the first that a tokenizer has.
_NAMES = {
    "pad": ("<pad>", "[PAD]"),
    "unk": ("<unk>", "[UNK]"),
    "bos": ("<sos>", "<bos>", "<s>", "<|startoftext|>", "<|endoftext|>"),
    "eos": ("<eos>", "</s>", "<|endoftext|>"),
    "mask": ("<mask>", "[MASK]"),
    "cls": ("[CLS]", "<cls>", "<s>"),
    "sep": ("[SEP]", "<sep>", "</s>"),
}


class SpecialIds(NamedTuple):
    """Ids of the special tokens by role; None for a role that no token has."""

    pad: int | None
    unk: int | None
    bos: int | None
    eos: int | None
    mask: int | None
    cls: int | None
    sep: int | None


def create(
    name: str,
    texts: Iterable[str] = (),
    *,
    vocabulary_size: int = 0,
    min_frequency: int = 1,
    lowercase: bool = False,
    split: str = "whitespace",
    special: Sequence[str] | None = None,
) -> Tokenizer:
    """Builds the tokenizer of that name, or opens it from files.

    Args:
      name: "word", "char", "byte", "bpe", "wordpiece", or a path.
      texts: the training text in pieces, such as lines; files and "byte" read none.
      vocabulary_size: most tokens, the special ones included; 0: no limit for words and
        characters, and whatever files hold. "bpe" and "wordpiece" need it.
      min_frequency: rarer words, characters and pairs of symbols get no token. Above 1,
        or with a limit, "char" has "<unk>" as well.
      lowercase: whether capitals become small letters.
      split: "word" only: "whitespace" or "punctuation".
      special: names of the special tokens, which get the first ids ("byte": the last);
        None takes those that belong to the kind.

    Raises:
      ValueError: an unknown name, an empty text, or an option that does not fit.
      FileNotFoundError: a file that belongs to the path is missing.
    """
    options = tokenizer_kinds.Options(
        vocabulary_size,
        min_frequency,
        lowercase,
        split,
        None if special is None else tuple(special),
    )
    tokenizer_kinds.check(name, options)
    if name not in tokenizer_kinds.BUILDERS:
        return from_str(tokenizer_files.open_path(name, vocabulary_size).to_str())
    if name != "byte":
        texts = _some(name, texts)
    return from_str(tokenizer_kinds.BUILDERS[name](texts, options).to_str())


def from_str(text: str) -> Tokenizer:
    """Opens what `Tokenizer.to_str` wrote: the same tokenizer, ready for use here."""
    opened = Tokenizer.from_str(text)
    opened.no_padding()
    opened.no_truncation()
    # "a<unk>" is one word. Elsewhere a special token counts wherever it is written.
    opened.encode_special_tokens = isinstance(opened.model, models.WordLevel)
    return opened


def beside(weights: pathlib.Path) -> Tokenizer:
    """Opens the tokenizer whose files lie beside published weights, or in a folder."""
    return create(str(weights if weights.is_dir() else weights.parent))


def special_ids(tokenizer: Tokenizer) -> SpecialIds:
    """Finds the special tokens among the tokenizer's added tokens."""
    added = tokenizer.get_added_tokens_decoder().items()
    ids = {token.content: number for number, token in added}
    found = {
        role: next((ids[name] for name in names if name in ids), None)
        for role, names in _NAMES.items()
    }
    return SpecialIds(**found)


def encode(
    tokenizer: Tokenizer, texts: Sequence[str], *, special: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Encodes many texts at once, on all cores.

    Args:
      tokenizer: any.
      texts: n strings.
      special: whether to add what the tokenizer itself puts around a sentence.

    Returns:
      All ids one after another, (tokens,) int32, and the length of each text (n,).

    Raises:
      ValueError: a character that a tokenizer without "<unk>" does not know.
    """
    try:
        encoded = tokenizer.encode_batch_fast(texts, add_special_tokens=special)
    except Exception as error:  # the library raises nothing narrower
        raise ValueError(_unknown(tokenizer, texts, error)) from error
    lengths = np.fromiter((len(e) for e in encoded), np.int64, len(encoded))
    ids = itertools.chain.from_iterable(e.ids for e in encoded)
    return np.fromiter(ids, np.int32, int(lengths.sum())), lengths


def _unknown(tokenizer: Tokenizer, texts: Sequence[str], error: Exception) -> str:
    """Says which word or character has no token."""
    splitter = tokenizer.pre_tokenizer
    for text in texts if splitter is not None else ():
        if tokenizer.normalizer is not None:
            text = tokenizer.normalizer.normalize_str(text)
        for piece, _ in splitter.pre_tokenize_str(text):
            if tokenizer.token_to_id(piece) is None:
                return (
                    f"the tokenizer knows {tokenizer.get_vocab_size()} tokens and no "
                    f"<unk>, got {piece!r}, which its training text lacks; leave it "
                    "out, or train with the tokenizer 'byte'"
                )
    return f"the text cannot be tokenized ({error}); use another tokenizer"


def _some(name: str, texts: Iterable[str]) -> Iterable[str]:
    """Passes the texts on, checking that there is anything in them."""
    texts = iter(texts)
    for text in texts:
        if text.strip():
            return itertools.chain([text], texts)
    raise ValueError(f"tokenizer {name!r} needs a text to learn from, got an empty one")

"""Tokenizers, each one a `tokenizers.Tokenizer`: built from text, or from files.

By name, built from the training text:

- "word": what stands between blanks; frequent words have small ids. With
  split="punctuation" every sign of punctuation is a word as well, see `_SIGNS`.
- "char": every character, blanks and line ends too, in the order of their codes.
- "byte": the 256 bytes of UTF-8, id = byte; needs no text.
- "bpe": byte-level byte-pair encoding (Sennrich et al. 2016; Radford et al. 2019).
- "wordpiece": BERT's (Schuster & Nakajima 2012), [CLS] and [SEP] around sentences.

Anything else is a path, see `tokenizer_files`. Decoding gives back the text exactly for
"char", "byte" and "bpe"; words are joined with blanks.
"""

import difflib
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    trainers,
)

from research.data import tokenizer_files

_NO_LIMIT = 2**31
# split="punctuation": a number with its points; letters, with the hyphens and
# apostrophes inside; or any other sign.
_SIGNS = r"\d+(?:[.,:]\d+)*|[\p{L}\p{M}\d]+(?:[-'’][\p{L}\p{M}\d]+)*|\S"
_SPLITS = {
    "whitespace": pre_tokenizers.WhitespaceSplit(),
    "punctuation": pre_tokenizers.Split(Regex(_SIGNS), "removed", invert=True),
}

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


@dataclass(frozen=True)
class _Options:
    """What `create` was asked for; see there."""

    vocabulary_size: int
    min_frequency: int
    lowercase: bool
    split: str
    special: tuple[str, ...] | None


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
    options = _Options(
        vocabulary_size,
        min_frequency,
        lowercase,
        split,
        None if special is None else tuple(special),
    )
    _check(name, options)
    if name not in _BUILDERS:
        return from_str(tokenizer_files.open_path(name, vocabulary_size).to_str())
    if name != "byte":
        texts = _some(name, texts)
    return from_str(_BUILDERS[name](texts, options).to_str())


def from_str(text: str) -> Tokenizer:
    """Opens what `Tokenizer.to_str` wrote: the same tokenizer, ready for use here."""
    opened = Tokenizer.from_str(text)
    opened.no_padding()
    opened.no_truncation()
    # "a<unk>" is one word. Elsewhere a special token counts wherever it is written.
    opened.encode_special_tokens = isinstance(opened.model, models.WordLevel)
    return opened


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
    tokenizer: Tokenizer,
    texts: Sequence[str],
    *,
    end: int | None = None,
    special: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Encodes many texts at once, on all cores.

    Args:
      tokenizer: any.
      texts: n strings.
      end: id to append to every text; None appends nothing.
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
    last = () if end is None else (end,)
    lengths = np.fromiter((len(e) for e in encoded), np.int64, len(encoded))
    lengths += len(last)
    ids = itertools.chain.from_iterable(itertools.chain(e.ids, last) for e in encoded)
    return np.fromiter(ids, np.int32, int(lengths.sum())), lengths


def _unknown(tokenizer: Tokenizer, texts: Sequence[str], error: Exception) -> str:
    """Says which word or character has no token."""
    for text in texts:
        if tokenizer.normalizer is not None:
            text = tokenizer.normalizer.normalize_str(text)
        for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text):
            if tokenizer.token_to_id(piece) is None:
                return (
                    f"the tokenizer knows {tokenizer.get_vocab_size()} tokens and no "
                    f"<unk>, got {piece!r}, which its training text lacks; use the "
                    "tokenizer 'byte', or 'char' with min_frequency=2"
                )
    return f"the text cannot be tokenized ({error}); use another tokenizer"


def _check(name: str, options: _Options) -> None:
    """Checks the name, and that each option means something for it."""
    if name not in _BUILDERS and not os.path.exists(os.path.expanduser(name)):
        near = difflib.get_close_matches(name, _BUILDERS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(
            f"tokenizer {name!r} is neither a file or folder nor a kind; {hint}kinds "
            f"are: {', '.join(_BUILDERS)}"
        )
    built = name in _BUILDERS and name != "byte"
    rules = {
        "min_frequency": built or options.min_frequency == 1,
        "lowercase": built or not options.lowercase,
        "split": name == "word" or options.split == "whitespace",
        "special": name in _BUILDERS or options.special is None,
        "vocabulary_size": name != "byte" or options.vocabulary_size == 0,
    }
    for option, holds in rules.items():
        if not holds:
            raise ValueError(
                f"tokenizer {name!r} has no option {option}, got "
                f"{getattr(options, option)!r}; leave it out"
            )
    if options.split not in _SPLITS:
        raise ValueError(
            f"split must be {' or '.join(_SPLITS)}, got {options.split!r}; use one"
        )
    if options.min_frequency < 1:
        raise ValueError(
            f"min_frequency must be at least 1, got {options.min_frequency}; use 1 to "
            "keep all"
        )
    least = len(_special(name, options)) + {"bpe": 256, "wordpiece": 100}.get(name, 1)
    unlimited = name not in ("bpe", "wordpiece") and options.vocabulary_size == 0
    if options.vocabulary_size < least and not unlimited:
        raise ValueError(
            f"tokenizer {name!r} needs a vocabulary_size of at least {least}, got "
            f"{options.vocabulary_size}; set it, for example to 8000"
        )


def _some(name: str, texts: Iterable[str]) -> Iterable[str]:
    """Passes the texts on, checking that there is anything in them."""
    texts = iter(texts)
    for text in texts:
        if text.strip():
            return itertools.chain([text], texts)
    raise ValueError(f"tokenizer {name!r} needs a text to learn from, got an empty one")


def _special(name: str, options: _Options) -> tuple[str, ...]:
    """Names of the special tokens: as asked, or those of the kind."""
    if options.special is not None:
        return options.special
    if name == "char":
        rare = options.min_frequency > 1 or options.vocabulary_size > 0
        return ("<unk>",) if rare else ()
    return {
        "word": ("<unk>", "<eos>"),
        "bpe": ("<|endoftext|>",),
        "wordpiece": ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    }.get(name, ())


def _lowercase(options: _Options) -> normalizers.Normalizer:
    return normalizers.Sequence([normalizers.Lowercase()] if options.lowercase else [])


def _word(texts: Iterable[str], options: _Options) -> Tokenizer:
    special = _special("word", options)
    counted = Tokenizer(models.WordLevel())
    counted.normalizer = _lowercase(options)
    counted.pre_tokenizer = _SPLITS[options.split]
    trainer = trainers.WordLevelTrainer(
        vocab_size=_NO_LIMIT,
        min_frequency=options.min_frequency,
        special_tokens=[],
        show_progress=False,
    )
    counted.train_from_iterator(texts, trainer)
    ranks = counted.get_vocab()
    # Not left to the trainer: of a special token that the text holds it makes a gap.
    words = [w for w in sorted(ranks, key=ranks.get) if w not in special]
    built = _word_level((*special, *words), options, special)
    built.pre_tokenizer = _SPLITS[options.split]
    return built


def _char(texts: Iterable[str], options: _Options) -> Tokenizer:
    special = _special("char", options)
    normalizer, counts = _lowercase(options), Counter()
    for text in texts:
        counts.update(normalizer.normalize_str(text))
    frequent = sorted(counts, key=lambda c: (-counts[c], c))
    if options.vocabulary_size:
        frequent = frequent[: options.vocabulary_size - len(special)]
    kept = sorted(c for c in frequent if counts[c] >= options.min_frequency)
    built = _word_level((*special, *kept), options, special)
    built.pre_tokenizer = pre_tokenizers.FixedLength(1)
    built.decoder = decoders.Fuse()
    return built


def _word_level(
    tokens: Sequence[str], options: _Options, special: Sequence[str]
) -> Tokenizer:
    """Makes the tokenizer whose ids are the places in `tokens`, up to the limit."""
    tokens = tokens[: options.vocabulary_size or None]
    model = models.WordLevel({token: i for i, token in enumerate(tokens)}, "<unk>")
    built = Tokenizer(model)
    built.normalizer = _lowercase(options)
    built.add_special_tokens(list(special))
    return built


def _byte(texts: Iterable[str], options: _Options) -> Tokenizer:
    # The library writes a byte as a visible character: itself, or one from 256 on.
    visible = (*range(33, 127), *range(161, 173), *range(174, 256))
    hidden = itertools.count(256)
    signs = [chr(b if b in visible else next(hidden)) for b in range(256)]
    built = Tokenizer(models.BPE({sign: b for b, sign in enumerate(signs)}, []))
    built.pre_tokenizer = pre_tokenizers.ByteLevel(
        add_prefix_space=False, use_regex=False
    )
    built.decoder = decoders.ByteLevel()
    built.add_special_tokens(list(_special("byte", options)))
    return built


def _bpe(texts: Iterable[str], options: _Options) -> Tokenizer:
    built = Tokenizer(models.BPE())
    built.normalizer = _lowercase(options)
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=options.vocabulary_size,
        min_frequency=options.min_frequency,
        special_tokens=list(_special("bpe", options)),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    built.train_from_iterator(texts, trainer)
    return built


def _wordpiece(texts: Iterable[str], options: _Options) -> Tokenizer:
    special = _special("wordpiece", options)
    built = tokenizer_files.bert({}, options.lowercase)
    trainer = trainers.WordPieceTrainer(
        vocab_size=options.vocabulary_size,
        min_frequency=options.min_frequency,
        limit_alphabet=options.vocabulary_size // 2,
        special_tokens=list(special),
        show_progress=False,
    )
    built.train_from_iterator(texts, trainer)
    tokenizer_files.add_sentence_marks(built)
    return built


_BUILDERS = {
    "word": _word,
    "char": _char,
    "byte": _byte,
    "bpe": _bpe,
    "wordpiece": _wordpiece,
}

"""Builds tokenizers from a training text, one function for each kind.

`tokenization.create` says what each is and checks the options.
"""

import difflib
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
# split="punctuation": a number with its points; an English contraction ("n't", "'s");
# letters with the hyphens between them, up to a contraction; or any other sign.
_LETTERS = r"[\p{L}\p{M}\d]+"
_SIGNS = (
    rf"\d+(?:[.,:]\d+)*|n['’]t|['’](?:s|m|d|ll|re|ve)\b|{_LETTERS}(?=n['’]t\b)"
    rf"|{_LETTERS}(?:-{_LETTERS})*|\S"
)
SPLITS = {
    "whitespace": pre_tokenizers.WhitespaceSplit(),
    "punctuation": pre_tokenizers.Split(Regex(_SIGNS), "removed", invert=True),
}


@dataclass(frozen=True)
class Options:
    """What `tokenization.create` was asked for; see there."""

    vocabulary_size: int
    min_frequency: int
    lowercase: bool
    split: str
    special: tuple[str, ...] | None


def check(name: str, options: Options) -> None:
    """Checks the name, and that each option means something for it.

    Raises:
      ValueError: it is no kind and no path, or an option is out of place or of range.
    """
    if name not in BUILDERS and not os.path.exists(os.path.expanduser(name)):
        near = difflib.get_close_matches(name, BUILDERS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(
            f"tokenizer {name!r} is neither a file or folder nor a kind; {hint}kinds "
            f"are: {', '.join(BUILDERS)}"
        )
    built = name in BUILDERS and name != "byte"
    rules = {
        "min_frequency": built or options.min_frequency == 1,
        "lowercase": built or not options.lowercase,
        "split": name == "word" or options.split == "whitespace",
        "special": name in BUILDERS or options.special is None,
        "vocabulary_size": name != "byte" or options.vocabulary_size == 0,
    }
    for option, holds in rules.items():
        if not holds:
            raise ValueError(
                f"tokenizer {name!r} has no option {option}, got "
                f"{getattr(options, option)!r}; leave it out"
            )
    if options.split not in SPLITS:
        raise ValueError(
            f"split must be {' or '.join(SPLITS)}, got {options.split!r}; use one"
        )
    if options.min_frequency < 1:
        raise ValueError(
            f"min_frequency must be at least 1, got {options.min_frequency}; use 1 to "
            "keep all"
        )
    least = {"bpe": 256, "wordpiece": 100}.get(name, 1)
    least += len(special_names(name, options))
    unlimited = name not in ("bpe", "wordpiece") and options.vocabulary_size == 0
    if options.vocabulary_size < least and not unlimited:
        raise ValueError(
            f"tokenizer {name!r} needs a vocabulary_size of at least {least}, got "
            f"{options.vocabulary_size}; set it, for example to 8000"
        )


def special_names(name: str, options: Options) -> tuple[str, ...]:
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


def _lowercase(options: Options) -> normalizers.Normalizer:
    return normalizers.Sequence([normalizers.Lowercase()] if options.lowercase else [])


def _word(texts: Iterable[str], options: Options) -> Tokenizer:
    special = special_names("word", options)
    splitter = SPLITS[options.split]
    words = _words(texts, _lowercase(options), splitter, options.min_frequency)
    # Not left to a trainer: of a special token that the text holds it makes a gap.
    words = [word for word in words if word not in special]
    built = _word_level((*special, *words), options, special)
    built.pre_tokenizer = splitter
    return built


def _words(texts: Iterable[str], normalizer, splitter, min_frequency: int) -> list[str]:
    """Lists the words of texts, the most frequent first, then by their characters."""
    counted = Tokenizer(models.WordLevel())
    counted.normalizer, counted.pre_tokenizer = normalizer, splitter
    trainer = trainers.WordLevelTrainer(
        vocab_size=_NO_LIMIT,
        min_frequency=min_frequency,
        special_tokens=[],
        show_progress=False,
    )
    counted.train_from_iterator(texts, trainer)
    ranks = counted.get_vocab()
    return sorted(ranks, key=ranks.get)


def _char(texts: Iterable[str], options: Options) -> Tokenizer:
    special = special_names("char", options)
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
    tokens: Sequence[str], options: Options, special: Sequence[str]
) -> Tokenizer:
    """Makes the tokenizer whose ids are the places in `tokens`, up to the limit."""
    tokens = tokens[: options.vocabulary_size or None]
    model = models.WordLevel({token: i for i, token in enumerate(tokens)}, "<unk>")
    built = Tokenizer(model)
    built.normalizer = _lowercase(options)
    built.add_special_tokens(list(special))
    return built


def _byte(texts: Iterable[str], options: Options) -> Tokenizer:
    # The library writes a byte as a visible character: itself, or one from 256 on.
    visible = (*range(33, 127), *range(161, 173), *range(174, 256))
    hidden = itertools.count(256)
    signs = [chr(b if b in visible else next(hidden)) for b in range(256)]
    built = Tokenizer(models.BPE({sign: b for b, sign in enumerate(signs)}, []))
    built.pre_tokenizer = pre_tokenizers.ByteLevel(
        add_prefix_space=False, use_regex=False
    )
    built.decoder = decoders.ByteLevel()
    built.add_special_tokens(list(special_names("byte", options)))
    return built


def _bpe(texts: Iterable[str], options: Options) -> Tokenizer:
    built = Tokenizer(models.BPE())
    built.normalizer = _lowercase(options)
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=options.vocabulary_size,
        min_frequency=options.min_frequency,
        special_tokens=list(special_names("bpe", options)),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    built.train_from_iterator(texts, trainer)
    return built


def _wordpiece(texts: Iterable[str], options: Options) -> Tokenizer:
    special, texts = special_names("wordpiece", options), list(texts)
    learner = tokenizer_files.bert({}, options.lowercase)
    words = _words(texts, learner.normalizer, learner.pre_tokenizer, min_frequency=1)
    counts = Counter(character for word in words for character in set(word))
    frequent = sorted(counts, key=lambda c: (-counts[c], c))
    alphabet = set(frequent[: options.vocabulary_size // 4])
    # The trainer numbers "##a" and so on by chance, and breaks ties by those numbers.
    # Given as special tokens they have the same ones in every process.
    inside = sorted(alphabet & {c for word in words for c in word[1:]})
    trainer = trainers.WordPieceTrainer(
        vocab_size=options.vocabulary_size,
        min_frequency=options.min_frequency,
        limit_alphabet=len(alphabet),
        initial_alphabet=sorted(alphabet),
        special_tokens=[*special, *(f"##{character}" for character in inside)],
        show_progress=False,
    )
    learner.train_from_iterator(texts, trainer)
    built = tokenizer_files.bert(learner.get_vocab(), options.lowercase)
    built.add_special_tokens(list(special))
    tokenizer_files.add_sentence_marks(built)
    return built


BUILDERS = {
    "word": _word,
    "char": _char,
    "byte": _byte,
    "bpe": _bpe,
    "wordpiece": _wordpiece,
}

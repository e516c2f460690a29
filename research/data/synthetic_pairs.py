"""Learnable translation pairs from a seed: for quick twins and tests, never a result.

A sentence of simple English is translated into a made-up language, in which

- every word is another one, always the same;
- adjectives stand behind their noun, in the opposite order;
- there is no article, and a word of its own behind the noun phrase says "many";
- the verb stands at the end, its adverb before it.

So "the small red dogs often follow Anna" becomes, word by word, "dog red small many
Anna often follow". A model that does not reorder cannot translate it.
"""

import functools

import numpy as np

from research.data import pairs, source

_SPLITS = ("train", "validation", "test")
_NAMES = ("Anna", "Ben", "Clara", "David")
_NOUNS = ("dog", "cat", "bird", "horse", "king", "queen", "baker", "sailor")
_ADJECTIVES = ("old", "young", "red", "small", "quick", "quiet")
_ADVERBS = ("often", "never", "always")
_VERBS = ("follow", "see", "love", "help", "thank", "visit")
_MANY = "many"


def splits(path: str | None = None, **options) -> tuple[str, ...]:
    """Lists the splits; needs no path and takes the options of `load`."""
    return _SPLITS


def load(
    split: str,
    path: str | None = None,
    *,
    tokenizer: str = "word",
    vocabulary_size: int = 0,
    min_frequency: int = 2,
    lowercase: bool = True,
    source_length: int = 0,
    target_length: int = 0,
    count: int = 2000,
    seed: int = 0,
) -> pairs.Pairs:
    """Makes one split: source (s,) and target (t,) int32, as `parallel_text` does.

    Args:
      split: "train", "validation" or "test".
      path: not used.
      tokenizer, vocabulary_size, min_frequency, lowercase, source_length,
        target_length: see `parallel_text.load`.
      count: pairs of "train", >= 40; the other two have an eighth of it each.
      seed: chooses the sentences, >= 0; the made-up language is always the same.

    Raises:
      ValueError: an option is out of range.
    """
    source.check_split(split, _SPLITS, "synthetic pairs")
    if count < 40:
        raise ValueError(
            f"synthetic pairs need config.data.count >= 40, got {count}; use 2000"
        )
    options = pairs.Options(
        tokenizer,
        vocabulary_size,
        min_frequency,
        lowercase,
        source_length,
        target_length,
    )
    vocabulary = _vocabulary(options, count, seed)
    return pairs.make(_write(split, count, seed), vocabulary, training=split == "train")


@functools.lru_cache(maxsize=4)  # every split asks for it
def _vocabulary(options: pairs.Options, count: int, seed: int) -> pairs.Vocabulary:
    return pairs.learn(_write("train", count, seed), options)


@functools.lru_cache(maxsize=1)
def _dictionary() -> dict[str, str]:
    """Gives every word another one, of two or three syllables and all different."""
    rng = np.random.default_rng(0)
    made = {}
    for word in (*_NAMES, *_NOUNS, *_ADJECTIVES, *_ADVERBS, *_VERBS, _MANY):
        while word not in made:
            syllables = rng.choice(
                ["ka", "lo", "mi", "ru", "te", "vo"], 2 + len(made) % 2
            )
            new = "".join(syllables)
            if new not in made.values():
                made[word] = new
    return made


def _write(split: str, count: int, seed: int) -> tuple[list[str], list[str]]:
    """Writes the sentences of a split and their translations."""
    rng = np.random.default_rng((seed, _SPLITS.index(split)))
    written = [_sentence(rng) for _ in range(count if split == "train" else count // 8)]
    return [english for english, _ in written], [other for _, other in written]


def _sentence(rng: np.random.Generator) -> tuple[str, str]:
    subject, first, many = _noun_phrase(rng)
    thing, second, _ = _noun_phrase(rng)
    verb = _VERBS[rng.integers(len(_VERBS))]
    adverb = [_ADVERBS[rng.integers(len(_ADVERBS))]] if rng.integers(2) else []
    english = [*subject, *adverb, verb if many else verb + "s", *thing]
    other = [_dictionary()[word] for word in (*first, *second, *adverb, verb)]
    return " ".join(english) + ".", " ".join(other) + "."


def _noun_phrase(rng: np.random.Generator) -> tuple[list[str], list[str], bool]:
    """Draws a name or a noun: its words, those of its translation, and its number."""
    if rng.integers(3) == 0:
        name = _NAMES[rng.integers(len(_NAMES))]
        return [name], [name], False
    noun = _NOUNS[rng.integers(len(_NOUNS))]
    many = bool(rng.integers(2))
    described = rng.choice(_ADJECTIVES, rng.integers(3), replace=False).tolist()
    english = ["the", *described, noun + "s" if many else noun]
    return english, [noun, *described[::-1], *[_MANY] * many], many

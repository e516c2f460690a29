"""Synthetic pairs: deterministic, of the spec of `parallel_text`, and translations."""

import re

import numpy as np
import pytest

from configs import base
from research.data import parallel_text, splits, synthetic_pairs


def _pairs(split, **options):
    made = synthetic_pairs.load(split, **options)
    every = range(len(made))
    both = (made.texts(side, every) for side in ("source", "target"))
    return list(zip(*both, strict=True))


def test_same_seed_same_pairs():
    assert _pairs("train", count=80) == _pairs("train", count=80)
    assert _pairs("train", count=80) != _pairs("train", count=80, seed=1)
    assert _pairs("train", count=80)[:10] != _pairs("test", count=80)


def _translate(sentence):
    """Translates by the rules, from the English words alone."""
    words = synthetic_pairs._dictionary()
    phrase = r"(?:the ((?:\w+ )*?)(\w+?)(s?)|([A-Z]\w+))"
    verbs = "|".join(synthetic_pairs._VERBS)
    adverbs = "|".join(synthetic_pairs._ADVERBS)
    found = re.fullmatch(
        rf"{phrase} (?:({adverbs}) )?({verbs})(s?) {phrase}\.", sentence
    )
    groups = found.groups()
    subject, (adverb, verb, ending), thing = groups[:4], groups[4:7], groups[7:]
    assert bool(ending) != bool(subject[2])  # "dogs follow", "Anna follows"

    def phrase_of(adjectives, noun, many, name):
        if name:
            return [name]
        return [noun, *adjectives.split()[::-1], *["many"] * bool(many)]

    order = [*phrase_of(*subject), *phrase_of(*thing), *filter(None, [adverb]), verb]
    return " ".join(words[word] for word in order) + "."


def test_translations_follow_the_rules():
    for english, other in _pairs("train", count=500):
        assert _translate(english) == other
    words = synthetic_pairs._dictionary()
    assert len(set(words.values())) == len(words) == 28


def test_takes_on_the_spec_of_parallel_text(tmp_path):
    for split in ("train", "test"):
        written = synthetic_pairs._write(split, 200, 0)
        for language, lines in zip(("de", "en"), written, strict=True):
            file = tmp_path / f"{split}.{language}"
            file.write_text("\n".join(lines), encoding="utf-8")
    for options in ({}, {"tokenizer": "bpe", "vocabulary_size": 300}):
        real = parallel_text.load("test", str(tmp_path), **options)
        made = synthetic_pairs.load("test", count=200, **options)
        assert made.spec == real.spec
        rows = np.arange(len(real))
        for side in ("source", "target"):
            np.testing.assert_array_equal(
                made.gather(rows)[side], real.gather(rows)[side]
            )


def test_splits_and_their_sizes():
    opened = splits.open_splits(
        synthetic_pairs, synthetic_pairs.splits(), None, holdout=0.1, count=80
    )
    assert [len(part) for part in opened.values()] == [80, 10, 10]


def test_bad_count():
    message = "synthetic pairs need config.data.count >= 40, got 9; use 2000"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        synthetic_pairs.load("train", count=9)


def test_a_config_changes_to_it():
    config = base.get_config()
    config.data.name, config.data.path = "parallel_text", "/somewhere"
    config.data.source_language, config.data.min_frequency = "en", 2
    config.data.source_length = config.data.target_length = 40
    base.use_synthetic_pairs(config, source_length=20)
    added = {k: config.data[k] for k in set(config.data) - set(base.get_config().data)}
    assert added == {"min_frequency": 2, "source_length": 20, "target_length": 40}
    assert (config.data.name, config.data.path) == ("synthetic_pairs", "")

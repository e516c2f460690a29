"""Synthetic text: deterministic, of the spec of `text`, and with its grammar."""

import re

import numpy as np
import pytest

from configs import base
from research.data import source, splits, synthetic_text, text, tokenization

LINE = re.compile(
    r"(\w+) \w+s the \w+ (\w+?)(s?) \. the \2\3 \w+?(?<!s)(s?) \1 \. <eos>"
)


def _written(made):
    tokenizer = tokenization.from_str(made.spec.tokenizers["token"])
    return tokenizer.decode(made.texts[0], skip_special_tokens=False)


def test_same_seed_same_text():
    one, two = (synthetic_text.load("train", count=40) for _ in range(2))
    np.testing.assert_array_equal(one.texts[0], two.texts[0])
    assert one.spec == two.spec
    other = synthetic_text.load("train", count=40, seed=1)
    assert _written(other) != _written(one)
    assert _written(synthetic_text.load("test", count=160)) != _written(one)


def test_grammar():
    made = synthetic_text.load("train")
    lines = [line + "<eos>" for line in _written(made).split("<eos>")[:-1]]
    assert len(lines) == 2000
    for line in lines:
        found = LINE.fullmatch(line.strip())
        assert found, line
        assert bool(found[3]) != bool(found[4])  # "dogs follow", "dog follows"
    # 17 bits and so a perplexity of 2.67 for the 12 words; far below that of counts.
    assert 2 ** (17 / 12) == pytest.approx(2.67, abs=0.005)
    share = np.bincount(made.texts[0]) / len(made.texts[0])
    share = share[share > 0]
    assert np.exp(-(share * np.log(share)).sum()) == pytest.approx(34, abs=0.5)


@pytest.mark.parametrize(
    "options",
    [
        {"tokenizer": "char", "stride": 1},
        {"tokenizer": "byte"},
        {"tokenizer": "bpe", "vocabulary_size": 300},
        {"contiguous": True, "lowercase": True},
    ],
)
def test_takes_on_the_spec_of_text(tmp_path, options):
    file = tmp_path / "train.txt"
    file.write_text(synthetic_text._write("train", 100, 0), encoding="utf-8")
    whole = {"validation_share": 0.0, "test_share": 0.0}
    real = text.load("train", str(file), length=16, **whole, **options)
    made = synthetic_text.load("train", count=100, length=16, **options)
    assert made.spec == real.spec
    rows = np.arange(len(real))
    np.testing.assert_array_equal(
        made.gather(rows)["token"], real.gather(rows)["token"]
    )


def test_splits_and_their_sizes():
    opened = splits.open_splits(
        synthetic_text, synthetic_text.splits(), None, holdout=0.1, count=100
    )
    assert [len(part.texts[0]) for part in opened.values()] == [1200, 300, 300]
    rows = opened["test"].gather(np.arange(len(opened["test"])))["token"]
    assert (rows[:, 1:] >= 0).sum() == 299
    assert source.in_memory(opened["train"])


def test_bad_count():
    message = "synthetic text needs config.data.count >= 4, got 3; use 2000"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        synthetic_text.load("train", count=3)


def test_a_config_changes_to_it():
    config = base.get_config()
    config.data.name, config.data.path = "text", "/somewhere"
    config.data.tokenizer, config.data.length = "/gpt2/encoder.json", 256
    config.data.validation_share = 0.1
    config.data.stride = 1
    base.use_synthetic_text(config, tokenizer="char", count=200)
    added = {k: config.data[k] for k in set(config.data) - set(base.get_config().data)}
    assert added == {"tokenizer": "char", "length": 256, "stride": 1, "count": 200}
    assert (config.data.name, config.data.path) == ("synthetic_text", "")

"""The adding problem: its sequences, their sums and their independence."""

import numpy as np
import pytest

from research.data import adding, splits


def _all(split="train", **options):
    examples = adding.load(split, **{"length": 12, "count": 200} | options)
    return examples.gather(np.arange(len(examples)))


def test_two_numbers_are_marked_and_added():
    batch = _all()
    numbers, marks = batch["sequence"][..., 0], batch["sequence"][..., 1]
    assert batch["sequence"].dtype == batch["target"].dtype == np.float32
    assert set(np.unique(marks)) == {0, 1}
    assert (marks.sum(axis=1) == 2).all()
    np.testing.assert_allclose(batch["target"], (numbers * marks).sum(1), rtol=1e-6)
    assert 0 <= numbers.min() < 0.01 and 0.99 < numbers.max() < 1
    assert marks.mean(axis=0).min() > 0.08  # 1/6 on average: no place is spared


def test_always_one_has_the_error_that_is_said():
    target = _all(count=20_000, length=4)["target"]
    assert np.mean((target - 1) ** 2) == pytest.approx(1 / 6, abs=3e-3)


def test_an_example_is_a_function_of_its_number_split_and_seed():
    examples = adding.load("train", length=12, count=200)
    some = examples.gather(np.array([7, 3, 7]))
    whole = _all()
    np.testing.assert_array_equal(some["sequence"], whole["sequence"][[7, 3, 7]])
    for other in (_all("test"), _all("validation"), _all(seed=1)):
        assert not np.isin(other["sequence"][:50, :, 0], whole["sequence"]).any()
    assert len(_all("test")["target"]) == len(_all("validation")["target"]) == 1000


def test_no_two_examples_share_numbers():
    numbers = _all(length=600, count=50)["sequence"][..., 0]
    assert len(np.unique(numbers[:, 0])) == 50
    assert not np.array_equal(numbers[0, 4:], numbers[1, :-4])


def test_it_has_all_splits():
    opened = splits.open_splits(
        adding, ("train", "validation", "test"), None, holdout=0.1, count=5
    )
    assert [len(each) for each in opened.values()] == [5, 1000, 1000]
    assert opened["train"].labels() is None


@pytest.mark.parametrize(
    "wrong", [dict(length=1), dict(count=0), dict(seed=-1), dict(seed=2**62)]
)
def test_an_option_out_of_range_is_one_sentence(wrong):
    values = dict(length=600, count=50_000, seed=0) | wrong
    with pytest.raises(ValueError) as error:
        adding.load("train", **wrong)
    assert str(error.value) == (
        "the adding problem needs a length of at least 2, a count of at least 1 and a "
        f"seed in [0, 2^62), got {values['length']}, {values['count']} and "
        f"{values['seed']}; correct them"
    )

"""The deterministic partition."""

import re

import numpy as np
import pytest

from research.data import holdout

FRACTIONS = {"validation": 0.1, "test": 0.25}


@pytest.mark.parametrize("count", [10, 97, 1000])
@pytest.mark.parametrize("stratified", [False, True])
def test_every_index_is_in_exactly_one_part(count, stratified):
    labels = np.random.default_rng(0).integers(0, 7, count) if stratified else None
    parts = holdout.partition(count, FRACTIONS, labels)
    assert sorted(np.concatenate(list(parts.values()))) == list(range(count))
    for indices in parts.values():
        assert (np.diff(indices) > 0).all()
    assert len(parts["validation"]) == round(0.1 * count)
    assert len(parts["test"]) == round(0.25 * count)


def test_same_arguments_same_parts():
    labels = np.arange(100) % 3
    one, two = (holdout.partition(100, FRACTIONS, labels) for _ in range(2))
    other = holdout.partition(100, FRACTIONS, labels, seed=1)
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])
    assert one["test"].tolist() != other["test"].tolist()


def test_parts_never_change():
    parts = holdout.partition(30, {"validation": 0.2})
    assert parts["validation"].tolist() == [0, 2, 11, 17, 20, 21]
    parts = holdout.partition(30, {"validation": 0.2}, labels=np.arange(30) % 2)
    assert parts["validation"].tolist() == [0, 2, 11, 17, 20, 21]


def test_classes_are_spread_in_proportion():
    rng = np.random.default_rng(0)
    labels = rng.choice(5, 2000, p=[0.5, 0.3, 0.1, 0.09, 0.01])
    parts = holdout.partition(2000, FRACTIONS, labels)
    whole = np.bincount(labels)
    for name, fraction in FRACTIONS.items():
        counts = np.bincount(labels[parts[name]], minlength=5)
        assert np.abs(counts - fraction * whole).max() <= 2


def test_many_small_classes_are_all_treated_alike():
    labels = np.repeat(np.arange(500), 4)
    part = holdout.partition(2000, {"validation": 0.1}, labels)["validation"]
    counts = np.bincount(labels[part], minlength=500)
    assert counts.max() == 1  # 200 of the 500 classes lend one example each
    assert abs(np.flatnonzero(counts).mean() - 249.5) < 40


def test_shuffled_not_the_first_rows():
    part = holdout.partition(1000, {"test": 0.5})["test"]
    assert 400 < part.mean() < 600


@pytest.mark.parametrize(
    "fractions",
    [
        {"validation": 0.5, "test": 0.5},
        {"validation": 1.5},
        {"test": -0.1},
        {"test": 0},
    ],
)
def test_bad_fractions(fractions):
    message = (
        "held-out fractions must be above 0 and sum to less than 1, got "
        f"{fractions}; use smaller ones"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        holdout.partition(100, fractions)


def test_empty_part():
    message = (
        "held-out fractions {'validation': 0.01} of 5 examples leave 'validation' "
        "empty; use other fractions or more data"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        holdout.partition(5, {"validation": 0.01})
    message = (
        "held-out fractions {'validation': 0.9} of 4 examples leave 'train' empty; "
        "use other fractions or more data"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        holdout.partition(4, {"validation": 0.9})

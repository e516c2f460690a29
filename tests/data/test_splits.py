"""Opening splits: native ones, and those held out of train."""

import re
import types

import numpy as np
import pytest

from research.data import digits, source, splits


def _open(module, split, path, **options):
    return splits.open_splits(module, (split,), path, **options)[split]


def _module(sizes, labels=True):
    """Makes a data source whose splits have the given numbers of examples."""
    loads = []

    def load(split, path, *, scale: int = 1):
        loads.append(split)
        start = 1000 * list(sizes).index(split)
        arrays = {"x": scale * np.arange(start, start + sizes[split])}
        if labels:
            arrays["label"] = np.arange(sizes[split], dtype=np.int32) % 2
        return source.Arrays(arrays, ("even", "odd"))

    return types.SimpleNamespace(
        __name__="research.data.made",
        splits=lambda path, **options: tuple(sizes),
        load=load,
        loads=loads,
    )


def _x(examples):
    return examples.gather(np.arange(len(examples)))["x"].tolist()


def _fails(message, module, split, holdout=0.1, path="/data", **options):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        _open(module, split, path, holdout=holdout, **options)


def test_native_splits_are_untouched():
    module = _module({"train": 30, "validation": 10, "test": 5})
    for split, size in (("train", 30), ("validation", 10), ("test", 5)):
        opened = _open(module, split, None, holdout=0.1)
        assert splits.exists(module, split, None, holdout=0.1)
        assert isinstance(opened, source.Arrays) and len(opened) == size


def test_a_split_exists_where_it_is_native_or_can_be_carved():
    whole, named = _module({"train": 30}), _module({"train": 30, "validation": 3})
    assert splits.exists(whole, "test", None, holdout=0.1)
    assert not splits.exists(whole, "test", None, holdout=0)
    assert splits.exists(named, "validation", None, holdout=0)
    assert not splits.exists(_module({"test": 9}), "train", None, holdout=0.1)


def test_validation_is_held_out_of_train():
    module = _module({"train": 100, "test": 7})
    names = ("train", "validation", "test")
    opened = splits.open_splits(module, names, None, holdout=0.2)
    assert {name: len(part) for name, part in opened.items()} == {
        "train": 80,
        "validation": 20,
        "test": 7,
    }
    assert sorted(_x(opened["train"]) + _x(opened["validation"])) == list(range(100))
    assert np.bincount(opened["validation"].labels()).tolist() == [10, 10]
    assert module.loads == ["train", "test"]


def test_validation_and_test_are_held_out_of_train():
    for labels in (True, False):
        module = _module({"train": 100}, labels)
        parts = [
            _open(module, split, None, holdout=0.1)
            for split in ("train", "validation", "test")
        ]
        assert [len(part) for part in parts] == [80, 10, 10]
        assert sorted(sum(map(_x, parts), [])) == list(range(100))


def test_together_or_one_by_one_is_the_same():
    module = _module({"train": 50, "test": 7})
    together = splits.open_splits(module, ("validation", "train"), None, holdout=0.2)
    for split, opened in together.items():
        assert _x(opened) == _x(_open(module, split, None, holdout=0.2))


def test_holdout_of_zero_keeps_train_whole():
    module = _module({"train": 100, "test": 7})
    assert len(_open(module, "train", None, holdout=0)) == 100
    _fails(
        "data 'made' at /data has no split 'validation' of its own and the holdout "
        "share is 0; set it above 0, for example to 0.1",
        module,
        "validation",
        holdout=0,
    )


def test_options_are_passed():
    opened = _open(_module({"train": 9}), "train", None, holdout=0, scale=3)
    assert _x(opened) == [3 * k for k in range(9)]


def test_no_train():
    module = _module({"test": 7})
    assert len(_open(module, "test", None, holdout=0.1)) == 7
    message = "data 'made' at /data has no split 'train'; it has: test"
    _fails(message, module, "train")
    message = "data 'made' at /data has no split 'validation'; it has: test"
    _fails(message, module, "validation")


def test_unknown_split():
    message = "data 'made' at /data has no split 'dev'; it has: train"
    _fails(message, _module({"train": 10}), "dev")


def test_empty_split():
    message = (
        "split 'test' of data 'made' at /data holds no examples; add some or use other "
        "data"
    )
    _fails(message, _module({"train": 10, "test": 0}), "test")
    _fails(message.replace("'test'", "'train'"), _module({"train": 0}), "validation")


def test_unknown_option():
    _fails(
        "unknown option 'scal' of data 'made'; did you mean 'scale'? it has: scale",
        _module({"train": 10}),
        "train",
        scal=2,
    )
    with pytest.raises(ValueError) as error:
        _open(digits, "train", None, holdout=0, color=2)
    message = "unknown option 'color' of data 'digits'; it has: image_size"
    assert str(error.value) == message


def test_holdout_out_of_range():
    _fails(
        "held-out fractions must be above 0 and sum to less than 1, got "
        "{'validation': 0.5, 'test': 0.5}; use smaller ones",
        _module({"train": 10}),
        "train",
        holdout=0.5,
    )

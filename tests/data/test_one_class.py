"""One class is normal: what each split holds, and its labels."""

import numpy as np
import pytest

from research.data import one_class, splits, synthetic

OPTIONS = (("count", 200), ("num_classes", 4))


def _open(*names, **fields):
    fields = {"of": "synthetic", "normal": 2, "options": OPTIONS} | fields
    return splits.open_splits(one_class, names, None, holdout=0.1, **fields)


def test_train_and_validation_are_normal_and_test_has_all():
    opened = _open("train", "validation", "test")
    whole = synthetic.load("test", count=200, num_classes=4)
    assert not opened["train"].labels().any() and len(opened["train"]) == 50
    assert not opened["validation"].labels().any()
    test = opened["test"]
    expected = (whole.labels() != 2).astype(np.int32)
    np.testing.assert_array_equal(test.labels(), expected)
    rows = test.gather(np.array([3, 0]))
    np.testing.assert_array_equal(rows["label"], expected[[3, 0]])
    np.testing.assert_array_equal(rows["image"], whole.arrays["image"][[3, 0]])
    assert test.spec.class_names == ("normal", "anomaly")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            dict(normal=4),
            "config.data.normal must be the number of a class of data 'synthetic', "
            "which has 4, got 4; correct it",
        ),
        (
            dict(of="synthetik"),
            "unknown config.data.of 'synthetik'; did you mean 'synthetic'? use one of ",
        ),
    ],
)
def test_a_mistake_is_one_sentence(fields, message):
    with pytest.raises(ValueError) as error:
        _open("train", **fields)
    assert str(error.value).startswith(message)


def test_data_without_a_test_split_is_one_sentence(tmp_path):
    file = tmp_path / "train.npz"
    np.savez(file, image=np.zeros((4, 2, 2), np.uint8), label=np.arange(4))
    with pytest.raises(ValueError) as error:
        splits.open_splits(one_class, ("train",), str(file), holdout=0.1, of="arrays")
    assert str(error.value) == (
        "data 'arrays' has no test split, which alone would hold anomalies, it has: "
        "train; bring one"
    )

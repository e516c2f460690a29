"""Confusion matrix and per-class scores against scikit-learn."""

import numpy as np
import pytest
import sklearn.metrics

from research.metrics import confusion


@pytest.fixture
def classes():
    """Labels and predictions of 7 classes; 5 is never predicted, 6 never occurs."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 6, 500)
    predicted = np.where(rng.random(500) < 0.6, label, rng.integers(0, 7, 500))
    return label, np.where(predicted == 5, 0, predicted)


def test_matrix_equals_scikit_learn(classes):
    label, predicted = classes
    expected = sklearn.metrics.confusion_matrix(label, predicted, labels=range(7))
    np.testing.assert_array_equal(confusion.matrix(label, predicted, 7), expected)


def test_per_class_scores_equal_scikit_learn(classes):
    label, predicted = classes
    scores = confusion.per_class(label, predicted, 7)
    expected = sklearn.metrics.precision_recall_fscore_support(
        label, predicted, labels=range(7), zero_division=np.nan
    )
    for name, values in zip(
        ("precision", "recall", "f1", "support"), expected, strict=True
    ):
        np.testing.assert_allclose(scores[name], values, rtol=1e-15, err_msg=name)


def test_undefined_scores_are_nan():
    scores = confusion.per_class(np.array([0, 0, 1]), np.array([0, 0, 0]), 3)
    assert scores["precision"][0] == 2 / 3 and np.isnan(scores["precision"][1])
    assert scores["recall"][1] == 0 and np.isnan(scores["recall"][2])
    assert scores["f1"][1] == 0 and np.isnan(scores["f1"][2])


def test_no_example_gives_an_empty_matrix():
    empty = np.zeros(0, np.int32)
    np.testing.assert_array_equal(confusion.matrix(empty, empty, 2), np.zeros((2, 2)))


@pytest.mark.parametrize(
    "label, predicted, message",
    [
        ([0, 3], [0, 1], "label must lie in 0..2, got 3; correct it or raise k"),
        ([0, 1], [0, -1], "predicted must lie in 0..2, got -1; correct it or raise k"),
        (
            [0, 1],
            [0],
            "label and predicted must be (n,) arrays of equal length, got shapes (2,) "
            "and (1,); give one class per example",
        ),
    ],
)
def test_mistakes_are_told(label, predicted, message):
    with pytest.raises(ValueError) as error:
        confusion.matrix(np.array(label), np.array(predicted), 3)
    assert str(error.value) == message

"""Detection counted by hand."""

import numpy as np
import pytest

from research.metrics import detection

SCORES = np.array([0.1, 0.4, 0.35, 0.8, 0.9])
LABEL = np.array([0, 0, 1, 1, 0])


def test_auroc_is_the_share_of_ordered_pairs():
    pairs = [(a, n) for a in SCORES[LABEL == 1] for n in SCORES[LABEL == 0]]
    share = np.mean([a > n for a, n in pairs])
    found = detection.ranking(SCORES, LABEL)
    assert found["auroc"] == pytest.approx(share)
    assert found["average_precision"] == pytest.approx((1 / 2 + 2 / 4) / 2)


def test_a_verdict_at_a_threshold():
    found = detection.at_threshold(SCORES, LABEL, 0.37)
    assert found["precision"] == pytest.approx(1 / 3)
    assert found["recall"] == pytest.approx(1 / 2)
    assert found["anomaly_share"] == pytest.approx(3 / 5)


def test_without_anomalies_only_the_share_is_known():
    found = detection.at_threshold(SCORES, np.zeros(5, int), 0.37)
    assert set(found) == {"threshold", "anomaly_share"}


def test_the_threshold_is_a_quantile():
    assert detection.threshold(np.arange(101.0), 0.95) == pytest.approx(95)

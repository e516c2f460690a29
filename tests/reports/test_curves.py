"""Which metrics share a plot, and in which order."""

import pytest

from research.reports import curves

_ROWS = [
    {"step": 1, "time/input_wait": 0.1, "train/zeta": 1.0, "train/learning_rate": 0.1},
    {"step": 2, "train/norm/grad": 3.0, "train/loss": 2.0, "note": "text"},
    {"step": 2, "validation/loss": 1.0, "validation/bleu": 20.0, "alone": 4.0},
    {"step": 3, "train/loss": 1.5},
]


def test_metrics_are_grouped_and_known_ones_come_first():
    grouped = curves.group(_ROWS)
    assert list(grouped) == [
        "loss",
        "learning_rate",
        "norm/grad",
        "time/input_wait",
        "alone",
        "bleu",
        "zeta",
    ]
    assert grouped["loss"] == {
        "train": [(2, 2.0), (3, 1.5)],
        "validation": [(2, 1.0)],
    }
    assert grouped["time/input_wait"] == {"": [(1, 0.1)]}


def test_training_comes_before_validation():
    rows = [{"step": 1, "validation/f1": 0.5}, {"step": 2, "train/f1": 0.6}]
    assert list(curves.group(rows)["f1"]) == ["train", "validation"]


def test_every_metric_has_a_plot():
    html = curves.plots(_ROWS, None)
    assert html.count("<svg") == 7
    assert "<b>Loss</b>" in html and "<b>zeta</b>" in html


def test_nothing_logged_is_no_plot():
    assert curves.plots([], None) == ""


@pytest.mark.parametrize(
    "metric, values, shown",
    [
        ("loss", (2.0, 0.02), "0.1"),  # a decade, on a logarithmic axis
        ("loss", (2.0, 0.2), "0.5"),
        ("learning_rate", (0.002, 1e-9), "0.001"),
        ("perplexity", (10_000.0, 2.0), "100"),
        ("accuracy", (0.001, 0.8), "60%"),
    ],
)
def test_axis_suits_the_metric(metric, values, shown):
    rows = [{"step": k, f"train/{metric}": value} for k, value in enumerate(values)]
    assert f'text-anchor="end">{shown}</text>' in curves.plots(rows, None)

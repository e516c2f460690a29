"""Axes, thinning and SVG of the plots."""

import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from research.reports import figures


def _tree(html: str) -> ElementTree.Element:
    """Parses a figure; every element of ours is also well-formed XML."""
    return ElementTree.fromstring(html)


def _texts(html: str) -> list[str]:
    return [node.text for node in _tree(html).iter("text")]


@pytest.mark.parametrize(
    "low, high, log, expected",
    [
        (0, 100, False, [0, 20, 40, 60, 80, 100]),
        (0, 0.031, False, [0, 0.01, 0.02, 0.03]),
        (-1, 1, False, [-1, -0.5, 0, 0.5, 1]),
        (0.09, 110, True, [0.1, 1, 10, 100]),
        (0.15, 6, True, [0.2, 0.5, 1, 2, 5]),
        (1.1, 1.3, True, [1.1, 1.15, 1.2, 1.25, 1.3]),
        (1e-12, 1, True, [1e-12, 1e-9, 1e-6, 1e-3, 1]),
    ],
)
def test_ticks_are_round(low, high, log, expected):
    axis = figures.Axis(low, high, 0, 100, log)
    np.testing.assert_allclose(axis.ticks(), expected, rtol=1e-9, atol=1e-15)


def test_axis_maps_ends_and_middle():
    linear, log = figures.Axis(2, 4, 10, 20), figures.Axis(1, 100, 200, 0, log=True)
    assert [linear(v) for v in (2, 3, 4)] == [10, 15, 20]
    np.testing.assert_allclose([log(v) for v in (1, 10, 100)], [200, 100, 0])


def test_thinning_keeps_extremes_and_order():
    points = [(x, math.sin(x)) for x in range(10_000)]
    points[1234] = (1234, 50.0)
    points[4321] = (4321, -50.0)
    kept = figures.thin(points)
    assert len(kept) <= figures.MOST_POINTS
    assert kept == sorted(kept) and set(kept) <= set(points)
    assert points[1234] in kept and points[4321] in kept
    assert figures.thin(points[:500]) == points[:500]


def test_line_plot_draws_a_line_per_split():
    html = figures.line_plot(
        "Loss", {"train": [(10, 2.0), (20, 1.0)], "validation": [(20, 1.5)]}
    )
    lines = _tree(html).findall(".//polyline")
    assert [len(line.get("points").split()) for line in lines] == [2, 1]
    assert "train 1" in html and "validation 1.5" in html
    assert "step" in _texts(html) and "epoch" not in _texts(html)


def test_epoch_axis_stands_above():
    points = [(step, 1.0 + step) for step in range(0, 401, 10)]
    html = figures.line_plot("Loss", {"train": points}, per_epoch=100.0)
    texts = _texts(html)
    assert texts[texts.index("epoch") - 4 : texts.index("epoch")] == list("1234")


def test_values_that_are_not_finite_are_counted_and_left_out():
    points = [(1, 1.0), (2, math.nan), (3, math.inf), (4, 2.0)]
    html = figures.line_plot("Loss", {"train": points})
    assert "values that are not finite: 2" in html
    assert not re.search(r"\b(nan|inf)\b", html)
    only = figures.line_plot("Loss", {"train": [(1, math.nan)]})
    assert "<svg" not in only and "values that are not finite: 1" in only


@pytest.mark.parametrize("values", [[0.0], [1.0, 1.0], [-3.0, -3.0], [1e-30, 1e30]])
@pytest.mark.parametrize("log", [False, True])
def test_degenerate_ranges_are_drawn(values, log):
    points = list(enumerate(values))
    html = figures.line_plot("x", {"train": points}, log=log and min(values) > 0)
    assert len(_tree(html).findall(".//circle")) == len(values)


def test_plot_of_a_long_run_stays_small():
    points = [(step, math.sin(step)) for step in range(100_000)]
    html = figures.line_plot("Loss", {"train": points, "validation": points})
    assert len(html) < 20_000


def test_confusion_matrix_shows_counts_and_names():
    html = figures.confusion_matrix([[5, 1], [0, 4]], ["<cat>", "a very long class"])
    tree = _tree(html)
    assert [node.text for node in tree.iter("title")] == [
        "true <cat>, predicted <cat>: 5",
        "true <cat>, predicted a very long class: 1",
        "true a very long class, predicted a very long class: 4",
    ]
    texts = _texts(html)
    assert texts[:3] == ["5", "1", "4"]
    assert texts[3:] == ["<cat>"] * 2 + ["a very long c…"] * 2


def test_large_confusion_matrix_has_no_numbers():
    counts = np.eye(100, dtype=int) * 7
    html = figures.confusion_matrix(counts.tolist(), [str(k) for k in range(100)])
    assert _texts(html) == ["predicted", "true"]
    assert len(_tree(html).findall(".//rect[@class='good']")) == 100

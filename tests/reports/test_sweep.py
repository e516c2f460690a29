"""The page of a sweep: whole, self-contained, and honest about few or failed trials."""

import html.parser
import math
import re

import pytest

from configs.sweeps import base
from research.reports import sweep as report
from research.reports import sweep_figures
from research.sweeps import ledger, specification
from research.sweeps.contract import Outcome
from scripts import app

RATE = "optimizer.learning_rate"


@pytest.fixture
def book(tmp_path):
    """A sweep of 12 trials: complete, pruned, diverged and failed ones."""
    description = base.sweep(
        name="<b>rates</b>",
        config="lenet_digits:quick",
        space={
            RATE: base.log_uniform(1e-4, 1e-1),
            "optimizer.name": base.choice("adamw", "momentum"),
            "optimizer.momentum": base.when(
                "optimizer.name", "momentum", base.uniform(0.5, 0.9)
            ),
            "augment.jitter": base.choice((0.0,) * 4, (0.1,) * 4),
        },
        sampler="random",
        pruner="median",
        trials=12,
        seeds=2,
        retries=0,
    )
    arguments = ("--config=lenet_digits:quick",)
    config = app.load_config(list(arguments)).to_dict()
    sweep = specification.make(description, config, arguments)
    with ledger.Ledger(sweep, tmp_path) as opened:
        yield opened


def _fill(book):
    ends = {3: "pruned", 5: "diverged", 7: "failed"}
    while trial := book.claim():
        value = 1 / (1 + abs(math.log10(trial.params[RATE]) + 2))
        for evaluation in (1, 2, 3):
            book.report(trial.number, evaluation, value - 0.1 / evaluation)
        state = ends.get(trial.number, "complete")
        values = (value, value + 0.01) if state == "complete" else ()
        reason = "<script>alert(1)</script>" if state in ("diverged", "failed") else ""
        book.finish(trial.number, Outcome(state, values, 20, 2.0, reason))
    return ledger.best(book.rows(), book.sweep)


class _Balance(html.parser.HTMLParser):
    """Checks that every tag is closed."""

    VOID = ("meta", "img", "br", "line", "rect", "circle", "polyline", "path")

    def __init__(self):
        super().__init__()
        self.open = []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag


def _page(book, tmp_path):
    text = report.write(book, tmp_path).read_text()
    parser = _Balance()
    parser.feed(text)
    assert not parser.open
    assert not re.search(r"(src|href)=\"?https?:|@import|url\(", text)
    assert "nan" not in re.sub(r"<title>.*?</title>", "", text).lower().split()
    return text


def test_it_shows_the_best_the_importance_and_the_command(book, tmp_path):
    best = _fill(book)
    text = _page(book, tmp_path)
    assert "12 of 12 trials" in text and "2 seeds each" in text
    assert f"{best[0]['value']:.4g}" in text or f"{best[0]['value']:.2%}" in text
    assert "± 0.0071" in text  # standard deviation of two values 0.01 apart
    assert "python scripts/train.py --config=lenet_digits:quick" in text
    assert "Importance: fANOVA over 9 complete trials; without optimizer.momentum" in (
        text
    )
    assert text.count("<svg") == 3 + 4 + 1 + 1  # plots, slices, parallel, cost
    assert "30 s of work" not in text and "24 s of work and 240 updates" in text
    assert "25% of the time went into trials that were not completed" in text


def test_text_is_escaped_and_failures_are_listed(book, tmp_path):
    _fill(book)
    text = _page(book, tmp_path)
    assert "<b>rates</b>" not in text and "&lt;b&gt;rates&lt;/b&gt;" in text
    assert "<script>" not in text
    section = text.split("Trials that failed or diverged")[1].split("</section>")[0]
    assert section.count("&lt;script&gt;") == 2


def test_importance_follows_what_the_objective_depends_on(book):
    _fill(book)
    weights, _ = report.importance(book.study, book.sweep)
    assert max(weights, key=weights.get) == RATE
    assert sum(weights.values()) == pytest.approx(1)


def test_a_sweep_without_results_has_a_page_too(book, tmp_path):
    assert "0 of 12 trials" in _page(book, tmp_path)
    first = book.claim()
    assert "0 of 12 trials" in _page(book, tmp_path)
    book.finish(first.number, Outcome("complete", (0.5, 0.5), 20, 2.0))
    text = _page(book, tmp_path)
    assert "needs 4 complete trials of different results" in text


def test_scales_take_names_missing_values_and_wide_ranges():
    names = sweep_figures.scale(["b", None, (1, 2)], 0, 100)
    assert names.names == ("–", "[1, 2]", "b")
    assert names(None) < names((1, 2)) < names("b")
    wide = sweep_figures.scale([1e-4, 1e-2, 1.0], 0, 100)
    assert wide(1e-2) == pytest.approx(50)
    gap = sweep_figures.scale([None, 1.0, 2.0], 0, 100)
    assert gap(None) == 0 and 24 < gap(1.0) < gap(2.0) < 100
    assert sweep_figures.scale([3, 3], 0, 100)(3) == pytest.approx(50)

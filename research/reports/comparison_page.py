"""Shows a comparison of runs: as text for a terminal, and as a self-contained page."""

import math
import pathlib
from collections.abc import Sequence

from research.reports import comparison, figures, page, sweep_figures

_BARS = "▁▂▃▄▅▆▇█"
_WIDTH = 48  # characters of a curve
_STYLES = ("s1", "s2", "s3", "s0")
_SAME_CONFIG = "the configs are equal"
_SAME_PLACE = "code and environment are equal"
_NO_TWINS = (
    "no two of these runs have one config and one seed, so none is expected to equal "
    "another"
)


# Pairs of runs and what was found of each, from `comparison.divergences`.
Parted = Sequence[tuple[str, Sequence[str]]]


def text(runs: Sequence[comparison.Run], parted: Parted) -> str:
    """Writes the comparison for a terminal."""
    letters = tuple(run.letter for run in runs)
    parts = [_text_table(*comparison.overview(runs))]
    for title, rows, equal in (
        ("Config", comparison.config_differences(runs), _SAME_CONFIG),
        ("Code and environment", comparison.place_differences(runs), _SAME_PLACE),
    ):
        body = _text_table(("", *letters), rows) if rows else equal
        parts.append(f"{title}\n{body}")
    parts.append("Metrics\n" + _text_table(*comparison.metric_rows(runs)))
    lines = _text_curves(runs)
    if lines:
        parts.append("Curves\n" + "\n".join(lines))
    parts.append("Divergence\n" + "\n".join(_lines(parted)))
    return "\n\n".join(parts)


def write(
    runs: Sequence[comparison.Run], parted: Parted, file: pathlib.Path
) -> pathlib.Path:
    """Writes the comparison as an HTML page; returns its path."""
    letters = tuple(run.letter for run in runs)
    config = comparison.config_differences(runs)
    place = comparison.place_differences(runs)
    said = "".join(f"<p>{page.escape(line)}</p>" for line in _lines(parted))
    title = f"Comparison of {len(runs)} runs"
    body = [
        f"<header><h1>{title}</h1></header>",
        page.section("Runs", page.table(*comparison.overview(runs))),
        page.section("Metrics", page.table(*comparison.metric_rows(runs))),
        page.section("Curves", _plots(runs)),
        page.section("Divergence", said),
        page.section("Config", _or(config, letters, _SAME_CONFIG)),
        page.section("Code and environment", _or(place, letters, _SAME_PLACE)),
    ]
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(file.name + ".new")
    new.write_text(page.document(title, "\n".join(body)), encoding="utf-8")
    new.replace(file)
    return file


def _or(rows, letters, equal: str) -> str:
    return page.table(("", *letters), rows) if rows else f"<p>{equal}</p>"


def _plots(runs: Sequence[comparison.Run]) -> str:
    style = {run.letter: _STYLES[i % len(_STYLES)] for i, run in enumerate(runs)}
    drawn = []
    for metric, lines in comparison.curves(runs).items():
        shown = [
            (figures.thin(_finite(points)), style[run.letter], run.letter)
            for run, points in lines
        ]
        legend = [(style[run.letter], run.letter) for run, _ in lines]
        share = page.is_share(metric)
        drawn.append(sweep_figures.curves(metric, shown, legend, share=share))
    drawn = [each for each in drawn if each]
    return page.grid("plots", drawn) if drawn else ""


def _lines(parted: Parted) -> list[str]:
    said = [f"{title}: {line}" for title, lines in parted for line in lines]
    return said or [_NO_TWINS]


def _text_curves(runs: Sequence[comparison.Run]) -> list[str]:
    """Draws the training loss and the deciding metric, all runs on one scale."""
    wanted = ("train/loss", runs[0].config["checkpoint"]["metric"])
    found = comparison.curves(runs)
    drawn = []
    for metric in wanted:
        lines = [(run, _finite(points)) for run, points in found.get(metric, [])]
        lines = [(run, points) for run, points in lines if points]
        if not lines:
            continue
        values = [y for _, points in lines for _, y in points]
        last = max(points[-1][0] for _, points in lines)
        scale = (min(values), max(values), last)
        low, high = (page.number(value, metric) for value in scale[:2])
        drawn.append(f"{metric}, {low} to {high}, to step {last:,}")
        drawn += [f"  {run.letter} {_spark(points, *scale)}" for run, points in lines]
    return drawn


def _finite(points: Sequence[tuple]) -> list[tuple]:
    return [(x, y) for x, y in points if y is not None and math.isfinite(y)]


def _spark(points: Sequence[tuple], low: float, high: float, last: int) -> str:
    """Draws points as one line of bars; each shows the newest value up to its step."""
    shown = []
    for column in range(1, _WIDTH + 1):
        until = last * column / _WIDTH
        seen = [y for x, y in points if x <= until]
        if not seen or (until - last / _WIDTH) > points[-1][0]:
            shown.append(" ")
            continue
        height = (seen[-1] - low) / (high - low) if high > low else 0.0
        shown.append(_BARS[round(height * (len(_BARS) - 1))])
    return "".join(shown)


def _text_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [tuple(head), *rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )

"""Makes the page of a sweep, `report.html`, from its ledger of trials alone."""

import math
import pathlib
import warnings

from research.reports import page, sweep_figures
from research.sweeps import ledger as ledgers
from research.sweeps import table

# Complete trials below which the importance of parameters is not estimated.
_ENOUGH = 4
_BEST = 10  # trials in the first table
_COLOURED = 3  # best trials that have a colour of their own
_LINES = 300  # trials drawn as lines at most, the best and the latest of the others


def write(ledger, folder: pathlib.Path) -> pathlib.Path:
    """Writes `report.html`; at any time, also while the sweep goes on.

    Args:
      ledger: of the sweep.
      folder: where the page goes.

    Returns:
      The page's path.
    """
    rows, sweep = ledger.rows(), ledger.sweep
    best = ledgers.best(rows, sweep)
    weights, note = importance(ledger.study, sweep)
    body = [
        _head(rows, sweep),
        _cards(rows, best, sweep),
        page.section("Train the winner in full", _command(rows, sweep)),
        page.section("Best trials", _table(best[:_BEST], sweep)),
        page.section("What matters", _plots(rows, best, sweep, weights) + note),
        page.section("All parameters together", _parallel(rows, best, sweep)),
        page.section("Cost", _cost(rows, best, sweep)),
        page.section("Trials that failed or diverged", _failures(rows)),
        page.section("All trials", _all(rows, sweep)),
    ]
    file = folder / "report.html"
    new = file.with_name("report.html.new")
    new.write_text(page.document(sweep.name, "\n".join(body)), encoding="utf-8")
    new.replace(file)
    return file


def importance(study, sweep) -> tuple[dict[str, float], str]:
    """Estimates how much of the objective's variance each parameter explains.

    fANOVA (Hutter et al. 2014) over the complete trials; parameters that did not vary
    in all of them are left out.

    Returns:
      (parameter -> share of 1, a note in HTML that says what it rests on).
    """
    import optuna

    states = (optuna.trial.TrialState.COMPLETE,)
    complete = study.get_trials(deepcopy=False, states=states)
    values = {trial.value for trial in complete}
    if len(complete) < _ENOUGH or len(values) < 2:
        return {}, _muted(
            f"The importance of the parameters needs {_ENOUGH} complete trials of "
            "different results."
        )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # too few trials for its taste
        weights = optuna.importance.get_param_importances(study, evaluator=evaluator)
    left_out = {axis.name for axis in sweep.space.axes} - set(weights)
    told = f"Importance: fANOVA over {len(complete)} complete trials"
    if left_out:
        told += f"; without {', '.join(sorted(left_out))}, which did not vary in all"
    return weights, _muted(told + ".")


def _muted(text: str) -> str:
    return f'<p class="muted">{page.escape(text)}</p>'


def _head(rows: list[dict], sweep) -> str:
    ended = sum(row["state"] not in ("running", "waiting") for row in rows)
    kind = "done" if ended >= sweep.trials else "open"
    badges = [
        f'<span class="badge {kind}">{ended} of {sweep.trials} trials</span>',
        f'<span class="badge">sampler {sweep.sampler}</span>',
        f'<span class="badge">pruner {sweep.pruner}</span>',
        f'<span class="badge">{sweep.seeds} seed{"s"[: sweep.seeds > 1]} each</span>',
    ]
    what = f"{sweep.direction} {sweep.metric} of the {sweep.checkpoint} checkpoint"
    config = sweep.arguments[0].removeprefix("--config=")
    return (
        f"<header>\n<h1>{page.escape(sweep.name)}</h1>\n"
        f'<p class="muted">{page.escape(f"{config}: {what}")}</p>\n'
        f"{''.join(badges)}\n</header>"
    )


def _cards(rows: list[dict], best: list[dict], sweep) -> str:
    states = [row["state"] for row in rows]
    counts = {state: str(states.count(state)) for state in dict.fromkeys(states)}
    cards = [_card("trials", str(len(rows)), counts, "")]
    if best:
        first = best[0]
        spread = "" if first["spread"] is None else f" ± {first['spread']:.2g}"
        values = {key: _shown(value) for key, value in first["params"].items()}
        value = page.number(first["value"], sweep.metric) + spread
        told = f"trial {first['number']}"
        cards.insert(0, _card(sweep.metric, value, values, told))
    return page.grid("cards", cards)


def _card(title: str, value: str, lines: dict[str, str], origin: str) -> str:
    items = "".join(
        f"<dt>{page.escape(name)}</dt><dd>{page.escape(text)}</dd>"
        for name, text in lines.items()
    )
    return (
        f'<div class="card"><span class="muted">{page.escape(title)}</span>'
        f'<b class="big">{page.escape(value)}</b><dl>{items}</dl>'
        f"<small>{page.escape(origin)}</small></div>"
    )


def _command(rows: list[dict], sweep) -> str:
    command = table.winner_command(rows, sweep)
    return f"<pre><code>{page.escape(command)}</code></pre>" if command else ""


def _table(rows: list[dict], sweep) -> str:
    if not rows:
        return ""
    keys = sweep.space.keys()
    return page.table(
        ("trial", "state", "objective", "±", "steps", "seconds", *map(_short, keys)),
        (
            (
                row["number"],
                row["state"],
                page.number(_reached(row), sweep.metric),
                None if row["spread"] is None else f"{row['spread']:.2g}",
                row["steps"] or None,
                f"{row['seconds']:.1f}",
                *(_shown(row["params"].get(key)) for key in keys),
            )
            for row in rows
        ),
    )


def _plots(rows, best, sweep, weights: dict) -> str:
    """Draws importance, learning curves, history and one slice per parameter."""
    share = page.is_share(sweep.metric)
    styles = _styles(best)
    behind = sorted(rows, key=lambda row: row["number"] in styles)
    lines = [
        (
            [(int(k), v) for k, v in row["evaluations"].items() if math.isfinite(v)],
            styles.get(row["number"], "s0"),
            _told(row, sweep),
        )
        for row in behind[-_LINES:]
    ]
    legend = [
        (styles[row["number"]], f"trial {row['number']}") for row in best[:_COLOURED]
    ]
    seen = [row for row in behind if _reached(row) is not None]
    drawn = [
        sweep_figures.bars("Importance", weights),
        sweep_figures.curves(
            f"{sweep.metric} by evaluation",
            lines,
            legend,
            share=share,
        ),
        _slice("number of the trial", [r["number"] for r in seen], seen, sweep, styles),
    ]
    for axis in sweep.space.axes:
        for key in axis.keys:
            there = [row for row in seen if key in row["params"]]
            values = [row["params"][key] for row in there]
            drawn.append(_slice(key, values, there, sweep, styles, _is_log(axis)))
    rings = _muted("Rings: trials that were ended early, at their last evaluation.")
    return page.grid("plots", filter(None, drawn)) + rings


def _slice(title: str, values, rows, sweep, styles, log=None) -> str:
    points = [
        (
            value,
            _reached(row),
            styles.get(row["number"], "s0"),
            row["state"] == "complete",
            _told(row, sweep),
        )
        for value, row in zip(values, rows, strict=True)
    ]
    return sweep_figures.scatter(
        title, points, log=log, share=page.is_share(sweep.metric)
    )


def _parallel(rows, best, sweep) -> str:
    styles = _styles(best)
    keys = sweep.space.keys()
    logs = [_is_log(axis) for axis in sweep.space.axes for _ in axis.keys]
    seen = [row for row in rows if _reached(row) is not None]
    seen.sort(key=lambda row: row["number"] in styles)
    trials = [
        (
            [row["params"].get(key) for key in keys],
            _reached(row),
            styles.get(row["number"], "s0"),
            _told(row, sweep),
        )
        for row in seen[-_LINES:]
    ]
    return sweep_figures.parallel(keys, trials, logs, page.is_share(sweep.metric))


def _cost(rows: list[dict], best: list[dict], sweep) -> str:
    spent = sum(row["seconds"] for row in rows)
    early = sum(row["seconds"] for row in rows if row["state"] != "complete")
    steps = sum(row["steps"] for row in rows)
    if not spent:
        return ""
    told = (
        f"{spent:,.0f} s of work and {steps:,} updates over {len(rows)} trials; "
        f"{early / spent:.0%} of the time went into trials that were not completed."
    )
    lasted = [r for r in rows if _reached(r) is not None and r["seconds"]]
    seconds = [row["seconds"] for row in lasted]
    plot = _slice("seconds of a trial", seconds, lasted, sweep, _styles(best), False)
    return f"<p>{page.escape(told)}</p>\n{page.grid('plots', [plot])}"


def _failures(rows: list[dict]) -> str:
    lines = [
        (row["number"], row["state"], row["attempts"], row["reason"] or reason)
        for row in rows
        for reason in row["failures"][-1:] or [""]
        if row["reason"] or row["failures"]
    ]
    return page.table(("trial", "state", "attempts", "reason"), lines) if lines else ""


def _all(rows: list[dict], sweep) -> str:
    if not rows:
        return ""
    body = _table(rows, sweep)
    return f"<details><summary>{len(rows)} trials</summary>{body}</details>"


def _styles(best: list[dict]) -> dict[int, str]:
    return {row["number"]: f"s{k + 1}" for k, row in enumerate(best[:_COLOURED])}


def _reached(row: dict) -> float | None:
    """Returns a trial's objective; of one ended early, its last evaluation."""
    value = row["value"]
    if value is None and row["evaluations"]:
        value = list(row["evaluations"].values())[-1]
    return value if value is not None and math.isfinite(value) else None


def _is_log(axis) -> bool | None:
    return None if axis.values else axis.log


def _short(key: str) -> str:
    return key.rpartition(".")[2]


def _told(row: dict, sweep) -> str:
    return table.line(row, sweep)


def _shown(value) -> str | None:
    if value is None:
        return None
    if isinstance(value, float):
        return f"{value:.4g}"
    return sweep_figures.name(value)

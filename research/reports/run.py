"""Makes the page of a run, `report.html`, from its run directory alone.

What a task adds is in `research/reports/<task>.py`, found by the name in the run's
`config.task.name`. Such a file defines two functions; a task without one gets the
page that every run has.

  write(folder, split, *, spec, examples, predictions, metrics, step, checkpoint)
      -> name -> PNG file; stores an evaluation, see research/reports/evaluations.py
  section(folder) -> HTML, from what `write` left; all text escaped
"""

import importlib
import json
import pathlib
import shlex
from collections.abc import Mapping

from ml_collections import ConfigDict

from research.reports import curves, evaluations, page
from research.training import checkpoint, settings, tracking, workdir

# Groups of the config as they are read; the others follow by name.
_FIRST_GROUPS = ("model", "task", "data", "optimizer", "schedule", "train")


def write(folder: pathlib.Path) -> pathlib.Path:
    """Writes `report.html`; at any time, also while the run goes on.

    Returns:
      The page's path.

    Raises:
      ValueError: the folder is no run directory.
    """
    config = workdir.read_json(folder / "config.json")
    starts = _read_or(folder / "environment.json", [])
    rows = tracking.read(folder / "metrics.jsonl")
    plan = _plan(folder, config)
    task = _task_module(config)
    body = [
        _head(config, rows, plan, folder),
        _headline(config, rows, evaluations.read(folder)),
        page.section("Curves", curves.plots(rows, plan and plan.per_epoch)),
        task.section(folder) if task else "",
        page.section("Config", _config(config)),
        page.section("Starts and environment", _starts(starts, rows)),
        page.section("Files", _files(folder)),
    ]
    file = folder / "report.html"
    new = file.with_name("report.html.new")
    new.write_text(page.document(config["name"], "\n".join(body)), encoding="utf-8")
    new.replace(file)
    return file


def write_evaluation(
    folder: pathlib.Path,
    split: str,
    *,
    spec,
    examples,
    predictions: Mapping,
    metrics: Mapping[str, float],
    step: int,
    checkpoint: str,
) -> dict[str, pathlib.Path]:
    """Stores an evaluation as the run's task wants it.

    Args:
      folder: the run directory.
      split: what was evaluated.
      spec: of the data.
      examples: the split, as a Source.
      predictions: of the task, in the order of the split.
      metrics: `<split>/<metric>` -> value.
      step: updates that the parameters had seen.
      checkpoint: how it was chosen: best, latest or a step.

    Returns:
      `<split>/<what>` -> PNG file, for trackers that show pictures.
    """
    task = _task_module(workdir.read_json(folder / "config.json"))
    if task is None:
        values = evaluations.record(
            split,
            metrics=metrics,
            examples=len(examples),
            step=step,
            checkpoint=checkpoint,
        )
        evaluations.write(folder, values)
        return {}
    return task.write(
        folder,
        split,
        spec=spec,
        examples=examples,
        predictions=predictions,
        metrics=metrics,
        step=step,
        checkpoint=checkpoint,
    )


def _task_module(config: dict):
    """Imports the report of the run's task; None where the task has none."""
    name = config["task"]["name"]
    if not pathlib.Path(__file__).with_name(f"{name}.py").exists():
        return None
    return importlib.import_module(f"research.reports.{name}")


def _read_or(file: pathlib.Path, otherwise):
    return workdir.read_json(file) if file.exists() else otherwise


def _plan(folder: pathlib.Path, config: dict) -> settings.Plan | None:
    """Derives the run's plan; None where the size of the data is not known yet."""
    data = _read_or(folder / "data.json", None)
    return data and settings.plan(ConfigDict(config), data["train_examples"])


def _head(config: dict, rows: list[dict], plan, folder: pathlib.Path) -> str:
    logged = [row["step"] for row in rows]
    step = max(logged + checkpoint.steps(folder), default=0)
    kind, state = "open", f"at step {step:,}"
    if plan and step >= plan.total:
        kind, state = "done", f"finished at step {step:,}"
    elif plan:
        state += f" of {plan.total:,} ({step / plan.total:.0%})"
    badges = [f'<span class="badge {kind}">{state}</span>']
    if plan and step:
        epochs = f"{step / plan.per_epoch:.4g}"
        badges.append(f'<span class="badge">{epochs} epochs</span>')
    model, data, task = config["model"], config["data"], config["task"]
    what = f"{model['name']} ({model['variant']}), {task['name']} of {data['name']}"
    return (
        f"<header>\n<h1>{page.escape(config['name'])}</h1>\n"
        f'<p class="muted">{page.escape(what)}</p>\n{"".join(badges)}\n</header>'
    )


def _headline(config: dict, rows: list[dict], evaluated: list[dict]) -> str:
    """Shows a card for each split: evaluated, or as training last measured it."""
    cards = [
        _card(
            config,
            values["split"],
            values["metrics"],
            f"{values['checkpoint']} checkpoint, step {values['step']:,}",
            (values.get("errors"), values["examples"]),
        )
        for values in evaluated
    ]
    if "validation" not in {values["split"] for values in evaluated}:
        measured = [
            row for row in rows if any(k.startswith("validation/") for k in row)
        ]
        if measured:
            last = dict(measured[-1])
            cards.append(
                _card(config, "validation", last, f"in training, step {last['step']:,}")
            )
    if not cards:
        return '<p class="muted">Nothing was measured yet.</p>'
    return page.grid("cards", cards)


def _card(
    config: dict, split: str, metrics: dict, origin: str, errors=(None, 0)
) -> str:
    values = {
        name.partition("/")[2]: value
        for name, value in metrics.items()
        if name.startswith(f"{split}/")
    }
    chosen = config["checkpoint"]["metric"].partition("/")[2]
    first = chosen if chosen in values else next(iter(values), None)
    rest = {name: value for name, value in values.items() if name != first}
    lines = "".join(
        f"<dt>{page.escape(name)}</dt><dd>{page.number(value, name)}</dd>"
        for name, value in rest.items()
    )
    count, examples = errors
    told = "" if count is None else f"<p>{count:,} errors in {examples:,} examples</p>"
    return (
        f'<div class="card"><span class="muted">{page.escape(split)} '
        f"{page.escape(first or '')}</span>"
        f'<b class="big">{page.number(values.get(first), first or "")}</b>{told}'
        f"<dl>{lines}</dl><small>{page.escape(origin)}</small></div>"
    )


def _config(config: dict) -> str:
    """Shows one small table per group of the config."""
    groups = {"run": {k: v for k, v in config.items() if not isinstance(v, dict)}}
    rest = sorted(config.keys() - groups["run"].keys() - set(_FIRST_GROUPS))
    groups |= {name: config[name] for name in (*_FIRST_GROUPS, *rest)}
    tables = (
        f"<div><h3>{page.escape(name)}</h3>"
        + page.table((), ((key, _plain(value)) for key, value in group.items()))
        + "</div>"
        for name, group in groups.items()
    )
    return page.grid("groups", tables)


def _plain(value) -> str | None:
    """Writes a config value as its reader would: no quotes around text."""
    if value is None or isinstance(value, str):
        return value or None
    return json.dumps(value, ensure_ascii=False)


def _starts(starts: list[dict], rows: list[dict]) -> str:
    """Shows how each process was started, and where the last one ran."""
    if not starts:
        return ""
    last = starts[-1]
    command = shlex.join(["python", *last["command"]])
    table = page.table(
        ("started (UTC)", "from step", "code", "changed", "devices", "cores"),
        (
            (
                start["started"].replace("T", " ").removesuffix("+00:00"),
                f"{start['from_step']:,}",
                (start["commit"] or "–")[:10],
                (start["uncommitted"] or "no")[:10],
                _count(start["devices"]),
                start["cpu_cores"],
            )
            for start in starts
        ),
    )
    packages = ", ".join(f"{k} {v}" for k, v in last["packages"].items() if v)
    facts = page.table(
        (),
        (
            ("Python", last["python"]),
            ("platform", last["platform"]),
            ("processor", last["processor"]),
            ("processes", last["processes"]),
            ("XLA flags", last["xla_flags"] or None),
            ("packages", packages),
            ("digest of metrics", tracking.digest(rows)),
        ),
    )
    return f"<pre><code>{page.escape(command)}</code></pre>\n{table}\n<p></p>\n{facts}"


def _count(devices: list[str]) -> str:
    kinds = {kind: devices.count(kind) for kind in devices}
    return ", ".join(f"{n} × {kind}" for kind, n in kinds.items())


def _files(folder: pathlib.Path) -> str:
    """Lists what the run directory holds; folders within folders are summed up."""
    sizes: dict[str, list[int]] = {}
    for file in sorted(folder.rglob("*")):
        parts = file.relative_to(folder).parts
        if file.is_dir() or parts[0].startswith((".", "report.html")):
            continue
        name = "/".join(parts[:2]) + ("/" if len(parts) > 2 else "")
        try:
            sizes.setdefault(name, []).append(file.stat().st_size)
        except FileNotFoundError:  # a checkpoint was replaced meanwhile
            continue
    rows = (
        (name, len(each) if name.endswith("/") else None, f"{sum(each) / 1e3:,.1f}")
        for name, each in sizes.items()
    )
    return page.table(("file or folder", "files", "kB"), rows)

"""Evidence of a reproduction: results/<name>.json, made from run directories alone.

One file per config. What a reader may need: "claim" (as it was then), "config" (what
is computed) with its "digest" and the keys in it that were not base's defaults
("changed"), and "seeds", each with metrics, curves, environment and first steps. What
was not recorded is null. "seal" hashes all else, so that no digit changes unnoticed.
"""

import hashlib
import json
import pathlib
import re
from collections.abc import Mapping, Sequence

from ml_collections import ConfigDict

from research.reports import figures
from research.reproduction import matching
from research.training import settings, tracking, workdir

FORMAT = 1
REPRODUCTION = "reproduction"
TESTED = "tested.json"  # in a run directory: its evaluation on the test split
REHEARSAL = "rehearsal"  # of a quick or synthetic form: never a result
_POINTS = 40  # of a curve
_ROWS = 3  # of metrics.jsonl that are kept whole, from its beginning
_ENVIRONMENT = (
    *("python", "platform", "processor", "cpu_cores", "devices", "processes"),
    *("xla_flags", "packages"),
)
_START = ("started", "from_step", "commit", "uncommitted", "devices", "cpu_cores")


def file_of(root: pathlib.Path, name: str) -> pathlib.Path:
    """Names the evidence file of a config."""
    return root / "results" / f"{name}.json"


def read(file: pathlib.Path) -> dict:
    """Reads an evidence file.

    Raises:
      ValueError: it is missing, damaged, of another format or was changed by hand.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ValueError(
            f"there is no evidence {file}; make it with scripts/reproduce.py "
            f"{file.stem}"
        ) from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{file} is damaged ({error}); restore it from git") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ValueError(
            f"{file} must be evidence of format {FORMAT}; delete it and run "
            f"scripts/reproduce.py {file.stem}"
        )
    if values.get("seal") != seal(values):
        raise ValueError(
            f"{file} was changed after it was made: its seal does not fit; restore it "
            f"from git, or delete it and run scripts/reproduce.py {file.stem}"
        )
    return values


def write(file: pathlib.Path, values: Mapping) -> None:
    """Seals and stores evidence, whole or not at all; a list of numbers is a line."""
    text = json.dumps(dict(values) | {"seal": seal(values)}, indent=1)
    text = re.sub(r'\[\s+([^][{}"]*?)\s+\]', _one_line, text)
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(file.name + ".new")
    new.write_text(text + "\n", encoding="utf-8")
    new.replace(file)


def _one_line(match: re.Match) -> str:
    return f"[{' '.join(match[1].split())}]"


def seal(values: Mapping) -> str:
    """Hashes all but the seal itself (SHA-256)."""
    rest = {key: value for key, value in values.items() if key != "seal"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def empty(name: str, kind: str, config: Mapping, defaults: Mapping) -> dict:
    """Begins the evidence of a config.

    Args:
      name: of the config.
      kind: REPRODUCTION or REHEARSAL.
      config: whole, as nested dictionaries.
      defaults: of configs/base.py.
    """
    what = matching.computed(config)
    return {
        "format": FORMAT,
        "name": name,
        "kind": kind,
        "claim": json.loads(json.dumps(config["claim"])),
        "config": what,
        "changed": matching.changed(config, defaults),
        "digest": settings.digest(what),
        "seeds": [],
    }


def add(values: Mapping, seed: Mapping) -> dict:
    """Puts a seed's record in its place.

    A finished record is never replaced by a partial one.
    """
    others = [each for each in values["seeds"] if each["seed"] != seed["seed"]]
    same = [each for each in values["seeds"] if each["seed"] == seed["seed"]]
    if any(each["finished"] for each in same) and not seed["finished"]:
        return dict(values)
    seeds = sorted([*others, dict(seed)], key=lambda each: each["seed"])
    return dict(values) | {"seeds": seeds}


def of_run(folder: pathlib.Path, command: str, opening: Mapping | None) -> dict | None:
    """Makes the record of one seed from its run directory.

    Args:
      folder: the run directory; `TESTED` in it has what the test split gave.
      command: what to type to make it again.
      opening: of `opening.record`.

    Returns:
      The record; None where nothing was evaluated yet.
    """
    config = workdir.read_json(folder / "config.json")
    count = workdir.read_json(folder / "data.json")["train_examples"]
    rows = tracking.read(folder / "metrics.jsonl")
    total = settings.plan(ConfigDict(config), count).total
    evaluated = [row for row in rows if config["checkpoint"]["metric"] in row]
    if not evaluated:
        return None
    step, test = max(row["step"] for row in rows), None
    if (folder / TESTED).exists():
        test = workdir.read_json(folder / TESTED)
    finished = step >= total and test is not None
    best = _best(evaluated, config["checkpoint"])
    starts = workdir.read_json(folder / "environment.json")
    record = {
        "seed": config["seed"],
        "finished": finished,
        "step": step,
        "total": total,
        "train_examples": count,
        "best_step": test["step"] if finished else best["step"],
        "checkpoint": test["checkpoint"] if finished else None,
        "test_examples": test["examples"] if finished else None,
        "metrics": test["metrics"] if finished else {},
        "validation": {k: v for k, v in best.items() if k.startswith("validation/")},
        "curves": curves(rows),
        "log": [_timeless(row) for row in rows if "train/loss" in row][:_ROWS],
        "log_digest": tracking.digest(rows),
        "opening": opening,
        "training_seconds": training_seconds(rows, config["data"]["batch_size"]),
        "command": command,
        "environment": {key: starts[-1][key] for key in _ENVIRONMENT},
        "starts": [{key: start[key] for key in _START} for start in starts],
    }
    return json.loads(json.dumps(record))


def _best(evaluated: Sequence[dict], checkpoint: Mapping) -> dict:
    sign = 1 if checkpoint["mode"] == "max" else -1
    return max(
        evaluated, key=lambda row: (sign * row[checkpoint["metric"]], row["step"])
    )


def _timeless(row: dict) -> dict:
    return {key: value for key, value in row.items() if not key.startswith("time/")}


def curves(rows: Sequence[dict]) -> dict[str, list]:
    """Thins the training loss and all validation metrics to a few points each."""
    names = sorted(
        {
            name
            for row in rows
            for name in row
            if name == "train/loss" or name.startswith("validation/")
        }
    )
    found = {}
    for name in names:
        points = [(row["step"], row[name]) for row in rows if name in row]
        kept = figures.thin(points, _POINTS)
        if points[-1] not in kept:
            kept.append(points[-1])
        found[name] = [[step, float(f"{value:.6g}")] for step, value in kept]
    return found


def training_seconds(rows: Sequence[dict], batch_size: int) -> float:
    """Sums the time that the logged steps took, evaluation not counted."""
    seconds, before = 0.0, 0
    for row in rows:
        rate = row.get("time/examples_per_second")
        if rate:
            seconds += (row["step"] - before) * batch_size / rate
            before = row["step"]
    return round(seconds, 1)

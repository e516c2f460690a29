"""Compares runs: config, code, environment, metrics over seeds, curves, divergence."""

import json
import pathlib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from research.reports import bootstrap, divergence, evaluations, page
from research.training import settings, tracking, workdir

_CODE = ("commit", "uncommitted")
_PLACE = ("python", "platform", "processor", "cpu_cores", "devices", "xla_flags")


@dataclass(frozen=True)
class Run:
    """What a run directory says.

    Attributes:
      letter: by which the comparison calls it: A, B, …
      folder: the run directory.
      config: as nested dictionaries.
      start: the last start: environment and code.
      rows: of metrics.jsonl.
      metrics: test metrics as evaluated, validation metrics at the best step, and the
        last training loss.
    """

    letter: str
    folder: pathlib.Path
    config: dict
    start: dict
    rows: list[dict]
    metrics: dict[str, float]

    @property
    def seed(self) -> int:
        """The seed of the run."""
        return self.config["seed"]

    @property
    def step(self) -> int:
        """The last logged step."""
        return self.rows[-1]["step"] if self.rows else 0


def read(folders: Sequence[pathlib.Path]) -> list[Run]:
    """Reads run directories.

    Raises:
      ValueError: fewer than two, more than 26, one twice, or one that is no run.
    """
    if not 2 <= len({folder.resolve() for folder in folders}) == len(folders) <= 26:
        raise ValueError(
            f"a comparison needs 2 to 26 different run directories, got "
            f"{', '.join(map(str, folders)) or 'none'}; name them after `compare`"
        )
    return [_read(folder, chr(ord("A") + i)) for i, folder in enumerate(folders)]


def _read(folder: pathlib.Path, letter: str) -> Run:
    config = workdir.read_json(folder / "config.json")
    settings.complete(config)
    start = workdir.read_json(folder / "environment.json")[-1]
    rows = tracking.read(folder / "metrics.jsonl")
    return Run(letter, folder, config, start, rows, _metrics(folder, config, rows))


def _metrics(folder, config: dict, rows: list[dict]) -> dict[str, float]:
    found = {}
    wanted, sign = config["checkpoint"]["metric"], 1
    if config["checkpoint"]["mode"] == "min":
        sign = -1
    evaluated = [row for row in rows if row.get(wanted) is not None]
    for row in rows:
        if "train/loss" in row:
            found["train/loss"] = row["train/loss"]
    if evaluated:
        best = max(evaluated, key=lambda row: (sign * row[wanted], row["step"]))
        found |= {k: v for k, v in best.items() if k.startswith("validation/")}
    for values in evaluations.read(folder):
        if values["split"] == "test":
            found |= {k: v for k, v in values["metrics"].items() if v is not None}
    return found


def groups(runs: Sequence[Run]) -> list[list[Run]]:
    """Puts runs together whose configs differ in the seed alone."""
    ignored = ("seed", *settings.MACHINE_KEYS)
    found: list[list[Run]] = []
    for run in runs:
        for group in found:
            if not settings.differences(group[0].config, run.config, ignored):
                group.append(run)
                break
        else:
            found.append([run])
    return found


def name(group: Sequence[Run]) -> str:
    """Names a group by the letters of its runs."""
    return " ".join(run.letter for run in group)


def overview(runs: Sequence[Run]) -> tuple[tuple, list[tuple]]:
    """Lists the runs: (head, rows)."""
    head = ("run", "directory", "seed", "last step", "started (UTC)")
    rows = [
        (
            run.letter,
            str(run.folder),
            str(run.seed),
            f"{run.step:,}",
            run.start["started"][:16].replace("T", " "),
        )
        for run in runs
    ]
    return head, rows


def config_differences(runs: Sequence[Run]) -> list[tuple]:
    """Lists the keys that are not the same in all runs: (key, value of each run)."""
    return _table([_flat(run.config) for run in runs])


def place_differences(runs: Sequence[Run]) -> list[tuple]:
    """Lists in what code and environment differ: (what, value of each run)."""
    places = []
    for run in runs:
        place = {key: run.start.get(key) for key in (*_CODE, *_PLACE)}
        # The beginning of a hash tells two apart.
        place |= {key: (place[key] or "none")[:10] for key in _CODE}
        packages = run.start["packages"]
        places.append(place | {f"package {k}": v for k, v in packages.items()})
    return _table(places)


def _table(values: Sequence[dict]) -> list[tuple]:
    keys = list(dict.fromkeys(key for each in values for key in each))
    rows = [
        (key, *(_text(each.get(key, "(absent)")) for each in values)) for key in keys
    ]
    return [row for row in rows if len(set(row[1:])) > 1]


def _flat(config: dict, prefix: str = "") -> dict:
    found = {}
    for key, value in config.items():
        path = f"{prefix}{key}"
        if path in settings.MACHINE_KEYS:
            continue
        found |= _flat(value, f"{path}.") if isinstance(value, dict) else {path: value}
    return found


def _text(value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def metric_rows(runs: Sequence[Run]) -> tuple[tuple, list[tuple]]:
    """Lists each metric over the seeds of each group, and against the first group.

    Returns:
      (head, rows); an interval is bootstrapped over seeds, and there is none for one.
    """
    found = groups(runs)
    rows = []
    for metric in dict.fromkeys(key for run in runs for key in run.metrics):
        first = found[0]
        for group in found:
            holding = [run for run in group if metric in run.metrics]
            values = list(_by_seed(holding, metric).values())
            if not values:
                continue
            rows.append(
                (
                    metric,
                    name(holding),
                    str(len(values)),
                    page.number(statistics.fmean(values), metric),
                    _range(bootstrap.mean_interval(values), metric),
                    "" if group is first else _against(first, holding, metric),
                )
            )
    level = f"{bootstrap.LEVEL:.0%} interval"
    head = (
        "metric",
        "runs",
        "seeds",
        "mean",
        level,
        f"minus {name(found[0])}, {level}",
    )
    return head, rows


def _against(first: Sequence[Run], group: Sequence[Run], metric: str) -> str:
    """Writes the difference of means to the first group, seed by seed if it can be."""
    one, two = _by_seed(first, metric), _by_seed(group, metric)
    if not one:
        return ""
    paired = one.keys() == two.keys()
    a, b = ([values[seed] for seed in sorted(values)] for values in (one, two))
    apart = statistics.fmean(b) - statistics.fmean(a)
    interval = bootstrap.difference_interval(a, b, paired)
    how = ", same seeds" if paired and interval else ""
    return f"{_signed(apart, metric)}  {_range(interval, metric, _signed)}{how}"


def _by_seed(group: Sequence[Run], metric: str) -> dict[int, float]:
    """Takes one run of each seed, the first: equal runs are no further evidence."""
    holding = [run for run in reversed(group) if metric in run.metrics]
    return {run.seed: run.metrics[metric] for run in holding}


def _signed(value: float, metric: str) -> str:
    return ("+" if value >= 0 else "") + page.number(value, metric)


def _range(interval, metric: str, write=page.number) -> str:
    if interval is None:
        return "one seed: none"
    return f"[{write(interval[0], metric)}, {write(interval[1], metric)}]"


def divergences(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Finds where runs of one config and one seed part: (title, findings)."""
    found = []
    for group in groups(runs):
        for place, run in enumerate(group):
            twin = next((each for each in group[:place] if each.seed == run.seed), None)
            if twin is not None:
                title = f"{twin.letter} and {run.letter}"
                found.append((title, divergence.describe(twin.folder, run.folder)))
    return found


def curves(runs: Sequence[Run]) -> dict[str, list[tuple[Run, list[tuple]]]]:
    """Collects metric -> (run, (step, value) points) for all but `time/`."""
    found: dict = {}
    for run in runs:
        for row in run.rows:
            for metric, value in row.items():
                if metric == "step" or metric.startswith("time/"):
                    continue
                lines = found.setdefault(metric, {})
                lines.setdefault(run.letter, (run, []))[1].append((row["step"], value))
    return {metric: list(lines.values()) for metric, lines in found.items()}

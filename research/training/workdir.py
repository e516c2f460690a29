"""A run directory: who may use it, and what it says of the run.

config.json (resolved), data.json (spec of the data), environment.json (every start),
metrics.jsonl, checkpoints/, evaluation/<split>.json, samples/, report.html.
"""

import contextlib
import datetime
import fcntl
import json
import os
import pathlib

from research.training import checkpoint, environment, settings, tracking


@contextlib.contextmanager
def locked(folder: pathlib.Path):
    """Makes the folder and holds it: a second run in it is refused.

    The lock ends with the process, however that ends.

    Raises:
      ValueError: another process holds it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a+")
    except OSError as error:
        raise ValueError(
            f"the run directory {folder} cannot be written ({error.strerror}); "
            "choose another --workdir"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise ValueError(
                f"the run directory {folder} is in use by process {owner}; wait for it "
                "to end or choose another --workdir"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def claim(folder: pathlib.Path, config: dict) -> None:
    """Stores the config in a new run directory; checks it in a used one.

    Raises:
      ValueError: the directory holds a run of another config.
    """
    file = folder / "config.json"
    trained = tracking.read(folder / "metrics.jsonl") or checkpoint.steps(folder)
    if file.exists() and not (folder / "data.json").exists() and not trained:
        raise ValueError(
            f"{file} is there but of no run; choose another --workdir or move it away"
        )
    if file.exists() and trained:  # a start that failed before its first step is none
        new = json.loads(json.dumps(config))  # JSON has no tuples
        old = read_json(file)
        settings.complete(old)
        lines = settings.differences(old, new)
        if lines:
            raise ValueError(
                f"the run directory {folder} holds a run of another config "
                f"({'; '.join(lines)}); choose another --workdir or the old values"
            )
    write_json(file, config)


def claim_data(folder: pathlib.Path, described: dict) -> None:
    """Stores what the data is; checks it where the run has trained on it already.

    Raises:
      ValueError: the run was trained on data of another form, size or vocabulary.
    """
    file = folder / "data.json"
    new = json.loads(json.dumps(described))
    if file.exists() and checkpoint.steps(folder):
        old = read_json(file)
        keys = {*old, *new} - {"varies"}  # depends on the cache, see `source.Spec`
        other = sorted(k for k in keys if old.get(k) != new.get(k))
        if other:
            raise ValueError(
                f"the run in {folder} was trained on other data than config.data names "
                f"now (its {', '.join(other)}: see its data.json); name the same data "
                "or choose another --workdir"
            )
    write_json(file, described)


def note_start(folder: pathlib.Path, step: int, command: list[str]) -> None:
    """Adds this start to environment.json: when, where, from which step."""
    file = folder / "environment.json"
    starts = read_json(file) if file.exists() else []
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    start = {"started": now, "from_step": step, "command": command}
    write_json(file, [*starts, start | environment.describe()])


def read_json(file: pathlib.Path):
    """Reads a JSON file of a run directory.

    Raises:
      ValueError: it is missing or damaged.
    """
    try:
        return json.loads(file.read_text())
    except FileNotFoundError:
        raise ValueError(
            f"{file.parent} holds no {file.name}, so it is no run directory; give the "
            "--workdir of a training run"
        ) from None
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{file} is damaged ({error}); restore it from a copy"
        ) from error


def write_json(file: pathlib.Path, value) -> None:
    """Writes a JSON file whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(file.name + ".new")
    new.write_text(json.dumps(value, indent=2) + "\n")
    os.replace(new, file)

"""Where two runs of one config part: first step, and first leaf of the state."""

import pathlib
from collections.abc import Sequence

import numpy as np

from research.training import checkpoint, run, tracking
from research.training import state as states


def describe(a: pathlib.Path, b: pathlib.Path) -> list[str]:
    """Compares logs and checkpoints of two run directories.

    Returns:
      Findings, one sentence each.
    """
    rows = [tracking.read(folder / "metrics.jsonl") for folder in (a, b)]
    return [in_logs(*rows), *in_checkpoints(a, b)]


def in_logs(a: Sequence[dict], b: Sequence[dict]) -> str:
    """Finds the first logged value that differs; `time/` does not count."""
    old, new = _values(a), _values(b)
    common = sorted(old.keys() & new.keys())
    if not common:
        return "the logs have no step in common"
    for place, (step, name) in enumerate(common):
        then, now = old[step, name], new[step, name]
        if then != now and not (then != then and now != now):
            equal = [s for s, _ in common[:place] if s < step]
            until = f"equal up to step {equal[-1]}" if equal else "never equal"
            return (
                f"the logs are {until} and differ first at step {step}: {name} "
                f"{then!r} and {now!r}"
            )
    return f"the logs are equal in all {len(common)} values, up to step {common[-1][0]}"


def _values(rows: Sequence[dict]) -> dict:
    return {
        (row["step"], name): value
        for row in rows
        for name, value in row.items()
        if name != "step" and not name.startswith("time/")
    }


def in_checkpoints(a: pathlib.Path, b: pathlib.Path) -> list[str]:
    """Compares the checkpoints that both runs kept, the oldest first."""
    kept = [_steps(folder) for folder in (a, b)]
    common = sorted(kept[0] & kept[1])
    if not common:
        return ["the runs kept no checkpoint of the same step"]
    equal = []
    for step in common:
        try:
            pair = [
                run.open_run(folder, run.read_config(folder), str(step)).state
                for folder in (a, b)
            ]
        except ValueError as error:
            return [f"the checkpoints of step {step} cannot be compared: {error}"]
        found = first_leaf(*pair)
        if found is not None:
            before = f"equal at {', '.join(map(str, equal))}, and " if equal else ""
            return [f"the checkpoints are {before}different at step {step}: {found}"]
        equal.append(step)
    return [f"the checkpoints are equal, bit for bit, at {', '.join(map(str, equal))}"]


def _steps(folder: pathlib.Path) -> set[int]:
    if not checkpoint.steps(folder):
        return set()
    with checkpoint.Checkpoints(checkpoint.folder_of(folder), read_only=True) as saved:
        return set(saved.steps())


def first_leaf(a, b) -> str | None:
    """Names the first leaf that differs between two states; None where none does.

    The order is that of the state: parameters, other collections, optimizer, average.
    """
    old, new = dict(states.named_leaves(a)), dict(states.named_leaves(b))
    if old.keys() != new.keys():
        odd = sorted(old.keys() ^ new.keys())
        return f"{odd[0]} is in one of them only ({len(odd)} such leaves)"
    differing = []
    for name, leaf in old.items():
        one, other = np.asarray(leaf), np.asarray(new[name])
        if one.shape != other.shape or one.tobytes() != other.tobytes():
            differing.append((name, _distance(one, other)))
    if not differing:
        return None
    name, told = differing[0]
    return f"first in {name} ({told}), {len(differing)} of {len(old)} leaves differ"


def _distance(one: np.ndarray, other: np.ndarray) -> str:
    if one.shape != other.shape:
        return f"shapes {one.shape} and {other.shape}"
    apart = np.abs(one.astype(np.float64) - other.astype(np.float64))
    return f"largest difference {apart.max():.2g}, {np.mean(apart > 0):.0%} of it"

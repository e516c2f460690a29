"""A sweep's trials as text: the table, one line each, and the winner's command."""

import json
import shlex
from collections import Counter
from collections.abc import Sequence

from research.sweeps import ledger

_HEAD = ("trial", "state", "objective", "steps", "time")


def text(rows: Sequence[dict], sweep, most: int | None = None) -> str:
    """Sets trials in columns, the best first, then those in progress, then the rest.

    Args:
      rows: of the ledger.
      sweep: its specification.
      most: lines at most; the others are counted.
    """
    ordered = order(rows, sweep)
    shown = ordered[:most]
    keys = sweep.space.keys()
    cells = [(*_HEAD, *(key.rpartition(".")[2] for key in keys))]
    cells += [(*_cells(row), *(_value(row, key) for key in keys)) for row in shown]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(each, widths, strict=True)).rstrip()
        for each in cells
    ]
    if len(ordered) > len(shown):
        lines.append(f"… and {len(ordered) - len(shown)} more")
    return "\n".join(lines)


def order(rows: Sequence[dict], sweep) -> list[dict]:
    """Sorts trials: complete ones from the best on, those in progress, the others."""
    best = ledger.best(rows, sweep)
    places = ("running", "pruned", "diverged", "failed", "waiting")
    rest = [row for row in rows if row["state"] in places]
    rest.sort(key=lambda row: (places.index(row["state"]), row["number"]))
    return [*best, *rest]


def line(row: dict, sweep) -> str:
    """Describes one trial in a line."""
    values = ", ".join(f"{k}={_value(row, k)}" for k in row["params"])
    reason = row["reason"] or (row["failures"][-1] if row["failures"] else "")
    told = f": {reason}" if reason and row["state"] != "complete" else ""
    return f"trial {'  '.join(_cells(row))}  {values}{told}"


def summary(rows: Sequence[dict], sweep) -> str:
    """Counts the trials by their state."""
    counts = Counter(row["state"] for row in rows)
    told = [f"{count} {state}" for state, count in sorted(counts.items())]
    to_come = sweep.trials - len(rows)
    told += [f"{to_come} to come"] if to_come > 0 else []
    return f"{sweep.name}: {', '.join(told)}"


def winner_command(rows: Sequence[dict], sweep) -> str | None:
    """Writes the command that trains the best trial's config in full.

    The sweep's `steps` are left out, so that the run is as long as its config says.
    """
    best = ledger.best(rows, sweep)
    if not best:
        return None
    values = [f"--config.{k}={v}" for k, v in best[0]["params"].items()]
    words = ["python", "scripts/train.py", *sweep.arguments, *values]
    return shlex.join([*words, f"--workdir=runs/{sweep.name}_winner"])


def as_json(rows: Sequence[dict], sweep, folder) -> str:
    """Writes the whole result as one JSON object."""
    best = ledger.best(rows, sweep)
    return json.dumps(
        {
            "sweep": sweep.name,
            "workdir": str(folder),
            "metric": sweep.metric,
            "direction": sweep.direction,
            "counts": dict(Counter(row["state"] for row in rows)),
            "best": best[0] if best else None,
            "command": winner_command(rows, sweep),
            "trials": list(rows),
        }
    )


def objective(row: dict) -> str:
    """Writes a trial's mean and spread, or how far it came."""
    if row["value"] is None:
        last = list(row["evaluations"].values())[-1:]
        return f"({last[0]:.5g})" if last else "–"
    spread = "" if row["spread"] is None else f" ± {row['spread']:.2g}"
    return f"{row['value']:.5g}{spread}"


def _cells(row: dict) -> tuple[str, ...]:
    return (
        str(row["number"]),
        row["state"],
        objective(row),
        str(row["steps"] or "–"),
        f"{row['seconds']:.0f} s" if row["seconds"] else "–",
    )


def _value(row: dict, key: str) -> str:
    value = row["params"].get(key, "–")
    return f"{value:.4g}" if isinstance(value, float) else str(value)

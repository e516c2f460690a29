"""Records a run: metrics.jsonl is the truth, other trackers mirror it.

One JSON object a line: `step` and metrics named by paths, `<split>/<metric>`. What
`time/` begins depends on the machine; all else is a function of config and code.
"""

import hashlib
import json
import logging
import os
import pathlib


class MetricsFile:
    """Appends to metrics.jsonl; a resumed run continues where it was restored."""

    def __init__(self, path: pathlib.Path, restored_step: int, active: bool = True):
        """Opens the file and cuts what lies after the restored step.

        Args:
          path: the file, created if missing.
          restored_step: last step whose lines are kept; 0 starts afresh.
          active: False on every process but the first: nothing is written.
        """
        self._file = None
        if not active:
            return
        kept = [row for row in read(path) if row["step"] <= restored_step]
        new = path.with_suffix(".jsonl.new")
        new.write_text("".join(_line(row) for row in kept))
        os.replace(new, path)  # a kill leaves the old file or the new one
        self._file = path.open("a")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self) -> None:
        """Closes the file; nothing more can be written."""
        if self._file:
            self._file.close()

    def write(self, row: dict) -> None:
        """Appends one row and hands it to the operating system."""
        if self._file:
            self._file.write(_line(row))
            self._file.flush()


def read(path: pathlib.Path) -> list[dict]:
    """Reads the rows of a metrics.jsonl but for a last line cut short by a kill."""
    rows = []
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                logging.warning("%s: a line is cut short and left out", path)
    return rows


def digest(rows: list[dict]) -> str:
    """Hashes the rows without what depends on the machine (SHA-256)."""
    timeless = [
        {k: v for k, v in row.items() if not k.startswith("time/")} for row in rows
    ]
    return hashlib.sha256("".join(map(_line, timeless)).encode()).hexdigest()


def _line(row: dict) -> str:
    return json.dumps(row) + "\n"


class Window:
    """Averages (sum, weight) metrics between two log lines, in float64.

    Its sums go into every checkpoint, so that a resumed window ends the same.
    """

    def __init__(self, sums: dict | None = None):
        self.sums = {name: list(pair) for name, pair in (sums or {}).items()}

    def add(self, metrics: dict) -> None:
        """Adds one step's metrics, name -> (sum, weight)."""
        for name, (total, weight) in metrics.items():
            held = self.sums.setdefault(name, [0.0, 0.0])
            held[0] += float(total)
            held[1] += float(weight)

    def averages(self) -> dict[str, float]:
        """Returns name -> sum / weight, without what was not counted."""
        return {name: s / w for name, (s, w) in self.sums.items() if w}

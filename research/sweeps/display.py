"""Shows a sweep as it goes: a live table on a terminal, a line per change otherwise."""

import sys
import time

import rich.live
import rich.text

from research.sweeps import table

_EVERY = 1.0  # seconds
_ROWS = 20


class Display:
    """The display of one ledger; use it as a context manager."""

    def __init__(self, ledger, quiet: bool = False):
        """Prepares it; `quiet` shows nothing."""
        self._ledger, self._quiet = ledger, quiet
        self._live, self._states, self._last = None, None, 0.0
        if sys.stdout.isatty() and not quiet:
            self._live = rich.live.Live(auto_refresh=False, transient=True)

    def __enter__(self):
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *exception):
        self.refresh(now=True)
        if self._live:
            self._live.stop()

    def say(self, line: str) -> None:
        """Prints a line, above the table where there is one."""
        if self._live:
            self._live.console.print(line, highlight=False, markup=False)
        elif not self._quiet:
            print(line, flush=True)

    def refresh(self, now: bool = False) -> None:
        """Shows what has changed, at most once a second unless it must be `now`."""
        if self._quiet or (not now and time.monotonic() - self._last < _EVERY):
            return
        self._last = time.monotonic()
        rows, sweep = self._ledger.rows(), self._ledger.sweep
        if self._live:
            shown = f"{table.summary(rows, sweep)}\n{table.text(rows, sweep, _ROWS)}"
            self._live.update(rich.text.Text(shown, no_wrap=True), refresh=True)
            return
        states = {row["number"]: (row["state"], row["attempts"]) for row in rows}
        if self._states is not None or not states:
            for row in rows:
                before = (self._states or {}).get(row["number"])
                if states[row["number"]] != before:
                    print(table.line(row, sweep), flush=True)
        else:  # the first look at a sweep that goes on
            print(table.summary(rows, sweep), flush=True)
        self._states = states

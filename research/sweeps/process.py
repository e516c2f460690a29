"""The process executor: worker processes of this machine, one trial each at a time."""

import signal
import sys
import time
from collections.abc import Callable
from multiprocessing import connection

from research.sweeps.contract import Outcome
from research.sweeps.handle import Handle
from research.sweeps.ledger import Ledger

_TURN = 1.0  # seconds after which the display and other machines' trials are looked at


def run(
    ledger: Ledger,
    *,
    workers: int,
    watch: Callable[[], None] = lambda: None,
    start: Callable[[int, int], Handle] = Handle,
) -> bool:
    """Works until every trial has ended, time is up, or a signal asks to stop.

    Args:
      ledger: of the sweep.
      workers: processes; the cores and accelerators of this machine are divided.
      watch: called at least every second, and after every change.
      start: (index, workers) -> a started worker.

    Returns:
      Whether every trial has ended.

    Raises:
      RuntimeError: a worker ended before its first trial.
    """
    if ledger.finished():
        return True
    with _StopRequest() as stop:
        pool = _Pool(ledger, workers, stop, start)
        try:
            pool.work(watch)
        finally:
            pool.close()
    return ledger.finished()


class _Pool:
    def __init__(self, ledger: Ledger, workers: int, stop: "_StopRequest", start):
        self._ledger, self._stop, self._start = ledger, stop, start
        self._handles = [start(index, workers) for index in range(workers)]
        self._ready: set[Handle] = set()
        minutes = ledger.sweep.minutes
        self._deadline = time.monotonic() + 60 * minutes if minutes else None
        self._asked = False  # the workers, to stop
        self._nothing_until = 0.0  # when to look for a trial again

    def work(self, watch: Callable[[], None]) -> None:
        """Hands trials out and takes outcomes in."""
        watch()
        while True:
            stopping = self._stopping()
            if stopping and not self._asked:
                self._asked = True
                for handle in self._busy():
                    handle.ask_to_stop()
            if not stopping:
                self._hand_out()
            if not self._busy() and (stopping or self._ledger.finished()):
                return
            turn = [handle.connection for handle in self._handles]
            heard = connection.wait(turn, timeout=_TURN)
            for handle in [h for h in self._handles if h.connection in heard]:
                self._hear(handle)
            self._ledger.beat()
            watch()

    def close(self) -> None:
        """Ends all workers; what they hold goes on when the sweep is resumed."""
        for handle in self._handles:
            handle.end()

    def _stopping(self) -> bool:
        out_of_time = self._deadline and time.monotonic() > self._deadline
        return self._stop.requested or bool(out_of_time)

    def _busy(self) -> list[Handle]:
        return [handle for handle in self._handles if handle.trial is not None]

    def _hand_out(self) -> None:
        for handle in self._handles:
            idle = handle in self._ready and handle.trial is None
            if not idle or time.monotonic() < self._nothing_until:
                continue
            trial = self._ledger.claim()
            if trial is None:
                self._nothing_until = time.monotonic() + _TURN
                return
            handle.trial = trial
            try:
                handle.connection.send(("train", trial))
            except OSError:  # it was killed while it waited
                self._replace(handle)

    def _hear(self, handle: Handle) -> None:
        try:
            message = handle.connection.recv()
        except (EOFError, OSError):
            self._replace(handle)
            return
        if message == "ready":
            self._ready.add(handle)
            return
        what, *said = message
        if what == "evaluation":
            self._answer(handle, *said)
        else:
            self._ledger.finish(handle.trial.number, *said)
            handle.trial = None
            self._nothing_until = 0.0

    def _answer(self, handle: Handle, evaluation: int, value: float) -> None:
        prune = evaluation and self._ledger.report(
            handle.trial.number, evaluation, value
        )
        word = "prune" if prune else "stop" if self._stopping() else "go"
        try:
            handle.connection.send(word)
        except OSError:
            pass  # it was killed: its end is heard next

    def _replace(self, handle: Handle) -> None:
        """Records the end of a worker and starts another one in its place."""
        reason = handle.end()
        if handle not in self._ready:
            raise RuntimeError(
                f"a worker could not start: {reason}\n{handle.last_words()}"
            )
        self._ready.discard(handle)
        if handle.trial is not None:
            state = "stopped" if self._asked else "failed"
            self._ledger.finish(handle.trial.number, Outcome(state, reason=reason))
            self._nothing_until = 0.0
        place = self._handles.index(handle)
        self._handles[place] = self._start(handle.index, len(self._handles))


class _StopRequest:
    """Turns the first SIGTERM or SIGINT into a request to save and leave."""

    _SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self):
        self.requested, self._old = False, {}

    def __enter__(self):
        self._old = {s: signal.signal(s, self._handle) for s in self._SIGNALS}
        return self

    def __exit__(self, *exception):
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def _handle(self, number, frame) -> None:
        if self.requested:
            sys.exit(128 + number)  # the workers end with their parent
        self.requested = True

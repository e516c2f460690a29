"""Ends training when a wall-clock budget is spent, saving as on any stop."""

import contextlib
import re
import signal
import time

# The loop is not yet, or no longer, able to stop: ask again then.
_RETRY = 0.5


def seconds(text: str) -> float:
    """Reads "90s", "30m", "8h" or "1h30m".

    Raises:
      ValueError: it is none of these, or zero.
    """
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text)
    parts = [int(part or 0) for part in match.groups()] if match else [0]
    if not any(parts):
        raise ValueError(
            f"--budget must be a time such as 90s, 30m or 1h30m, got {text!r}"
        )
    hours, minutes, rest = parts
    return 3600.0 * hours + 60 * minutes + rest


class Deadline:
    """A point in time; None for the budget never comes."""

    def __init__(self, budget: float | None):
        self._end = None if budget is None else time.monotonic() + budget

    def left(self) -> float | None:
        """Returns the seconds that are left, or None where there is no end."""
        return None if self._end is None else self._end - time.monotonic()

    @property
    def past(self) -> bool:
        """Whether the budget is spent."""
        return self._end is not None and self.left() <= 0

    @contextlib.contextmanager
    def stopping(self):
        """Sends this process one SIGTERM at the end, once training handles it.

        The loop installs its handler while it runs; a SIGTERM outside of that would
        end the process without saving.
        """
        if self._end is None:
            yield
            return
        outside = signal.getsignal(signal.SIGTERM)

        def ring(number, frame):
            if signal.getsignal(signal.SIGTERM) is not outside:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.raise_signal(signal.SIGTERM)

        old = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, max(self.left(), 1e-3), _RETRY)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, old)

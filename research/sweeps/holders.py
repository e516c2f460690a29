"""Who holds a trial, and whether that process still lives."""

import os
import pathlib
import socket
import time
import uuid

from optuna.trial import FrozenTrial, TrialState


def me() -> dict:
    """Names this process, and this use of it, among all machines."""
    pid = os.getpid()
    return {
        "token": uuid.uuid4().hex,
        "host": _host(),
        "pid": pid,
        "started": _started(pid),
    }


def lives(owner: dict) -> bool | None:
    """Tells whether a holder lives; None where it is on another machine."""
    if owner["host"] != _host():
        return None
    return _started(owner["pid"]) == owner["started"]


class Watch:
    """Finds trials whose holder is gone."""

    def __init__(self, silence: float):
        """Begins to watch; `silence` is in seconds."""
        self._silence = silence
        self._seen: dict[int, tuple] = {}

    def orphans(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """Lists running trials without a living holder; call it under the lock.

        The silence of another machine is timed by this machine's clock alone.
        """
        return [
            trial
            for trial in trials
            if trial.state == TrialState.RUNNING and self._is_orphan(trial)
        ]

    def _is_orphan(self, trial: FrozenTrial) -> bool:
        owner = trial.user_attrs.get("record", {}).get("owner")
        if owner is None:
            return True  # killed in the middle of taking it
        alive = lives(owner)
        if alive is not None:
            return not alive
        sign = (owner["token"], trial.user_attrs.get("beat"), trial.last_step)
        now = time.monotonic()
        last, since = self._seen.get(trial.number, (None, now))
        if sign != last:
            last, since = sign, now
        self._seen[trial.number] = (last, since)
        return now - since > self._silence


def _host() -> str:
    """Names the machine, its boot and its process numbers' name space."""
    parts = [socket.gethostname()]
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id")
    names = pathlib.Path("/proc/self/ns/pid")
    if boot.exists() and names.exists():
        parts += [boot.read_text().strip(), str(names.stat().st_ino)]
    return ":".join(parts)


def _started(pid: int) -> str | None:
    """Returns when a process began, None where it has ended."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        if pathlib.Path("/proc/self").exists():
            return None
        return _signalled(pid)
    state, *rest = text.rpartition(")")[2].split()
    return None if state in "ZX" else rest[18]


def _signalled(pid: int) -> str | None:
    """Likewise where there is no /proc: known is only that the number is in use."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:  # another user's
        pass
    return "unknown"

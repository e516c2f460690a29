"""Joins the processes of one run, and ends them clearly when one of them is gone.

Every process starts the same command with its own `config.distributed.process_id`
(`coordinator=auto` reads SLURM, TPU or Open MPI instead). JAX ends a process whose
peer has died by an abort that no Python code can catch. So with several processes the
command runs in a child process, and its parent, which never touches a device, turns
such an end into one sentence and the exit code RESTART.

Exit code RESTART (75) asks the supervisor to start the same command again, on all
processes; the run goes on from its last checkpoint. In a batch script of SLURM:

    srun python scripts/train.py … || { [ $? = 75 ] && scontrol requeue $SLURM_JOB_ID; }

and without a scheduler, on every host:

    until python scripts/train.py …; do [ $? = 75 ] || break; done

This module imports no JAX before `joined`: the parent needs none.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator

# EX_TEMPFAIL of sysexits.h: nothing is wrong with the command, try again.
RESTART = 75

# Tells the child which file descriptor ends when its parent does.
_LIFELINE = "MENAGERIE_LIFELINE"
# From the first such line on, the child's stderr may be the beginning of its end.
_TROUBLE = re.compile(rb"[EWF]\d{4} .*(coordination_service|preemption_sync|client\.h)")
# How an exception reads whose cause may be the end of another process.
_CONNECTION = re.compile("Gloo|NCCL|UNAVAILABLE|DEADLINE_EXCEEDED|ABORTED|CANCELLED")
_RESUME = (
    "the run is safe up to its last checkpoint, and the same command on all processes "
    "resumes it"
)


def guard(config) -> None:
    """Moves a run of several processes into a child, and reports how that ended.

    Returns in the child, or where there is one process only; the parent never returns
    but exits with the child's code. Must come before anything that imports JAX.

    Args:
      config: the group `config.distributed`.

    Raises:
      ValueError: the group contradicts itself, or the coordinator's port is taken.
    """
    _check(config)
    if not config.coordinator:
        return
    if _LIFELINE in os.environ:
        lifeline = int(os.environ.pop(_LIFELINE))
        threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent makes it a SIGTERM
        return
    if config.coordinator != "auto" and config.process_id == 0:
        _check_port(config.coordinator)
    sys.exit(_run_child(config))


@contextlib.contextmanager
def joined(config) -> Iterator[bool]:
    """Joins the other processes, if there are any, for the time of the context.

    An exception inside ends this process at once, without the farewell for which the
    others would have to wait too.

    Args:
      config: the group `config.distributed`.

    Yields:
      Whether this process is the first: the one that writes.
    """
    if not config.coordinator:
        yield True
        return
    import jax

    own = {"coordinator_address": config.coordinator}
    own |= {"num_processes": config.num_processes, "process_id": config.process_id}
    try:
        jax.distributed.initialize(
            **({} if config.coordinator == "auto" else own),
            initialization_timeout=config.timeout,
            heartbeat_timeout_seconds=config.timeout,
        )
        yield jax.process_index() == 0
        jax.distributed.shutdown()
    except SystemExit as error:
        _leave(error.code)
    except BaseException as error:
        if _CONNECTION.search(str(error)):
            # JAX finds out which process is gone, and aborts this one.
            time.sleep(2 * config.timeout)
        traceback.print_exception(error)
        _leave(1)


def _check(config) -> None:
    address, auto = config.coordinator, config.coordinator == "auto"
    if not address and config.num_processes > 1:
        raise ValueError(
            f"config.distributed.num_processes={config.num_processes} needs "
            "config.distributed.coordinator; set it to HOST:PORT of process 0, or auto"
        )
    if address and not auto and not re.fullmatch(r".+:\d+", address):
        raise ValueError(
            f"config.distributed.coordinator must be HOST:PORT or auto, got {address!r}"
            "; use a free port of process 0's host"
        )
    if not auto and not 0 <= config.process_id < config.num_processes:
        raise ValueError(
            "config.distributed.process_id must be in "
            f"0..{config.num_processes - 1}, got {config.process_id}; number the "
            "processes from 0 and set config.distributed.num_processes"
        )


def _check_port(address: str) -> None:
    try:
        socket.create_server(("", int(address.rsplit(":", 1)[1]))).close()
    except (OSError, OverflowError) as error:
        raise ValueError(
            f"process 0 cannot listen at {address} ({_reason(error)}); set "
            "config.distributed.coordinator to a free port of its host"
        ) from error


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None) or 0
    if number > 0:
        return os.strerror(number)
    return getattr(error, "strerror", None) or str(error)  # of names that lead nowhere


def _leave(code) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _end_with(lifeline: int) -> None:
    os.read(lifeline, 1)  # returns when the parent's end is closed
    os._exit(128 + signal.SIGKILL)


def _run_child(config) -> int:
    read, write = os.pipe()
    child = subprocess.Popen(
        [sys.executable, *sys.orig_argv[1:]],
        env=os.environ | {_LIFELINE: str(read)},
        stderr=subprocess.PIPE,
        pass_fds=[read],
    )
    os.close(read)
    asked = []

    def forward(number, frame):
        asked.append(number)
        again = number == signal.SIGINT and asked.count(number) > 1
        child.send_signal(signal.SIGKILL if again else signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, forward)
    held = []
    pump = threading.Thread(
        target=_pump, args=(child.stderr, held, config), daemon=True
    )
    pump.start()
    code = child.wait()
    pump.join(timeout=2)  # workers of the child may keep its stderr open
    os.close(write)
    text = b"".join(held)
    sentence = _explain(code, text.decode(errors="replace"), config, asked)
    if sentence is None:
        sys.stderr.buffer.write(text)
        sys.stderr.flush()
        return code if code >= 0 else 128 - code
    print(f"error: {sentence}", file=sys.stderr)
    return RESTART


def _pump(stream, held: list[bytes], config) -> None:
    """Passes the child's stderr on, but holds back what may be JAX's last words."""
    since = 0.0
    with stream:
        for line in stream:
            if held and time.monotonic() - since > 2 * config.timeout:
                sys.stderr.buffer.write(b"".join(held))  # it lives on: just a warning
                held.clear()
            if held or _TROUBLE.match(line):
                since = since if held else time.monotonic()
                held.append(line)
            else:
                sys.stderr.buffer.write(line)
                sys.stderr.flush()


def _explain(code: int, text: str, config, asked: list[int]) -> str | None:
    """Says in one sentence why JAX or the system ended the child, if either did."""
    if code == -signal.SIGABRT and "RegisterTask" in text:
        return _nobody(config)
    if code == -signal.SIGABRT and "JAX distributed service" in text:
        gone = re.search(r"stopped sending heartbeats\):\n([\d\s,]+)", text)
        numbers = re.findall(r"\d+", gone[1]) if gone else ["0"]
        names = " and ".join(numbers)
        verb = "is" if len(numbers) == 1 else "are"
        return f"process {names} of this run {verb} gone; {_RESUME}"
    if code < 0 and not asked and code != -signal.SIGABRT:
        ended = signal.Signals(-code).name
        hint = " (out of memory?)" if ended == "SIGKILL" else ""
        return f"this process was ended by {ended}{hint}; {_RESUME}"
    return None


def _nobody(config) -> str:
    where = f"{config.coordinator} within {config.timeout} s"
    if config.coordinator != "auto" and config.process_id > 0:
        host, port = config.coordinator.rsplit(":", 1)
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
        except OSError as error:
            return (
                f"process 0 did not answer at {where} ({_reason(error)}); "
                "start it too, or correct config.distributed.coordinator"
            )
    if config.coordinator == "auto":
        return (
            f"not all processes of this job came together within {config.timeout} s; "
            "see whether each task of the job started"
        )
    return (
        f"not all {config.num_processes} processes came to {where}; start the same "
        "command once for each config.distributed.process_id"
    )

"""A worker process: trains one trial after another for the executor that started it.

It is a process of its own so that a crash, a kill or a full memory costs one trial; it
takes several trials so that what it imported serves them all. It ends when its parent
does.
"""

import gc
import os
import pathlib
import signal
import sys
import threading
import time
import traceback
from multiprocessing.connection import Connection

from research.sweeps.contract import Outcome


def main(pipe: int, lifeline: int, cores: list[int]) -> None:
    """Serves (what, argument) requests until there are no more.

    Args:
      pipe: file descriptor of a two-way connection. "check": a Check -> None or the
        sentence that speaks against it. "train": a Trial -> ("evaluation", number,
        value), each answered by "go", "prune" or "stop", and ("done", outcome).
      lifeline: file descriptor that ends when the parent does.
      cores: CPU cores to use; none: all.
    """
    if cores:
        os.sched_setaffinity(0, cores)  # before JAX counts them
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    from research.sweeps import checks
    from research.training import programs

    programs.enable_compile_cache()
    connection = Connection(pipe)
    connection.send("ready")
    while True:
        try:
            what, argument = connection.recv()
        except EOFError:
            return
        if what == "check":
            connection.send(checks.complaint(argument))
        else:
            connection.send(("done", _train(argument, connection)))


def _end_with(lifeline: int) -> None:
    os.read(lifeline, 1)  # returns when the parent's end is closed
    os._exit(128 + signal.SIGKILL)


def _train(trial, connection: Connection) -> Outcome:
    import jax

    from research.sweeps import trial as trials

    def report(number: int, value: float) -> str:
        connection.send(("evaluation", number, value))
        return connection.recv()

    _write_into(pathlib.Path(trial.folder) / "log.txt")
    began = time.perf_counter()
    try:
        return trials.run(trial, report)
    except ValueError as error:  # a config that does not fit: it never will
        traceback.print_exc()
        reason, final = str(error), True
    except Exception as error:
        traceback.print_exc()
        first = (str(error).splitlines() or [""])[0]
        reason, final = f"{type(error).__name__}: {first}", False
    finally:
        jax.clear_caches()  # each trial compiles its own constants
        gc.collect()
    seconds = time.perf_counter() - began
    return Outcome("failed", seconds=seconds, reason=reason, final=final)


def _write_into(file: pathlib.Path) -> None:
    """Sends what this process prints to a file, from now on."""
    sys.stdout.flush()
    sys.stderr.flush()
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), [int(core) for core in sys.argv[3:]])

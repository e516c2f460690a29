"""The SLURM executor: an array of jobs, each a worker of the same sweep.

Every job starts the sweep's own command with one worker; they meet in the storage, like
commands started by hand on several machines. A job that is preempted or out of time
saves its trial and is queued again.
"""

import os
import pathlib
import signal
import subprocess
import time
from collections.abc import Callable

from research.sweeps.ledger import Ledger

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_EVERY = 2.0  # seconds between two looks at the jobs
# Parameters that submitit knows for every cluster; others are SLURM's own.
_COMMON = (
    "name",
    "timeout_min",
    "mem_gb",
    "nodes",
    "tasks_per_node",
    "cpus_per_task",
    "gpus_per_node",
)


class Worker:
    """What a job does; queued again it does the same."""

    def __init__(self, command: list[str], folder: str):
        """Remembers the command and the folder to run it in."""
        self._command, self._folder, self._child = command, folder, None

    def __call__(self) -> int:
        """Runs the command to its end; a failure is raised with its last words."""
        self._child = subprocess.Popen(self._command, cwd=self._folder)
        code = self._child.wait()
        if code:
            raise RuntimeError(f"a worker of the sweep ended with exit code {code}")
        return code

    def checkpoint(self):
        """Saves the trial before the job is taken off; called by submitit."""
        import submitit

        if self._child is not None:
            self._child.send_signal(signal.SIGTERM)
            self._child.wait()
        return submitit.helpers.DelayedSubmission(Worker(self._command, self._folder))


def read_parameters(text: str) -> dict:
    """Reads `key=value,…`; whole numbers become numbers.

    Raises:
      ValueError: a part without "=".
    """
    parameters: dict = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not (key and equals):
            raise ValueError(
                f"--slurm must be key=value,…, got {part!r}; for example "
                "partition=gpu,gpus_per_node=1,timeout_min=240"
            )
        parameters[key] = int(value) if value.isdecimal() else value
    return parameters


def run(
    ledger: Ledger,
    command: list[str],
    *,
    workers: int,
    parameters: dict,
    watch: Callable[[], None] = lambda: None,
) -> bool:
    """Submits the workers and waits for them.

    Args:
      ledger: of the sweep.
      command: that runs the sweep, without executor and workers.
      workers: jobs of the array.
      parameters: of submitit's executor; `cluster` is slurm unless said otherwise.
      watch: called again and again.

    Returns:
      Whether every trial has ended.

    Raises:
      ValueError: the cluster or a parameter is not known here.
      RuntimeError: all jobs ended, and one of them by an error.
    """
    if ledger.finished():
        return True
    own = ["--executor=process", "--workers=1", "--quiet"]
    task = Worker([*command, f"--workdir={ledger.folder}", *own], os.getcwd())
    paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    executor = _executor(ledger, dict(parameters), workers)
    with executor.batch():
        jobs = [executor.submit(task) for _ in range(workers)]
    try:
        while not all(job.done() for job in jobs):
            time.sleep(_EVERY)
            watch()
    except KeyboardInterrupt:
        for job in jobs:
            job.cancel(check=False)
        return False
    finished = ledger.finished()
    errors = [error for error in (job.exception() for job in jobs) if error]
    if errors and not finished:
        raise RuntimeError(f"see {ledger.folder / 'slurm'}: {errors[0]}")
    return finished


def _executor(ledger: Ledger, parameters: dict, workers: int):
    try:
        import submitit
    except ModuleNotFoundError as error:
        raise ValueError(
            "--executor=slurm needs the package submitit, which is not installed; "
            "pip install -e '.[sweeps]'"
        ) from error
    cluster = parameters.pop("cluster", "slurm")
    defaults = {"name": ledger.sweep.name, "timeout_min": 24 * 60}
    named = {
        key if key in _COMMON else f"slurm_{key}": value
        for key, value in (defaults | parameters).items()
    }
    try:
        executor = submitit.AutoExecutor(ledger.folder / "slurm", cluster=cluster)
        executor.update_parameters(**named, slurm_array_parallelism=workers)
    except (RuntimeError, ValueError, NameError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"the jobs cannot be submitted ({reason}); correct --slurm, or start the "
            "process executor on each machine with the same --storage and --workdir"
        ) from error
    return executor

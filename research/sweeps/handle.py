"""The parent's side of a worker process: its start, its share of devices, its end."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
from multiprocessing.connection import Pipe

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_PROGRAM = ("-m", "research.sweeps.worker")
_GRACE = 10.0  # seconds after which a worker that does not end is killed


class Handle:
    """A worker process."""

    def __init__(self, index: int, workers: int, env=None, program=_PROGRAM):
        """Starts worker `index` of `workers`; it sends "ready" once it can work.

        Args:
          index, workers: the devices and cores of this machine are divided by them.
          env: further environment variables, name -> text.
          program: what to run; its arguments are those of research/sweeps/worker.py.
        """
        self.index, self.trial, self._ended = index, None, None
        self.connection, child = Pipe()
        read, self._lifeline = os.pipe()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115, lives as long as we do
        paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        cores, added = share(index, workers)
        self.process = subprocess.Popen(
            [sys.executable, *program]
            + [str(n) for n in (child.fileno(), read, *cores)],
            env=environment | added | (env or {}),
            pass_fds=[child.fileno(), read],
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=self._said,
            start_new_session=True,  # Ctrl-C reaches the parent alone, which decides
        )
        os.close(read)
        child.close()

    def ask_to_stop(self) -> None:
        """Has the worker save its trial and come back."""
        self.process.send_signal(signal.SIGTERM)

    def end(self) -> str:
        """Ends the process if it still lives, and says how it ended."""
        if self._ended is None:
            self.connection.close()
            os.close(self._lifeline)  # has the worker end at once
            try:
                code = self.process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                code = self.process.wait()
            self._said.seek(0)
            self._ended = code, self._said.read().decode(errors="replace")
            self._said.close()
        code, _ = self._ended
        if code >= 0:
            return f"its process ended with exit code {code}"
        name = signal.Signals(-code).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{hint}"

    def last_words(self) -> str:
        """Ends the process; returns what it had printed before its first trial."""
        self.end()
        return self._ended[1]


def share(index: int, workers: int) -> tuple[list[int], dict[str, str]]:
    """Divides this machine: what worker `index` of `workers` may use.

    Returns:
      (CPU cores, or none for all; environment variables that choose accelerators).
    """
    devices = accelerators()
    if devices:
        own = devices[index % len(devices)]
        if workers <= len(devices):
            own = ",".join(devices[index::workers])
        sharing = -(-workers // len(devices))
        added = {"CUDA_VISIBLE_DEVICES": own}
        if sharing > 1:
            added["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{0.9 / sharing:.3f}"
        return [], added
    if workers == 1 or not hasattr(os, "sched_getaffinity"):
        return [], {}
    cores = sorted(os.sched_getaffinity(0))
    first, end = (len(cores) * k // workers for k in (index, index + 1))
    return cores[first:end] or [cores[index % len(cores)]], {}


def accelerators() -> list[str]:
    """Lists the NVIDIA devices that this process may use, without touching them."""
    if os.environ.get("JAX_PLATFORMS", "").startswith("cpu"):
        return []
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name for name in chosen.split(",") if name]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True)
    count = sum(line.startswith("GPU ") for line in listed.stdout.splitlines())
    return [str(index) for index in range(count)]

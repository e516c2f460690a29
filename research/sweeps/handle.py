"""The parent's side of a worker process: its start, its share of the devices, its end."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
from multiprocessing.connection import Pipe

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_GRACE = 60.0  # seconds that a worker asked to stop may take to save


class Handle:
    """A worker process."""

    def __init__(self, index: int, workers: int, env: dict[str, str] | None = None):
        """Starts worker `index` of `workers`; it sends "ready" once it can work.

        Args:
          index, workers: the devices and cores of this machine are divided by them.
          env: further environment variables.
        """
        self.index, self.trial = index, None
        self.connection, child = Pipe()
        read, self._lifeline = os.pipe()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115, lives as long as we do
        paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
        cores, added = share(index, workers)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "research.sweeps.worker"]
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
        """Ends the process, gently if it lives, and says how it ended."""
        self.connection.close()
        if self.process.poll() is None:
            try:
                os.close(self._lifeline)
                self.process.wait(_GRACE)
            except subprocess.TimeoutExpired:
                self.process.kill()
        else:
            os.close(self._lifeline)
        code = self.process.wait()
        if code >= 0:
            return f"its process ended with exit code {code}"
        name = signal.Signals(-code).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"its process was ended by {name}{hint}"

    def last_words(self) -> str:
        """Returns what the process printed before its first trial."""
        self._said.seek(0)
        return self._said.read().decode(errors="replace")


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

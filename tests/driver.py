"""Runs scripts in forked processes: each is killed or ends like any process, but the
imports, most of a short run's time, are made once.

Reads one job a line from its standard input, {"kill_after": step or null, "cwd":
folder, "commands": [[script, argument, …], …]}, and answers {"status": of the process,
"output": text} a line. A job with a kill ends by SIGKILL once the checkpoint of that
step is written.
"""

import importlib
import json
import os
import signal
import sys
import tempfile
import traceback
import warnings

sys.path.insert(0, __file__.rsplit("/", 2)[0])

from tests import flags  # noqa: E402

# As the scripts run outside of the tests: one device, which is not yet opened here.
os.environ["XLA_FLAGS"] = flags.QUICK_COMPILATION
# Forking with threads would be unsafe; there are none before JAX opens its device.
warnings.filterwarnings("ignore", message="os.fork")

import jax  # noqa: F401, E402

from research.reports import classification, run  # noqa: F401, E402
from research.training import checkpoint, loop  # noqa: F401, E402


def _work(job: dict) -> None:
    os.chdir(job["cwd"])
    if job["kill_after"] is not None:
        _die_at(job["kill_after"])
    for script, *argv in job["commands"]:
        sys.argv = [script, *argv]
        importlib.import_module(f"scripts.{script}").main(argv)


def _die_at(step: int) -> None:
    save = checkpoint.Checkpoints.save

    def save_and_die(self, at, *values, **named):
        save(self, at, *values, **named)
        self.wait()
        if at >= step:
            os.kill(os.getpid(), signal.SIGKILL)

    checkpoint.Checkpoints.save = save_and_die


def _child(job: dict, output: int) -> None:
    os.dup2(output, 1)
    os.dup2(output, 2)
    code = 1
    try:
        _work(job)
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        with tempfile.TemporaryFile() as output:
            pid = os.fork()
            if pid == 0:
                _child(json.loads(line), output.fileno())
            _, status = os.waitpid(pid, 0)
            output.seek(0)
            said = output.read().decode(errors="replace")
        code = os.waitstatus_to_exitcode(status)
        print(json.dumps({"status": code, "output": said}), file=answers, flush=True)


if __name__ == "__main__":
    main()

"""Several processes on this machine: equal numbers, clear ends, exact resumption."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from configs import base
from research.training import distributed, run, tracking
from research.training import state as states

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT = 6  # seconds of silence after which a peer is dead
TRAIN = (
    "--config=mlp_mnist:quick",
    "--config.data.count=256",
    "--config.data.batch_size=32",
    "--config.data.eval_batch_size=24",
    "--config.model.variant=debug",
    "--config.optimizer.name=momentum",
    "--config.optimizer.learning_rate=0.01",
    "--config.train.steps=120",
    "--config.train.log_every=10",
    "--config.train.eval_every=40",
    "--config.checkpoint.every=20",
)
RESUMES = (
    "the run is safe up to its last checkpoint, and the same command on all processes "
    "resumes it\n"
)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _start(folder, *more: str):
    """Starts scripts/train.py with one device, as a user does."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("XLA_")}
    return subprocess.Popen(
        [sys.executable, "scripts/train.py", f"--workdir={folder}", *TRAIN, *more],
        cwd=ROOT,
        env=env | {"JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _start_all(folder, *more: str, count: int = 2, port: int | None = None):
    port = port or _free_port()
    return [
        _start(
            folder,
            f"--config.distributed.coordinator=127.0.0.1:{port}",
            f"--config.distributed.num_processes={count}",
            f"--config.distributed.process_id={number}",
            f"--config.distributed.timeout={TIMEOUT}",
            *more,
        )
        for number in range(count)
    ]


def _finish(processes, timeout: float = 120):
    """Waits for all; returns [(exit code, stdout, stderr)]."""
    try:
        texts = [process.communicate(timeout=timeout) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(p.returncode, *t) for p, t in zip(processes, texts, strict=True)]


def _wait_for_checkpoint(folder, step: int, processes) -> None:
    for _ in range(4500):
        if (folder / "checkpoints" / str(step)).exists():
            return
        assert all(p.poll() is None for p in processes), _finish(processes)
        time.sleep(0.02)
    pytest.fail(f"no checkpoint {step}: {_finish(processes, 1)}")


def _digests(folder):
    """(digest of the last state, digest of the metrics), read in this process."""
    opened = run.open_run(folder, run.read_config(folder), "latest")
    rows = tracking.read(folder / "metrics.jsonl")
    return states.digest(opened.state), tracking.digest(rows)


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """The run directory of an unbroken run of two processes, and what they said."""
    folder = tmp_path_factory.mktemp("pair")
    return folder, _finish(_start_all(folder))


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The same run in one process."""
    folder = tmp_path_factory.mktemp("alone")
    ((code, _, stderr),) = _finish([_start(folder)])
    assert code == 0, stderr
    return folder


def _assert_equal_metrics(folder, other, rtol):
    rows, expected = (tracking.read(f / "metrics.jsonl") for f in (folder, other))
    assert [row["step"] for row in rows] == [row["step"] for row in expected]
    for row, wanted in zip(rows, expected, strict=True):
        names = {name for name in wanted if not name.startswith("time/")}
        assert names == {name for name in row if not name.startswith("time/")}
        for name in names:
            np.testing.assert_allclose(row[name], wanted[name], rtol, err_msg=name)


def test_two_processes_give_the_metrics_of_one(pair, alone):
    folder, ended = pair
    assert [code for code, _, _ in ended] == [0, 0], ended
    _assert_equal_metrics(folder, alone, rtol=1e-5)


def test_the_first_process_alone_speaks_and_writes(pair):
    folder, (first, second) = pair
    assert "step 120/120" in first[1] and "report:" in first[1]
    said = [line for line in second[1].splitlines() if "[Gloo]" not in line]
    assert (said, first[2], second[2]) == ([], "", "")
    starts = (folder / "environment.json").read_text()
    assert starts.count('"started"') == 1 and '"processes": 2' in starts
    assert not list(folder.glob("*.new"))


def test_a_checkpoint_of_two_processes_restores_in_one(pair, alone):
    opened, expected = (
        run.open_run(folder, run.read_config(folder), "latest")
        for folder in (pair[0], alone)
    )
    assert opened.step == expected.step == 120
    for (path, leaf), (_, wanted) in zip(
        states.named_leaves(opened.state),
        states.named_leaves(expected.state),
        strict=True,
    ):
        np.testing.assert_allclose(leaf, wanted, rtol=1e-3, atol=1e-5, err_msg=path)


def _kill_and_resume(folder, victim: int, unbroken) -> float:
    """Kills one of two processes, checks the other's end; returns its delay."""
    processes = _start_all(folder)
    _wait_for_checkpoint(folder, 20, processes)
    processes[victim].kill()
    began = time.monotonic()
    code, _, stderr = _finish(processes)[1 - victim]
    delay = time.monotonic() - began
    assert stderr == f"error: process {victim} of this run is gone; {RESUMES}"
    assert code == distributed.RESTART
    ended = _finish(_start_all(folder))
    assert [code for code, _, _ in ended] == [0, 0], ended
    assert tracking.read(folder / "metrics.jsonl")[-1]["step"] == 120
    assert _digests(folder) == _digests(unbroken)
    return delay


@pytest.mark.slow
def test_a_dead_peer_ends_the_run_and_the_same_commands_resume_it(tmp_path, pair):
    delay = _kill_and_resume(tmp_path, victim=1, unbroken=pair[0])
    assert delay < 2 * TIMEOUT + 5


@pytest.mark.slow
def test_a_dead_first_process_is_noticed_at_once(tmp_path, pair):
    assert _kill_and_resume(tmp_path, victim=0, unbroken=pair[0]) < TIMEOUT


@pytest.mark.slow
@pytest.mark.parametrize("told", [0, 1])
def test_sigterm_to_either_process_saves_the_same_step_on_both(tmp_path, pair, told):
    processes = _start_all(tmp_path)
    _wait_for_checkpoint(tmp_path, 20, processes)
    processes[told].send_signal(signal.SIGTERM)
    (code, stdout, _), other = _finish(processes)
    assert (code, other[0]) == (0, 0)
    last = max(int(p.name) for p in (tmp_path / "checkpoints").iterdir())
    stopped = f"stopped at step {last}; the same command goes on from there"
    assert stdout.splitlines()[-1] == stopped and last < 120
    assert [code for code, _, _ in _finish(_start_all(tmp_path))] == [0, 0]
    assert _digests(tmp_path) == _digests(pair[0])


@pytest.mark.slow
@pytest.mark.parametrize(
    "mesh",
    [
        ("--config.mesh.fsdp=2", "--config.mesh.data=1"),
        (
            "--config.mesh.tensor=2",
            "--config.mesh.data=1",
            "--config.mesh.rules=(('hidden_1/kernel',('tensor',None)),)",
        ),
    ],
)
def test_other_meshes_over_two_processes_give_the_same_metrics(tmp_path, alone, mesh):
    ended = _finish(_start_all(tmp_path, *mesh))
    assert [code for code, _, _ in ended] == [0, 0], ended
    _assert_equal_metrics(tmp_path, alone, rtol=1e-5)


@pytest.mark.slow
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(tmp_path, pair):
    processes = _start_all(tmp_path)
    _wait_for_checkpoint(tmp_path, 60, processes)
    for process in processes:
        process.kill()
    _finish(processes)
    last = max(
        int(p.name) for p in (tmp_path / "checkpoints").iterdir() if p.name.isdecimal()
    )
    for file in (tmp_path / "checkpoints" / str(last) / "packed").rglob("*"):
        if file.is_file():
            file.write_bytes(b"damaged")
    codes = [code for code, _, _ in _finish(_start_all(tmp_path))]
    assert 2 in codes and set(codes) <= {2, distributed.RESTART}
    assert (tmp_path / "damaged" / str(last)).exists()
    assert [code for code, _, _ in _finish(_start_all(tmp_path))] == [0, 0]
    assert _digests(tmp_path) == _digests(pair[0])


@pytest.mark.slow
def test_a_directory_of_another_run_is_refused_by_the_first_process(tmp_path, pair):
    first, second = _finish(_start_all(pair[0], "--config.train.ema_decay=0.5"))
    assert first[0] == 2 and second[0] == distributed.RESTART
    assert first[2].startswith(f"error: the run directory {pair[0]} holds a run of")
    assert second[2] == f"error: process 0 of this run is gone; {RESUMES}"


@pytest.mark.slow
def test_an_absent_first_process_is_named_with_its_address(tmp_path):
    port = _free_port()
    process = _start(
        tmp_path,
        f"--config.distributed.coordinator=127.0.0.1:{port}",
        "--config.distributed.num_processes=2",
        "--config.distributed.process_id=1",
        "--config.distributed.timeout=5",
    )
    ((code, stdout, stderr),) = _finish([process])
    assert stderr == (
        f"error: process 0 did not answer at 127.0.0.1:{port} within 5 s (Connection "
        "refused); start it too, or correct config.distributed.coordinator\n"
    )
    assert (code, stdout) == (distributed.RESTART, "")


@pytest.mark.slow
def test_absent_peers_are_named(tmp_path):
    (process,) = _start_all(tmp_path, "--config.distributed.num_processes=3", count=1)
    ((code, stdout, stderr),) = _finish([process])
    assert "error: not all 3 processes came to 127.0.0.1:" in stderr
    assert (
        "start the same command once for each config.distributed.process_id" in stderr
    )
    assert (code, stdout) == (distributed.RESTART, "")


def _config(**changes):
    config = base.get_config().distributed
    config.update({"coordinator": "", "timeout": 5} | changes)
    return config


def _message(config) -> str:
    with pytest.raises(ValueError) as error:
        distributed.guard(config)
    return str(error.value)


def test_one_process_needs_nothing():
    distributed.guard(_config())
    with distributed.joined(_config()) as first:
        assert first


def test_several_processes_need_a_coordinator():
    assert _message(_config(num_processes=2)) == (
        "config.distributed.num_processes=2 needs config.distributed.coordinator; set "
        "it to HOST:PORT of process 0, or auto"
    )


@pytest.mark.parametrize("address", ["host", "host:", "host:port", ":123"])
def test_the_coordinator_is_host_and_port(address):
    assert _message(_config(coordinator=address)) == (
        f"config.distributed.coordinator must be HOST:PORT or auto, got {address!r}; "
        "use a free port of process 0's host"
    )


def test_process_ids_count_from_0():
    assert _message(_config(coordinator="h:1", num_processes=2, process_id=2)) == (
        "config.distributed.process_id must be in 0..1, got 2; number the processes "
        "from 0 and set config.distributed.num_processes"
    )


def test_a_host_that_nobody_knows_is_named():
    error = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    assert distributed._reason(error) == "Name or service not known"


def test_a_port_in_use_is_named():
    with socket.create_server(("", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert _message(_config(coordinator=address)) == (
            f"process 0 cannot listen at {address} (Address already in use); set "
            "config.distributed.coordinator to a free port of its host"
        )


@pytest.fixture
def guarded(tmp_path, monkeypatch, capfd):
    """Runs `guard` over a child with the given Python code: (exit code, stderr)."""
    handlers = {n: signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)}

    def guarded(code: str, **changes):
        script = tmp_path / "child.py"
        script.write_text("import os, signal, sys, time\n" + code)
        monkeypatch.setattr(sys, "orig_argv", [sys.executable, str(script)])
        fields = {"coordinator": "127.0.0.1:1", "num_processes": 3, "process_id": 1}
        with pytest.raises(SystemExit) as ended:
            distributed.guard(_config(**fields | changes))
        return ended.value.code, capfd.readouterr().err

    yield guarded
    for number, handler in handlers.items():
        signal.signal(number, handler)


# What jaxlib 0.10 writes before it aborts.
LOST = (
    "E1123 14:36:26.102200   13367 coordination_service.cc:1549] [4] Use error polling "
    "to propagate the following error to all tasks: UNAVAILABLE: The following tasks "
    "are unhealthy (stopped sending heartbeats):\n{gone}\nThe tasks have crashed.\n"
    "F1123 14:36:26.102990   13378 client.h:80] Terminating process because the JAX "
    "distributed service detected fatal errors.\n*** Check failure stack trace: ***\n"
)


@pytest.mark.parametrize(
    ("gone", "names"), [("2", "process 2 of this run is"), ("0\n2", "process 0 and 2")]
)
def test_the_end_by_a_lost_peer_is_one_sentence(guarded, gone, names):
    text = LOST.format(gone=gone)
    code, stderr = guarded(
        f"sys.stderr.write({text!r}); sys.stderr.flush(); os.abort()"
    )
    assert code == distributed.RESTART
    assert stderr.startswith(f"error: {names}") and stderr.endswith(RESUMES)
    assert stderr.count("\n") == 1


def test_other_ends_keep_their_text_and_code(guarded):
    code, stderr = guarded("sys.stderr.write('error: a sentence\\n'); sys.exit(2)")
    assert (code, stderr) == (2, "error: a sentence\n")
    code, stderr = guarded("raise KeyError('a bug')")
    assert code == 1 and stderr.endswith("KeyError: 'a bug'\n")
    text = "something else failed a check"
    code, stderr = guarded(
        f"sys.stderr.write({text!r}); sys.stderr.flush(); os.abort()"
    )
    assert (code, stderr) == (128 + signal.SIGABRT, text)
    assert guarded("print('fine')") == (0, "")


def test_text_held_back_is_shown_when_the_child_ends_otherwise(guarded):
    text = LOST.format(gone="2")
    code, stderr = guarded(f"sys.stderr.write({text!r}); sys.exit(1)")
    assert (code, stderr) == (1, text)


def test_a_killed_child_is_reported(guarded):
    code, stderr = guarded("os.kill(os.getpid(), signal.SIGKILL)")
    assert code == distributed.RESTART
    assert stderr == (
        f"error: this process was ended by SIGKILL (out of memory?); {RESUMES}"
    )


def test_signals_to_the_parent_reach_the_child_as_sigterm(guarded):
    child = (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "os.kill(os.getppid(), signal.{name})\n"
        "time.sleep(20)"
    )
    for name in ("SIGTERM", "SIGINT"):
        assert guarded(child.format(name=name)) == (7, "")


def test_a_child_ends_with_its_parent(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os, pathlib, sys, time\n"
        "from ml_collections import ConfigDict\n"
        "from research.training import distributed\n"
        "distributed.guard(ConfigDict(dict(coordinator='127.0.0.1:1', process_id=1,"
        " num_processes=2, timeout=5)))\n"
        "assert 'jax' not in sys.modules, 'the parent must not need JAX'\n"
        f"pathlib.Path({str(tmp_path)!r}, 'child').write_text(str(os.getpid()))\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, str(script)], cwd=ROOT)
    note = tmp_path / "child"
    for _ in range(500):
        if note.exists() and note.read_text():
            break
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    child = int(note.read_text())
    for _ in range(250):
        if not pathlib.Path(f"/proc/{child}").exists() or "State:\tZ" in _status(child):
            return
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the child outlived its parent")


def _status(process: int) -> str:
    try:
        return pathlib.Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return "State:\tZ"

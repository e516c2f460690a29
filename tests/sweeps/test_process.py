"""The process executor: workers that crash, are killed, or never start."""

import collections
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

from research.sweeps import handle, ledger, process

RATE = "optimizer.learning_rate"
HERE = pathlib.Path(__file__).parent


def _starts(folder, trials):
    return [
        len((folder / "trials" / str(n) / "starts").read_text().split())
        for n in range(trials)
    ]


def test_all_trials_are_made_and_the_same_command_does_nothing_more(
    new_sweep, start_fake, tmp_path
):
    book = ledger.Ledger(new_sweep(), tmp_path)
    assert process.run(book, workers=2, start=start_fake())
    rows = book.rows()
    assert [row["state"] for row in rows] == ["complete"] * 6
    assert all(list(row["evaluations"]) == [1, 2, 3, 4, 5] for row in rows)
    assert process.run(book, workers=2, start=None)  # starts no worker
    assert _starts(tmp_path, 6) == [1] * 6


def test_crashed_and_diverged_trials_are_recorded_and_block_no_other(
    new_sweep, start_fake, tmp_path
):
    book = ledger.Ledger(new_sweep(trials=12, retries=1), tmp_path)
    assert process.run(book, workers=2, start=start_fake(FAKE_CRASH="nan"))
    rows = book.rows()
    diverged = [row for row in rows if row["params"][RATE] > 0.01]
    assert diverged and len(diverged) < 12
    for row in rows:
        wanted = "diverged" if row in diverged else "complete"
        assert (row["state"], row["attempts"]) == (wanted, 1)
    assert diverged[0]["reason"] == "the loss became nan at step 3"

    book = ledger.Ledger(new_sweep(retries=1), tmp_path / "once")
    assert process.run(book, workers=2, start=start_fake(FAKE_CRASH="once"))
    assert {(r["state"], r["attempts"]) for r in book.rows()} == {("complete", 2)}

    book = ledger.Ledger(new_sweep(retries=1), tmp_path / "always")
    assert process.run(book, workers=2, start=start_fake(FAKE_CRASH="always"))
    for row in book.rows():
        assert (row["state"], row["attempts"]) == ("failed", 2)
        assert row["failures"] == ["OSError: planted"] * 2


def test_workers_killed_at_random_moments_lose_and_double_nothing(
    new_sweep, start_fake, tmp_path
):
    sweep = new_sweep(trials=10, retries=50)
    quiet = ledger.Ledger(sweep, tmp_path / "quiet")
    assert process.run(quiet, workers=2, start=start_fake())

    alive, kills, chance = [], [], random.Random(0)
    fake = start_fake(FAKE_SECONDS=0.03)

    def start(index, workers):
        alive.append(fake(index, workers))
        return alive[-1]

    def watch():  # after every evaluation; the workers are anywhere meanwhile
        busy = [handle for handle in alive if handle.trial and not handle._ended]
        if busy and len(kills) < 12 and chance.random() < 0.3:
            time.sleep(chance.uniform(0, 0.05))
            kills.append(chance.choice(busy).process.pid)
            os.kill(kills[-1], signal.SIGKILL)

    book = ledger.Ledger(sweep, tmp_path / "killed")
    assert process.run(book, workers=3, watch=watch, start=start)
    rows = book.rows()
    failures = [reason for row in rows for reason in row["failures"]]
    assert 5 <= len(kills) <= 12 and 0 < len(failures) <= len(kills)
    assert set(failures) == {"its process was ended by SIGKILL (out of memory?)"}
    assert [row["number"] for row in rows] == list(range(10))
    assert [row["state"] for row in rows] == ["complete"] * 10
    for killed, undisturbed in zip(rows, quiet.rows(), strict=True):
        for key in ("params", "value", "evaluations"):
            assert killed[key] == undisturbed[key]
        assert killed["attempts"] == 1 + len(killed["failures"])
    # A worker may be killed before it has begun what it was sent.
    assert 10 <= sum(_starts(tmp_path / "killed", 10)) <= 10 + len(failures)


def _command(folder, seconds="0.05"):
    """Runs the sweep of `driver.py` in a process of its own."""
    return subprocess.Popen(
        [sys.executable, str(HERE / "driver.py"), str(folder), "12", seconds],
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("kills", (2, pytest.param(15, marks=pytest.mark.slow)))
def test_everything_killed_again_and_again_ends_with_the_exact_trials(kills, tmp_path):
    chance, killed = random.Random(kills), 0
    while killed < kills:
        command = _command(tmp_path / "killed", "0.3")
        try:
            command.communicate(timeout=chance.uniform(0.7, 2.5))
            break  # it was ready before
        except subprocess.TimeoutExpired:
            command.kill()  # its workers follow it
            command.communicate()
            killed += 1
    assert killed
    outs = []
    for folder in ("killed", "unbroken"):
        command = _command(tmp_path / folder)
        outs.append(command.communicate()[0])
        assert command.returncode == 0
    # number, state, value, parameters of all trials, and the best
    assert outs[0] == outs[1]
    states = collections.Counter(line.split()[1] for line in outs[0].splitlines()[:-1])
    assert states == {"complete": 12}


def test_two_commands_share_the_trials(tmp_path):
    commands = [_command(tmp_path) for _ in range(2)]
    outs = [command.communicate()[0] for command in commands]
    assert [command.returncode for command in commands] == [0, 0]
    assert outs[0] == outs[1] and len(outs[0].splitlines()) == 13
    assert _starts(tmp_path, 12) == [1] * 12


def test_time_that_is_up_saves_and_leaves(new_sweep, start_fake, tmp_path):
    sweep = new_sweep(trials=50, minutes=1.0 / 60)
    book = ledger.Ledger(sweep, tmp_path)
    began = time.monotonic()
    assert not process.run(book, workers=2, start=start_fake(FAKE_SECONDS=0.1))
    assert time.monotonic() - began < 20
    states = {row["state"] for row in book.rows()}
    assert len(book.rows()) < 50 and states <= {"complete", "waiting"}
    assert not any(row["failures"] for row in book.rows())


def test_a_worker_that_cannot_start_is_no_trial_s_fault(new_sweep, tmp_path):
    def start(index, workers):
        return handle.Handle(index, workers, program=("-c", "import no_such_module"))

    book = ledger.Ledger(new_sweep(), tmp_path)
    with pytest.raises(RuntimeError, match="No module named 'no_such_module'"):
        process.run(book, workers=1, start=start)
    assert all(not row["failures"] for row in book.rows())


def test_cores_and_accelerators_are_divided(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 5, 6})
    assert handle.share(0, 1) == ([], {})
    assert [handle.share(k, 2)[0] for k in range(2)] == [[0, 1], [2, 5, 6]]
    assert [handle.share(k, 6)[0] for k in (0, 5)] == [[0], [6]]
    monkeypatch.setenv("JAX_PLATFORMS", "")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3,4")
    assert handle.share(1, 3) == ([], {"CUDA_VISIBLE_DEVICES": "3"})
    assert handle.share(0, 2) == ([], {"CUDA_VISIBLE_DEVICES": "0,4"})
    assert handle.share(4, 6)[1] == {
        "CUDA_VISIBLE_DEVICES": "3",
        "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.450",
    }

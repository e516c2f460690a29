"""Sweeps over a database, as many machines share them."""

import glob
import os
import pathlib
import shutil
import socket
import subprocess
import sys

import pytest

from research.sweeps import ledger

HERE = pathlib.Path(__file__).parent


@pytest.fixture(scope="module")
def postgres():
    """The URL of a PostgreSQL server of our own."""
    pytest.importorskip("psycopg", reason="PostgreSQL is reached by psycopg")
    places = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    if not places:
        pytest.skip("no PostgreSQL server is installed (apt-get install postgresql)")
    as_user = []
    if os.getuid() == 0:  # the server refuses to be root
        if shutil.which("runuser") is None:
            pytest.skip("PostgreSQL cannot be started by root without runuser")
        as_user = ["runuser", "-u", "postgres", "--"]
    # Not pytest's folder: the server's user may not enter it.
    home = subprocess.run(
        [*as_user, "mktemp", "-d", "/tmp/sweep_postgres_XXXXXX"],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    ).stdout.strip()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    def run(program, *argv):
        command = [*as_user, f"{places[-1]}/{program}", *argv]
        subprocess.run(
            command, check=True, cwd="/", stdout=subprocess.DEVNULL, timeout=60
        )

    run("initdb", "-D", f"{home}/data", "-A", "trust", "-U", "sweep", "--no-sync")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -k {home}"
    start = ("-D", f"{home}/data", "-o", options, "-l", f"{home}/log", "-w", "start")
    run("pg_ctl", *start)
    try:
        yield f"postgresql://sweep@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-D", f"{home}/data", "-m", "immediate", "stop")
        subprocess.run([*as_user, "rm", "-rf", home], check=True, cwd="/")


@pytest.mark.slow
def test_commands_with_folders_of_their_own_share_postgresql(postgres, tmp_path):
    def start(name, seconds):
        return subprocess.Popen(
            [sys.executable, str(HERE / "driver.py"), str(tmp_path / name)]
            + ["12", seconds, postgres],
            start_new_session=True,
            stdout=subprocess.PIPE,
            text=True,
        )

    killed = start("a", "0.4")
    with pytest.raises(subprocess.TimeoutExpired):
        killed.communicate(timeout=3)
    killed.kill()
    killed.communicate()
    commands = [start(name, "0.05") for name in "bc"]
    outs = [command.communicate()[0] for command in commands]
    assert [command.returncode for command in commands] == [0, 0]
    assert outs[0] == outs[1]
    lines = outs[0].splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [
        [str(number), "complete"] for number in range(12)
    ]


def test_trials_change_hands_under_postgresql_s_lock(postgres, new_sweep, tmp_path):
    sweep = new_sweep(name="locked", trials=3)
    with (
        ledger.Ledger(sweep, tmp_path / "a", postgres) as one,
        ledger.Ledger(sweep, tmp_path / "b", postgres) as two,
    ):
        assert [book.claim().number for book in (one, two, one)] == [0, 1, 2]
        assert two.claim() is None


def test_sqlite_works_on_one_machine(new_sweep, tmp_path):
    url = f"sqlite:///{tmp_path}/study.db"
    with ledger.Ledger(new_sweep(trials=1), tmp_path, url) as book:
        assert book.claim().number == 0 and book.claim() is None


def test_a_database_that_cannot_be_opened_is_one_sentence(new_sweep, tmp_path):
    for url in ("postgresql://user:secret@127.0.0.1:1/none", "nonsense", "no://x"):
        with pytest.raises(ValueError) as error:
            ledger.Ledger(new_sweep(), tmp_path, url)
        sentence = str(error.value)
        assert sentence.startswith("--storage=") and "cannot be opened (" in sentence
        assert "secret" not in sentence and "\n" not in sentence

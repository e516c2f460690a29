"""Where trials are recorded: a journal file, or any database that Optuna can use.

Besides opening it, this gives the one lock under which trials change hands. Every lock
here ends with the process that held it, however that ended.
"""

import contextlib
import fcntl
import os
import pathlib
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager

import optuna
from optuna.storages import journal

# Statements that take and release a lock of the connection, by SQL dialect.
_LOCKS = {
    "postgresql": (
        "SELECT pg_advisory_lock(hashtext(:name))",
        "SELECT pg_advisory_unlock(hashtext(:name))",
    ),
    "mysql": ("SELECT GET_LOCK(:name, -1)", "SELECT RELEASE_LOCK(:name)"),
}


class _FileLock:
    """A lock for Optuna's journal which a killed owner does not leave behind."""

    def __init__(self, path: pathlib.Path):
        self._path, self._file = path, None

    def acquire(self) -> bool:
        """Waits for the lock."""
        self._file = self._path.open("a")
        fcntl.lockf(self._file, fcntl.LOCK_EX)  # of POSIX: network drives know it
        return True

    def release(self) -> None:
        """Gives the lock back."""
        self._file.close()


def open_storage(url: str, folder: pathlib.Path):
    """Opens a storage.

    Args:
      url: of a database, `postgresql://…`; empty: a journal file in the folder.
      folder: of the sweep.

    Returns:
      (Optuna's storage, lock): `lock(name)` is a context manager that one process at a
      time can be in, over all machines that use the storage.

    Raises:
      ValueError: the database cannot be opened.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if url:
        return _open_database(url, folder)
    path = folder / "study.journal"
    lock = _FileLock(folder / "study.journal.lock")
    lock.acquire()
    _cut_torn_line(path)
    lock.release()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        backend = journal.JournalFileBackend(str(path), lock_obj=lock)
        store = optuna.storages.JournalStorage(backend)
    return store, _file_lock(folder)


def close(store) -> None:
    """Ends the connections to a database, if it is one."""
    if isinstance(store, optuna.storages.RDBStorage):
        store.remove_session()
        store.engine.dispose()


def _cut_torn_line(path: pathlib.Path) -> None:
    """Removes what a machine that broke down in a write left of its last line."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        content = file.read()
        if content and not content.endswith(b"\n"):
            file.truncate(content.rfind(b"\n") + 1)
            os.fsync(file.fileno())


def _file_lock(folder: pathlib.Path) -> Callable[[str], AbstractContextManager]:
    @contextlib.contextmanager
    def lock(name: str):
        with (folder / ".trials.lock").open("a") as file:
            fcntl.lockf(file, fcntl.LOCK_EX)
            yield

    return lock


def _open_database(url: str, folder: pathlib.Path):
    import sqlalchemy

    try:
        parsed = sqlalchemy.engine.make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        store = optuna.storages.RDBStorage(
            parsed.render_as_string(hide_password=False),
            engine_kwargs={"pool_pre_ping": True},
        )
    except (sqlalchemy.exc.SQLAlchemyError, ImportError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(
            f"--storage={_without_password(url)} cannot be opened ({reason}); give a "
            "URL such as postgresql://user:password@host/database, or leave it out for "
            "a file in the workdir"
        ) from error
    dialect = store.engine.dialect.name.replace("mariadb", "mysql")
    if dialect not in _LOCKS:  # a file of this machine
        return store, _file_lock(folder)
    take, release = (sqlalchemy.text(statement) for statement in _LOCKS[dialect])

    @contextlib.contextmanager
    def lock(name: str):
        with store.engine.connect() as connection:
            connection.execute(take, {"name": name})
            try:
                yield
            finally:
                connection.execute(release, {"name": name})

    return store, lock


def _without_password(url: str) -> str:
    head, at, tail = url.rpartition("@")
    return f"{head.split('//')[0]}//…@{tail}" if at else url

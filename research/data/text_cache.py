"""Keeps what was made of a large text, the tokenizer and the token ids, in files.

They lie in a folder "text" in the one of research/data/cache.py, which may be removed
at any time. A file is written under a temporary name and renamed when complete.
"""

import logging
import os
import pathlib
import tempfile
from collections.abc import Callable

import numpy as np

from research.data import cache

_FORMAT = 1  # part of every name: raise it when any tokenizer or encoding changes
LARGE = 2**23  # bytes of a file above which it counts: it takes more than seconds


def array(key: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """Returns the array of that key, memory-mapped, making it first where needed."""
    file = _folder() / f"{key}-{_FORMAT}.npy"
    try:
        return np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):  # missing or damaged
        pass
    logging.info("tokenizing once into %s", file)
    made = make()
    if not _write(file, lambda opened: np.save(opened, made, allow_pickle=False)):
        return made
    return np.load(file, mmap_mode="r", allow_pickle=False)


def text(key: str, make: Callable[[], str]) -> str:
    """Returns the text of that key, making it first where needed."""
    file = _folder() / f"{key}-{_FORMAT}.json"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    logging.info("learning a vocabulary once into %s", file)
    made = make()
    _write(file, lambda opened: opened.write(made.encode()))
    return made


def _folder() -> pathlib.Path:
    return cache.default_folder() / "text"


def _write(file: pathlib.Path, write: Callable) -> bool:
    """Writes a file as a whole; tells whether that was possible."""
    temporary = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f"{file.name}.")
        with os.fdopen(handle, "wb") as opened:
            write(opened)
        os.replace(temporary, file)
        return True
    except OSError as error:
        logging.warning("not keeping %s: %s", file, error)
        if temporary is not None:
            pathlib.Path(temporary).unlink(missing_ok=True)
        return False

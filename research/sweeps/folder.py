"""A sweep's folder: sweep.json, study.journal, trials/<number>/seed<k>/, report.html.

Each `seed<k>` is an ordinary run directory; beside it `log.txt` holds what was printed.
"""

import json
import os
import pathlib

_FILE = "sweep.json"


def known(folder: pathlib.Path, sweep) -> bool:
    """Tells whether a sweep was checked and begun in a folder.

    Raises:
      ValueError: the folder holds another sweep, or is no folder of a sweep.
    """
    file = folder / _FILE
    if not file.exists():
        if (folder / "config.json").exists():
            raise ValueError(
                f"{folder} holds a training run; choose another --workdir for the sweep"
            )
        return False
    changed = sweep.differences(_read(file))
    if changed:
        raise ValueError(
            f"{folder} holds a sweep of another specification ({'; '.join(changed)}); "
            "choose another --workdir or the old values"
        )
    return True


def claim(folder: pathlib.Path, sweep) -> None:
    """Stores the specification of a checked sweep."""
    new = folder / f"{_FILE}.{os.getpid()}"
    try:
        new.write_text(json.dumps(sweep.identity(), indent=2) + "\n")
        new.replace(folder / _FILE)
    except OSError as error:
        raise ValueError(
            f"the folder {folder} cannot be written ({error.strerror}); choose another "
            "--workdir"
        ) from error


def _read(file: pathlib.Path) -> dict:
    try:
        return json.loads(file.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{file} is damaged ({error}); restore it from a copy"
        ) from error

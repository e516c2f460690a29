"""Finds models, tasks and data sources by name: the file's name is the name."""

import difflib
import importlib
import pathlib
import re

# What a file of each folder must define to count as one of its kind.
_CONTRACT = {
    "models": r"def build\(\s*variant",
    "tasks": r"def build\(\s*model",
    "data": r"def load\(\s*split",
}


def names(kind: str) -> list[str]:
    """Lists what exists: kind is "models", "tasks" or "data"."""
    contract = re.compile(f"^{_CONTRACT[kind]}", re.MULTILINE)
    folder = pathlib.Path(__file__).parent / kind
    return sorted(f.stem for f in folder.glob("*.py") if contract.search(f.read_text()))


def module(kind: str, name: str):
    """Imports `research/<kind>/<name>.py`.

    Raises:
      ValueError: there is no such file; the sentence names the nearest one.
    """
    known = names(kind)
    if name not in known:
        singular = {"models": "model", "tasks": "task", "data": "data source"}[kind]
        raise ValueError(unknown(singular, name, known))
    return importlib.import_module(f"research.{kind}.{name}")


def unknown(what: str, name: str, known) -> str:
    """Writes the sentence for an unknown name, with the nearest known one."""
    lower = {str(each).lower(): str(each) for each in known}
    near = difflib.get_close_matches(str(name).lower(), lower, n=1)
    hint = f"did you mean {lower[near[0]]!r}? " if near else ""
    return f"unknown {what} {name!r}; {hint}use one of {', '.join(map(str, known))}"

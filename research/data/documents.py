"""Documents of sentences from text files.

A folder holds a file per split, named as research/data/text.py has them. Formats:

- "plain": a blank line ends a document.
- "wikitext": a line "= Title =" begins a document; such headings, of every level, are
  left out, "@-@" and its like become the sign, "<unk>" the tokenizer's unknown token.

A line is cut into sentences behind ".", "!" or "?" where a capital or a digit follows,
so that a file with one sentence per line and one with a paragraph per line both serve.
"""

import pathlib
import re
from collections.abc import Iterator

from research.data import source, text_files

FORMATS = ("plain", "wikitext")
_HOLDS = "train.txt, and validation.txt and test.txt if you have them"
_NAMES = {
    "train": ("train.txt", "wiki.train.tokens", "wiki.train.raw"),
    "validation": (
        *("validation.txt", "valid.txt", "wiki.valid.tokens", "wiki.valid.raw"),
    ),
    "test": ("test.txt", "wiki.test.tokens", "wiki.test.raw"),
}
_HEADING = re.compile(r"=( =)* .* =( =)*")
_TITLE = re.compile(r"= [^=].*[^=] =")
_ESCAPED = re.compile(r" @([-,.])@ ")
_SENTENCE = re.compile(r"""(?<=[.!?])\s+(?=["'(]?\s?[A-Z0-9])""")


def files(path: str | None) -> dict[str, pathlib.Path]:
    """Finds the file of each split.

    Raises:
      ValueError: no path was given.
      FileNotFoundError: there is no such folder, or none of the files in it.
    """
    folder = source.require_folder(path, _HOLDS)
    found = {}
    for split, names in _NAMES.items():
        there = (text_files.find(folder, name) for name in names)
        file = next((f for f in there if f), None)
        if file:
            found[split] = file
    if not found:
        raise FileNotFoundError(
            f"no text of a split is in {path}; set config.data.path to a folder with "
            f"{_HOLDS}"
        )
    return found


def read(file: pathlib.Path, format: str, unknown: str = "") -> list[list[str]]:
    """Reads the documents of a file, each a list of sentences, none of them empty.

    Args:
      file: UTF-8 text.
      format: one of FORMATS.
      unknown: what replaces "<unk>" in WikiText.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is no UTF-8 text, or holds no sentence.
    """
    lines = text_files.lines(text_files.read(file))
    walk = _wikitext(lines, unknown) if format == "wikitext" else _plain(lines)
    found, document = [], []
    for line in walk:
        if line is None:
            document = []
            continue
        if not document:
            found.append(document)
        document += [s for s in _SENTENCE.split(line) if s]
    if not found:
        raise ValueError(f"{file} holds no sentence; put text into it")
    return found


def _plain(lines: list[str]) -> Iterator[str | None]:
    """Yields the lines, and None where a document ends."""
    for line in lines:
        yield line.strip() or None


def _wikitext(lines: list[str], unknown: str) -> Iterator[str | None]:
    for line in lines:
        line = line.strip()
        if _TITLE.fullmatch(line):
            yield None
        elif line and not _HEADING.fullmatch(line):
            yield _ESCAPED.sub(r"\1", line).replace("<unk>", unknown)

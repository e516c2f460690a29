"""Tables of text in files: .tsv, .csv and .jsonl, each cell as text.

.tsv: one row per line, cells between tabs, and nothing is quoted, as in GLUE's files.
.csv: commas, and cells in double quotes where they need it (RFC 4180).
.jsonl: one JSON object per line, its keys are the columns.
The text is UTF-8. The first line of .tsv and .csv names the columns, unless names are
given.
"""

import csv
import io
import json
import pathlib
from collections.abc import Iterator, Sequence

from research.data import text_files

SUFFIXES = (".tsv", ".csv", ".jsonl")
_LONGEST = 10_000_000  # characters of a cell


def read(
    file: pathlib.Path, columns: Sequence[str], header: Sequence[str] = ()
) -> list[list[str]]:
    """Reads some columns of a table.

    Args:
      file: of one of SUFFIXES.
      columns: names of those to read.
      header: names of all columns, where the file does not begin with them.

    Returns:
      One list of cells per column, in the order of `columns`, equally long.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is empty, is no UTF-8 text, lacks a column, or has a row that
        is none; the sentence says where.
    """
    if file.suffix not in SUFFIXES:
        raise ValueError(
            f"tables are read from {', '.join(SUFFIXES)} files, got {file}; convert it "
            "to one of them"
        )
    text = text_files.read(file).replace("\r\n", "\n")
    if file.suffix == ".jsonl":
        rows = _json_rows(file, text, columns)
    else:
        rows = _rows(file, text, columns, tuple(header))
    cells = list(zip(*rows, strict=True))
    if not cells:
        raise ValueError(f"{file} holds no rows; add some or use another file")
    return [list(column) for column in cells]


def _rows(file, text: str, columns, header: tuple[str, ...]) -> Iterator[list[str]]:
    """Reads .tsv and .csv."""
    records = _tab_records(text) if file.suffix == ".tsv" else _csv_records(file, text)
    if not header:
        first = next(records, None)
        if first is None:
            return
        header = tuple(first[1])
    places = _places(file, columns, header)
    for line, cells in records:
        if len(cells) != len(header):
            raise ValueError(
                f"every row of {file} needs {len(header)} cells "
                f"({', '.join(header)}), got {len(cells)} in line {line}; correct it"
            )
        yield [cells[place] for place in places]


def _tab_records(text: str) -> Iterator[tuple[int, list[str]]]:
    # Only "\n" ends a line: str.splitlines also cuts at characters that texts contain.
    for number, line in enumerate(text.split("\n"), 1):
        if line:
            yield number, line.split("\t")


def _csv_records(file, text: str) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(_LONGEST)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        raise ValueError(
            f"{file} is no valid CSV in line {reader.line_num} ({error}); correct it"
        ) from error


def _json_rows(file, text: str, columns) -> Iterator[list[str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ValueError(
                f"{file} needs one JSON object per line, got none in line {number} "
                f"({error}); correct it"
            ) from error
        if not isinstance(row, dict):
            raise ValueError(
                f"{file} needs one JSON object per line, got {line[:40]!r} in line "
                f"{number}; correct it"
            )
        _places(f"line {number} of {file}", columns, tuple(row))
        yield [_cell(row[name], name, file, number) for name in columns]


def _cell(value, name: str, file, line: int) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    raise ValueError(
        f"column {name!r} of {file} must hold text or numbers, got "
        f"{json.dumps(value)[:40]} in line {line}; correct it"
    )


def _places(where, columns, header: tuple[str, ...]) -> list[int]:
    for name in columns:
        if name not in header:
            raise ValueError(
                f"{where} has no column {name!r}, it has: {', '.join(header)}; correct "
                "the column's name in config.data"
            )
        if header.count(name) > 1:
            raise ValueError(
                f"{where} has {header.count(name)} columns {name!r}; rename all but one"
            )
    return [header.index(name) for name in columns]

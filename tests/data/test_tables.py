"""Tables of text: what is read, and the sentence for each mistake."""

import json

import pytest

from research.data import tables


@pytest.fixture
def write(tmp_path):
    def make(name, content):
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return make


def test_tsv_quotes_nothing_and_cuts_at_newlines_only(write):
    text = 'text\tlabel\n"so it goes\t1\na\u2028b\x85c\t0\n'
    assert tables.read(write("a.tsv", text), ("label", "text")) == [
        ["1", "0"],
        ['"so it goes', "a\u2028b\x85c"],
    ]


def test_csv_knows_quotes(write):
    text = 'a,b\n"one, ""two""",3\n\n"two\nlines",4\n'
    assert tables.read(write("a.csv", text), ("a", "b")) == [
        ['one, "two"', "two\nlines"],
        ["3", "4"],
    ]


def test_jsonl_turns_numbers_into_text(write):
    rows = [{"t": "ä", "y": 1, "other": []}, {"y": 2.5, "t": "b"}, {"t": "", "y": True}]
    file = write("a.jsonl", "\n".join(map(json.dumps, rows)) + "\n\n")
    assert tables.read(file, ("t", "y")) == [["ä", "b", ""], ["1", "2.5", "true"]]


def test_a_file_without_header_takes_names(write):
    file = write("a.tsv", "gj04\t1\t\tHe left.\n")
    found = tables.read(file, ("d", "b"), ("a", "b", "c", "d"))
    assert found == [["He left."], ["1"]]


def test_windows_line_ends_and_byte_order_mark(write):
    file = write("a.tsv", "\ufefftext\tlabel\r\nx\t1\r\n")
    assert tables.read(file, ("text", "label")) == [["x"], ["1"]]


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.tsv", "\n", " holds no rows; add some or use another file"),
        ("a.csv", "", "text file {file} is empty; put text into it"),
        ("a.tsv", "text\tlabel\n", " holds no rows; add some or use another file"),
        ("a.jsonl", "\n", " holds no rows; add some or use another file"),
        (
            "a.tsv",
            "sentence\tlabel\nx\t1\n",
            " has no column 'text', it has: sentence, label; correct the column's name "
            "in config.data",
        ),
        (
            "a.csv",
            "text,label,text\nx,1,y\n",
            " has 2 columns 'text'; rename all but one",
        ),
        (
            "a.tsv",
            "text\tlabel\nx\t1\ny\n",
            "every row of {file} needs 2 cells (text, label), got 1 in line 3; correct "
            "it",
        ),
        (
            "a.tsv",
            b"text\tlabel\nx\t1\ncaf\xe9\t1\n",
            " must be UTF-8 text, got byte 0xe9 at offset 18; convert it, for example "
            "with iconv -t UTF-8",
        ),
        (
            "a.csv",
            'text,label\n"x" y,1\n',
            " is no valid CSV in line 2 (',' expected after '\"'); correct it",
        ),
        (
            "a.jsonl",
            '{"text": "x", "label": 1}\n[1]\n',
            " needs one JSON object per line, got '[1]' in line 2; correct it",
        ),
        (
            "a.jsonl",
            '{"text": null, "label": 1}',
            "column 'text' of {file} must hold text or numbers, got null in line 1; "
            "correct it",
        ),
        (
            "a.jsonl",
            '{"label": 1}',
            "line 1 of {file} has no column 'text', it has: label; correct the "
            "column's name in config.data",
        ),
        (
            "a.txt",
            "x",
            "tables are read from .tsv, .csv, .jsonl files, got {file}; convert it to "
            "one of them",
        ),
    ],
)
def test_a_mistake_is_one_sentence(write, name, content, sentence):
    file = write(name, content)
    with pytest.raises(ValueError) as error:
        tables.read(file, ("text", "label"))
    found = str(error.value)
    if "{file}" in sentence:
        assert found == sentence.format(file=file)
    else:
        assert found.startswith(f"{file}{sentence}")


def test_a_missing_file_is_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        tables.read(tmp_path / "a.tsv", ("text",))
    assert str(error.value) == (
        f"text file {tmp_path}/a.tsv does not exist; correct its path"
    )

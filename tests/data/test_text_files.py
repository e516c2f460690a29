"""Reading text: encodings, line ends, compression, and what can be wrong."""

import gzip
import re

import pytest

from research.data import text_files


def _fails(kind, message, file):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        text_files.read(file)


def test_reads_plain_and_compressed(tmp_path):
    text = "é\r\n漢字 🤖\n\x85last"
    (tmp_path / "a.txt").write_bytes(text.encode())
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(text.encode()))
    assert text_files.read(tmp_path / "a.txt") == text
    assert text_files.read(tmp_path / "b.txt.gz") == text
    assert text_files.find(tmp_path, "a.txt") == tmp_path / "a.txt"
    assert text_files.find(tmp_path, "b.txt") == tmp_path / "b.txt.gz"
    assert text_files.find(tmp_path, "c.txt") is None


def test_a_byte_order_mark_is_dropped(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfabc\n")
    assert text_files.read(tmp_path / "a.txt") == "abc\n"


@pytest.mark.parametrize(
    "text, lines",
    [
        ("a\nb\n", ["a", "b"]),
        ("a\r\nb", ["a", "b"]),
        ("a\n\n", ["a", ""]),
        ("a\x85b\u2028c\x0cd\n", ["a\x85b\u2028c\x0cd"]),  # not line ends here
    ],
)
def test_lines(text, lines):
    assert text_files.lines(text) == lines


def test_missing(tmp_path):
    file = tmp_path / "no.txt"
    message = f"text file {file} does not exist; correct its path"
    _fails(FileNotFoundError, message, file)


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf"])
def test_empty(tmp_path, content):
    file = tmp_path / "a.txt"
    file.write_bytes(content)
    _fails(ValueError, f"text file {file} is empty; put text into it", file)


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_not_utf8(tmp_path, mark):
    file = tmp_path / "a.txt"
    file.write_bytes(mark + b"ab" + "é".encode("latin-1") + b" c")
    _fails(
        ValueError,
        f"{file} must be UTF-8 text, got byte 0xe9 at offset {len(mark) + 2}; convert "
        "it, for example with iconv -t UTF-8",
        file,
    )


def test_broken_gzip(tmp_path):
    file = tmp_path / "a.txt.gz"
    file.write_bytes(gzip.compress(b"some text")[:-3])
    with pytest.raises(ValueError, match="is not a complete gzip file"):
        text_files.read(file)

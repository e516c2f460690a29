"""Reads text files: UTF-8, plain or as .gz, with one sentence for whatever is wrong."""

import gzip
import pathlib
import zlib


def find(folder: pathlib.Path, name: str) -> pathlib.Path | None:
    """Finds a file by its name, plain or with the ending .gz."""
    for file in (folder / name, folder / f"{name}.gz"):
        if file.is_file():
            return file
    return None


def read(file: pathlib.Path) -> str:
    """Reads a whole file, its line ends as they are; a byte order mark is dropped.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: it is empty, not UTF-8, or not a complete gzip file.
    """
    if not file.is_file():
        raise FileNotFoundError(f"text file {file} does not exist; correct its path")
    content = file.read_bytes()
    if file.suffix == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(
                f"{file} is not a complete gzip file ({error}); download it again"
            ) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # A byte order mark is three bytes that the codec does not count.
        start = error.start + (3 if content.startswith(b"\xef\xbb\xbf") else 0)
        raise ValueError(
            f"{file} must be UTF-8 text, got byte 0x{content[start]:02x} at offset "
            f"{start}; convert it, for example with iconv -t UTF-8"
        ) from error
    if not text:
        raise ValueError(f"text file {file} is empty; put text into it")
    return text


def lines(text: str) -> list[str]:
    """Cuts at the line ends \\n and \\r\\n alone; a last line may lack its end."""
    cut = text.removesuffix("\n").split("\n")
    return [line.removesuffix("\r") for line in cut]

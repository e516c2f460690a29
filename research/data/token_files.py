"""Language-model windows from files of token ids, for text larger than memory.

The folder holds, for train, val (or validation) and test, one file or several shards:

- nanoGPT's train.bin and val.bin: bare 16-bit ids;
- llm.c's shards, such as fineweb_train_000001.bin: 256 numbers of 32 bits, of which the
  first says that the ids behind have 16 bits (20240520) or 32 (20240801) and the third
  how many there are;
- numpy's shards of 16 or 32 bits, such as edufineweb_train_000001.npy.

They are memory-mapped. No window crosses from one file into another.
"""

import pathlib

import numpy as np

from research.data import source, tokenization, windows

_HOLDS = "train.bin and val.bin, or shards such as name_train_000001.bin or .npy"
_WORDS = {"train": ("train",), "validation": ("val", "validation"), "test": ("test",)}
_HEADER = 256  # numbers of 32 bits
_MAGIC = {20240520: np.uint16, 20240801: np.uint32}
HOLDS_OUT = True  # no window is held out at random: neighbours share their words


def splits(path: str | None, **options) -> tuple[str, ...]:
    """Lists the splits that have a file; takes the options of `load`."""
    return tuple(_files(path))


def load(
    split: str,
    path: str | None,
    *,
    tokenizer: str = "",
    vocabulary_size: int = 0,
    length: int = 1024,
    stride: int = 0,
    contiguous: bool = False,
) -> windows.Windows:
    """Maps one split: token (length + 1,) int32, see `windows.Windows`.

    Args:
      split: "train", "validation" or "test".
      path: the folder.
      tokenizer: path of the tokenizer that made the ids; "": unknown, so that no text
        can be written.
      vocabulary_size: number of ids; 0: as the tokenizer has.
      length: tokens that a model reads at once, >= 1.
      stride: of "train": tokens from one window to the next, in 1..length; 0 means
        length. With 1 a window begins at every token.
      contiguous: whether the windows are read as streams, see `source.Spec`.

    Raises:
      FileNotFoundError: there is no such file or folder.
      ValueError: a file is damaged, or the vocabulary does not fit.
    """
    files = _files(path)
    source.check_split(split, tuple(files), f"token files {path}")
    stored, size = "", vocabulary_size
    if tokenizer:
        opened = tokenization.create(tokenizer, vocabulary_size=vocabulary_size)
        stored, size = opened.to_str(), opened.get_vocab_size()
    if size < 1:
        raise ValueError(
            "token files do not say how many ids there are, got "
            f"vocabulary_size={vocabulary_size} and no tokenizer; set one of them in "
            "config.data"
        )
    texts = [_open(file) for file in files[split]]
    for file, tokens in zip(files[split], texts, strict=True):
        _check(file, tokens, size)
    return windows.Windows(
        texts,
        length=length,
        stride=stride if split == "train" else 0,
        fill=split != "train",
        contiguous=contiguous,
        tokenizer=stored,
        vocabulary_size=size,
    )


def _files(path: str | None) -> dict[str, list[pathlib.Path]]:
    """Finds the files of each split that has any, shards in order of their names."""
    folder = source.require_folder(path, _HOLDS)
    there = sorted(f for f in folder.iterdir() if f.suffix in (".bin", ".npy"))
    found = {}
    for split, words in _WORDS.items():
        chosen = [f for f in there if {*f.stem.split("_")} & {*words}]
        if chosen:
            found[split] = chosen
    if "train" not in found:
        raise FileNotFoundError(
            f"no train.bin is in {path}; set config.data.path to a folder with {_HOLDS}"
        )
    return found


def _open(file: pathlib.Path) -> np.ndarray:
    """Maps the ids of a file into memory."""
    if file.suffix == ".npy":
        try:
            tokens = np.load(file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ValueError(
                f"{file} is not a readable .npy file ({error}); write it again"
            ) from error
        if tokens.ndim != 1 or not np.issubdtype(tokens.dtype, np.integer):
            raise ValueError(
                f"{file} must hold (n,) integers, got {tokens.shape} {tokens.dtype}; "
                "write it again"
            )
        return tokens
    size = file.stat().st_size
    if size < 2 or size % 2:
        raise ValueError(
            f"{file} must hold ids of 16 bits, got {size} bytes; write it again"
        )
    header = np.fromfile(file, "<i4", count=_HEADER)
    if len(header) < _HEADER or int(header[0]) not in _MAGIC:
        return np.memmap(file, "<u2", "r")
    dtype, count = np.dtype(_MAGIC[int(header[0])]), int(header[2])
    if size != header.nbytes + count * dtype.itemsize:
        raise ValueError(
            f"{file} announces {count} ids of {dtype.itemsize} bytes, got "
            f"{size - header.nbytes} bytes; download it again"
        )
    return np.memmap(file, dtype, "r", offset=header.nbytes)


def _check(file: pathlib.Path, tokens: np.ndarray, vocabulary_size: int) -> None:
    """Checks the first and last ids: reading all of them would take minutes."""
    for part in (tokens[: 2**16], tokens[-(2**16) :]):
        largest = int(part.max(initial=0))
        if largest >= vocabulary_size:
            raise ValueError(
                f"ids of {file} must lie in 0..{vocabulary_size - 1}, got {largest}; "
                "it was written with another tokenizer: name that one"
            )

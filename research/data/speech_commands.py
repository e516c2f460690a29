"""Speech Commands v2 (Warden, 2018, https://arxiv.org/abs/1804.03209): 35 words.

The folder is the unpacked archive: one folder of 16 kHz WAV files per word, and the
lists validation_list.txt and testing_list.txt, which decide the official splits:
84,843 train, 9,981 validation, 11,005 test. Folders that begin with "_" (background
noise) are no words.
"""

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from research.data import sound_files, source

_HOLDS = "one folder of WAV files per word, validation_list.txt and testing_list.txt"
_LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
_SPLITS = ("train", "validation", "test")


def splits(
    path: str | None,
    *,
    sample_rate: int = 16_000,
    seconds: float = 1.0,
    other_rate: str = "resample",
    silence: str = "keep",
) -> tuple[str, ...]:
    """Lists the official splits."""
    source.require_folder(path, _HOLDS)
    return _SPLITS


def load(
    split: str,
    path: str | None,
    *,
    sample_rate: int = 16_000,
    seconds: float = 1.0,
    other_rate: str = "resample",
    silence: str = "keep",
) -> sound_files.SoundFiles:
    """Lists one split: audio (length,) int16, label () int32.

    Labels number the words in alphabetical order.

    Args:
      split: "train", "validation" or "test".
      path: the folder.
      sample_rate: samples per second that all files are brought to.
      seconds: length that all files are brought to; none is longer than 1 s.
      other_rate: files of another rate: "resample" or "refuse".
      silence: files of zeros only, of which the archive has some: "refuse" or "keep".

    Raises:
      FileNotFoundError: the folder, a list, or a listed file does not exist.
      ValueError: there is no such split, or an option is out of range.
    """
    source.check_split(split, _SPLITS, f"Speech Commands at {path}")
    folder = source.require_folder(path, _HOLDS)
    found = _recordings(folder)
    listed = {name: _read_list(folder / file, found) for name, file in _LISTS.items()}
    if split == "train":
        held_out = listed["validation"] | listed["test"]
        names = [name for name in found if name not in held_out]
    else:
        names = [name for name in found if name in listed[split]]
    words = sorted({word for word in found.values()})
    labels = [words.index(found[name]) for name in names]
    return sound_files.SoundFiles(
        [folder / name for name in names],
        np.array(labels, np.int32),
        words,
        sample_rate=sample_rate,
        seconds=seconds,
        other_rate=other_rate,
        silence=silence,
    )


def _recordings(folder: pathlib.Path) -> Mapping[str, str]:
    """Maps "word/file.wav" to its word, in a stable order."""
    words: Sequence[pathlib.Path] = sorted(
        f for f in folder.iterdir() if f.is_dir() and f.name[0] not in "_."
    )
    found = {
        f"{word.name}/{file.name}": word.name
        for word in words
        for file in sorted(word.glob("*.wav"))
    }
    if not found:
        raise FileNotFoundError(
            f"no word with WAV files is in {folder}; set config.data.path to a folder "
            f"with {_HOLDS}"
        )
    return found


def _read_list(file: pathlib.Path, found: Mapping[str, str]) -> set[str]:
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} does not exist; set config.data.path to a folder with {_HOLDS}"
        )
    names = set(file.read_text(encoding="utf-8").split())
    absent = sorted(names - found.keys())
    if absent:
        raise FileNotFoundError(
            f"{file} lists {absent[0]}, which is not there ({len(absent)} such in "
            "all); unpack the archive again"
        )
    return names

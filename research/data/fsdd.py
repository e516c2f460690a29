"""Free Spoken Digit Dataset (Jackson et al.): 3,000 recordings of ten digits at 8 kHz.

Six speakers said each digit 50 times. Files are called {digit}_{speaker}_{take}.wav
and lie in the folder or in its subfolder `recordings`, as published at
https://github.com/Jakobovski/free-spoken-digit-dataset. Two protocols:

- official, by the publisher's README: takes 0 to 4 are "test", all others "train", so
  that every speaker of the test is known;
- one speaker held out: all recordings of that speaker are "test", all others "train".
"""

import pathlib
import re
from collections.abc import Sequence

import numpy as np

from research.data import sound_files, source

_HOLDS = "the recordings of FSDD, called like 7_jackson_32.wav"
_NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>[^_]+)_(?P<take>\d+)\.wav")
_TEST_TAKES = 5
_SPLITS = ("train", "test")


def splits(
    path: str | None,
    *,
    held_out: str = "",
    sample_rate: int = 8_000,
    seconds: float = 1.0,
    other_rate: str = "resample",
    silence: str = "refuse",
) -> tuple[str, ...]:
    """Lists the splits: both protocols have a "train" and a "test"."""
    _folder(path)
    return _SPLITS


def load(
    split: str,
    path: str | None,
    *,
    held_out: str = "",
    sample_rate: int = 8_000,
    seconds: float = 1.0,
    other_rate: str = "resample",
    silence: str = "refuse",
) -> sound_files.SoundFiles:
    """Lists one split: audio (length,) int16, label () int32, the digit.

    Args:
      split: "train" or "test".
      path: the folder.
      held_out: speaker whose recordings are the test; "" is the official split.
      sample_rate: samples per second that all files are brought to.
      seconds: length that all files are brought to; 99 % are shorter than 1 s.
      other_rate: files of another rate: "resample" or "refuse".
      silence: files of zeros only: "refuse" or "keep".

    Raises:
      FileNotFoundError: the folder does not exist, or holds no recording.
      ValueError: there is no such speaker or split, or an option is out of range.
    """
    folder = _folder(path)
    source.check_split(split, _SPLITS, f"FSDD at {path}")
    found = _recordings(folder)
    speakers = sorted({speaker for _, speaker, _, _ in found})
    if held_out and held_out not in speakers:
        raise ValueError(
            f"config.data.held_out must be a speaker of {folder} or empty, got "
            f"{held_out!r}; use one of {', '.join(speakers)}"
        )
    chosen = [
        (digit, file)
        for digit, speaker, take, file in found
        if _is_test(speaker, take, held_out) == (split == "test")
    ]
    return sound_files.SoundFiles(
        [file for _, file in chosen],
        np.array([digit for digit, _ in chosen], np.int32),
        source.number_names(10),
        sample_rate=sample_rate,
        seconds=seconds,
        other_rate=other_rate,
        silence=silence,
    )


def _is_test(speaker: str, take: int, held_out: str) -> bool:
    return speaker == held_out if held_out else take < _TEST_TAKES


def _folder(path: str | None) -> pathlib.Path:
    folder = source.require_folder(path, _HOLDS)
    return folder / "recordings" if (folder / "recordings").is_dir() else folder


def _recordings(folder: pathlib.Path) -> Sequence[tuple[int, str, int, pathlib.Path]]:
    """Lists (digit, speaker, take, file), in a stable order."""
    found = []
    for file in folder.iterdir():
        match = _NAME.fullmatch(file.name)
        if match:
            name = int(match["digit"]), match["speaker"], int(match["take"])
            found.append((*name, file))
    if not found:
        raise FileNotFoundError(
            f"no recording of FSDD is in {folder}; set config.data.path to a folder "
            f"with {_HOLDS}"
        )
    return sorted(found)

"""Sounds in one folder per class, laid out as `research.data.class_folders` says.

Files are WAV, FLAC or Ogg. Any rate, length and number of channels becomes one by the
rules of `research.data.sounds`.
"""

from research.data import class_folders, sound_files, sounds, source

_HOLDS = "one folder of sound files per class"


def splits(
    path: str | None,
    *,
    sample_rate: int = 16_000,
    seconds: float = 1.0,
    other_rate: str = "resample",
    silence: str = "refuse",
) -> tuple[str, ...]:
    """Lists the splits that have a folder; only "train" where none has.

    Raises:
      ValueError: two folders stand for one split.
    """
    return tuple(class_folders.split_folders(source.require_folder(path, _HOLDS)))


def load(
    split: str,
    path: str | None,
    *,
    sample_rate: int = 16_000,
    seconds: float = 1.0,
    other_rate: str = "resample",
    silence: str = "refuse",
) -> sound_files.SoundFiles:
    """Lists one split: audio (length,) int16, label () int32.

    Labels number the class folders in the order of their names.

    Args:
      split: "train", "validation" or "test".
      path: root folder.
      sample_rate: samples per second that all files are brought to.
      seconds: length that all files are brought to.
      other_rate: files of another rate: "resample" or "refuse".
      silence: files of zeros only: "refuse" or "keep".

    Raises:
      FileNotFoundError: the folder does not exist.
      ValueError: the folder is not laid out as said, or an option is out of range.
    """
    folders = class_folders.split_folders(source.require_folder(path, _HOLDS))
    source.check_split(split, tuple(folders), f"sound folder {path}")
    classes = class_folders.class_names(folders, split, _HOLDS)
    names, labels = class_folders.list_files(
        folders[split], classes, sounds.EXTENSIONS, "sound"
    )
    files = [
        folders[split] / classes[label] / name
        for label, name in zip(labels, names, strict=True)
    ]
    return sound_files.SoundFiles(
        files,
        labels,
        classes,
        sample_rate=sample_rate,
        seconds=seconds,
        other_rate=other_rate,
        silence=silence,
    )

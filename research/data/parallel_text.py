"""Translation pairs from text files of which line k of one translates line k of other.

The folder holds a file per split and language, plain or as .gz: train.de and train.en,
val.de and val.en (or valid, validation, dev), and test.de and test.en (or Multi30k's
test_2016_flickr). See `pairs.Pairs` for what is made of them.

Words are cut as research/data/tokenizer_kinds.py says under "punctuation", each
language with a vocabulary of its own; "bpe", or a path, is one for both.
"""

import functools
import pathlib
from collections.abc import Sequence

from research.data import cache, pairs, source, text_files

_HOLDS = "train.de, train.en, val.de, val.en and so on"
_STEMS = {
    "train": ("train",),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test", "test_2016_flickr"),
}


def splits(
    path: str | None,
    *,
    source_language: str = "de",
    target_language: str = "en",
    test_name: str = "",
    **options,
) -> tuple[str, ...]:
    """Lists the splits that have a file; takes the options of `load`."""
    return tuple(_files(path, (source_language, target_language), test_name))


def load(
    split: str,
    path: str | None,
    *,
    source_language: str = "de",
    target_language: str = "en",
    test_name: str = "",
    tokenizer: str = "word",
    vocabulary_size: int = 0,
    min_frequency: int = 2,
    lowercase: bool = True,
    source_length: int = 0,
    target_length: int = 0,
) -> pairs.Pairs:
    """Reads one split: source (s,) and target (t,) int32, see `pairs.Pairs`.

    Args:
      split: "train", "validation" or "test".
      path: the folder.
      source_language: ending of the files that are translated.
      target_language: ending of their translations.
      test_name: of the test files, without the ending; "" takes those named above.
      tokenizer: "word", "char", "bpe" or the path of one.
      vocabulary_size: most tokens, of each language or of both together; 0: all. "bpe"
        needs it.
      min_frequency: rarer words, characters or pairs get no token; files of a tokenizer
        bring their own.
      lowercase: whether capitals become small letters; likewise.
      source_length: s, with the marks of begin and end; 0: the longest of "train".
      target_length: t, likewise.

    Raises:
      FileNotFoundError: there is no such file or folder.
      ValueError: a file is no text, two files do not fit, or an option is out of range.
    """
    languages = (source_language, target_language)
    files = _files(path, languages, test_name)
    source.check_split(split, tuple(files), f"parallel text {path}")
    wanted = pairs.Options(
        tokenizer,
        vocabulary_size,
        min_frequency,
        lowercase,
        source_length,
        target_length,
    )
    train = files["train"]
    vocabulary = _vocabulary(cache.digest_files(train, wanted), train, wanted)
    return pairs.make(_read(files[split]), vocabulary, training=split == "train")


def _files(
    path: str | None, languages: tuple[str, str], test_name: str
) -> dict[str, tuple[pathlib.Path, pathlib.Path]]:
    """Finds the two files of each split that has any."""
    folder = source.require_folder(path, _HOLDS)
    stems = _STEMS | ({"test": (test_name,)} if test_name else {})
    found = {}
    for split, names in stems.items():
        for name in names:
            both = [text_files.find(folder, f"{name}.{ending}") for ending in languages]
            if any(both):
                found[split] = tuple(
                    file or folder / f"{name}.{ending}"
                    for file, ending in zip(both, languages, strict=True)
                )
                break
    if "train" not in found:
        raise FileNotFoundError(
            f"no train.{languages[0]} is in {path}; set config.data.path to a folder "
            f"with {_HOLDS}, and config.data.source_language and target_language"
        )
    return found


def _read(files: Sequence[pathlib.Path]) -> tuple[list[str], list[str]]:
    """Reads the lines of two files that belong together."""
    first, second = (text_files.lines(text_files.read(file)) for file in files)
    if len(first) != len(second):
        raise ValueError(
            f"{files[0]} and {files[1].name} must have equally many lines, got "
            f"{len(first)} and {len(second)}; line k of one translates line k of the "
            "other"
        )
    return first, second


@functools.lru_cache(maxsize=4)  # every split asks for it
def _vocabulary(digest: str, files: tuple, options: pairs.Options) -> pairs.Vocabulary:
    return pairs.learn(_read(files), options)

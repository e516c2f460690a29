"""Translation pairs from line-aligned files: names, splits, and wrong files."""

import gzip
import re

import numpy as np
import pytest

from research.data import cache, parallel_text, splits, tokenization

LINES = {
    "de": ["Ein Hund läuft.", "Zwei Hunde laufen.", "Ein Hund und zwei Hunde."],
    "en": ["A dog runs.", "Two dogs run.", "A dog and two dogs."],
}


@pytest.fixture
def folder(tmp_path):
    for split in ("train", "val", "test_2016_flickr"):
        for language, lines in LINES.items():
            written = "\n".join(lines * (4 if split == "train" else 1)) + "\n"
            file = tmp_path / f"{split}.{language}.gz"
            file.write_bytes(gzip.compress(written.encode()))
    return tmp_path


def _fails(kind, message, split, path, **options):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        parallel_text.load(split, path and str(path), **options)


def test_reads_what_was_written(folder):
    assert parallel_text.splits(str(folder)) == ("train", "validation", "test")
    for split, count in (("train", 12), ("validation", 3), ("test", 3)):
        made = parallel_text.load(split, str(folder))
        assert len(made) == count
        assert made.texts("source", [2, 0]) == [LINES["de"][2], LINES["de"][0]]
        assert made.texts("target", [1]) == [LINES["en"][1]]
        rows = made.gather(np.array([2]))["target"]
        tokenizer = tokenization.from_str(made.spec.tokenizers["target"])
        assert tokenizer.decode(rows[0]) == "a dog and two dogs ."


def test_the_other_direction(folder):
    made = parallel_text.load(
        "test", str(folder), source_language="en", target_language="de"
    )
    assert made.texts("source", [0]) == [LINES["en"][0]]
    assert made.texts("target", [0]) == [LINES["de"][0]]


def test_rare_words_have_no_token(folder):
    (folder / "train.de").write_text("a b\na c\n", encoding="utf-8")
    (folder / "train.en").write_text("x y\nx z\n", encoding="utf-8")
    made = parallel_text.load("train", str(folder))
    assert made.gather(np.array([1]))["source"].tolist() == [[2, 4, 1, 3]]
    made = parallel_text.load("train", str(folder), min_frequency=1)
    assert made.spec.sizes == {"source_vocab_size": 7, "target_vocab_size": 7}


def test_another_test_set(folder):
    for language, lines in LINES.items():
        (folder / f"mscoco.{language}").write_text(lines[0], encoding="utf-8")
    made = parallel_text.load("test", str(folder), test_name="mscoco")
    assert len(made) == 1
    names = parallel_text.splits(str(folder), test_name="other")
    assert names == ("train", "validation")


def test_a_missing_split_is_held_out(folder):
    for language in LINES:
        (folder / f"val.{language}.gz").unlink()
    opened = splits.open_splits(
        parallel_text, ("train", "validation"), str(folder), holdout=0.25
    )
    assert {name: len(part) for name, part in opened.items()} == {
        "train": 9,
        "validation": 3,
    }
    held = opened["validation"]
    rows = held.gather(np.arange(3))["target"]
    tokenizer = tokenization.from_str(held.spec.tokenizers["target"])
    for row, sentence in zip(rows, held.texts("target", np.arange(3)), strict=True):
        assert tokenizer.decode(row) == sentence.lower().replace(".", " .")
    assert cache.decode_once(held, limit_bytes=2**30).source is held.source


def test_unequal_line_counts(folder):
    (folder / "val.en").write_text("A dog.\n", encoding="utf-8")
    _fails(
        ValueError,
        f"{folder}/val.de.gz and val.en must have equally many lines, got 3 and 1; "
        "line k of one translates line k of the other",
        "validation",
        folder,
    )


def test_wrong_files(folder):
    (folder / "val.en").write_bytes(b"a \xe9\n")
    _fails(
        ValueError,
        f"{folder}/val.en must be UTF-8 text, got byte 0xe9 at offset 2; convert it, "
        "for example with iconv -t UTF-8",
        "validation",
        folder,
    )
    (folder / "val.en").write_bytes(b"")
    message = f"text file {folder}/val.en is empty; put text into it"
    _fails(ValueError, message, "validation", folder)
    (folder / "val.en").unlink()
    (folder / "val.en.gz").unlink()
    message = f"text file {folder}/val.en does not exist; correct its path"
    _fails(FileNotFoundError, message, "validation", folder)


def test_wrong_paths(folder, tmp_path_factory):
    _fails(
        ValueError,
        "this data needs a folder with train.de, train.en, val.de, val.en and so on, "
        "got none; set config.data.path",
        "train",
        None,
    )
    _fails(
        FileNotFoundError,
        f"no train.fr is in {folder}; set config.data.path to a folder with train.de, "
        "train.en, val.de, val.en and so on, and config.data.source_language and "
        "target_language",
        "train",
        folder,
        source_language="fr",
        target_language="cs",
    )


def test_multi30k(research_data):
    path = str(research_data / "multi30k")
    options = {"source_length": 40, "target_length": 40}
    made = {
        split: parallel_text.load(split, path, **options)
        for split in parallel_text.splits(path)
    }
    # Of 29,000, 1,014 and 1,000; six training pairs are longer than 38 words.
    assert {k: len(v) for k, v in made.items()} == {
        "train": 28_994,
        "validation": 1014,
        "test": 1000,
    }
    # spaCy's rules give 7,853 and 5,893.
    assert made["test"].spec.sizes == {
        "source_vocab_size": 7863,
        "target_vocab_size": 5933,
    }
    assert made["test"].texts("target", [0]) == [
        "A man in an orange hat starring at something."
    ]

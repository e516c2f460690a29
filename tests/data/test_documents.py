"""Documents of sentences: formats, and a sentence per mistake."""

import pytest

from research.data import documents


def _read(tmp_path, text, format="plain", unknown=""):
    file = tmp_path / "train.txt"
    file.write_text(text, encoding="utf-8")
    return documents.read(file, format, unknown)


def test_blank_lines_end_documents(tmp_path):
    text = "\nOne line.\nAnother line\n\n \nSecond document. It goes on! Yes? no\n"
    assert _read(tmp_path, text) == [
        ["One line.", "Another line"],
        ["Second document.", "It goes on!", "Yes? no"],
    ]


def test_wikitext(tmp_path):
    text = (
        " \n = First = \n \n It is a role @-@ playing <unk> . It sold 1 @,@ 000 . \n"
        " = = Section = = \n \n More . \n = Second = \n \n Words = more words . \n"
    )
    assert _read(tmp_path, text, "wikitext", "[UNK]") == [
        ["It is a role-playing [UNK] .", "It sold 1,000 .", "More ."],
        ["Words = more words ."],
    ]


def test_a_full_stop_before_a_small_letter_ends_nothing(tmp_path):
    assert _read(tmp_path, "He ran , i.e. fast .") == [["He ran , i.e. fast ."]]


def test_files_are_found_by_the_usual_names(tmp_path):
    for name in ("train.txt", "valid.txt", "wiki.test.tokens"):
        (tmp_path / name).write_text("x")
    found = {s: f.name for s, f in documents.files(str(tmp_path)).items()}
    assert found == {
        "train": "train.txt",
        "validation": "valid.txt",
        "test": "wiki.test.tokens",
    }


def test_mistakes_are_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        documents.files(str(tmp_path))
    assert str(error.value) == (
        f"no text of a split is in {tmp_path}; set config.data.path to a folder with "
        "train.txt, and validation.txt and test.txt if you have them"
    )
    with pytest.raises(ValueError) as error:
        _read(tmp_path, " \n\n")
    assert str(error.value) == (
        f"{tmp_path}/train.txt holds no sentence; put text into it"
    )

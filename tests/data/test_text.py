"""Text files as windows: exact counts, where texts are cut, and wrong files."""

import os
import re

import numpy as np
import pytest

from research.data import cache, source, splits, text, tokenization

LINES = ["the cat sat", "", "the dog , <unk> sat down", "a cat"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def folder(tmp_path):
    for name, lines in (("train", LINES * 5), ("validation", LINES), ("test", LINES)):
        file = tmp_path / f"{name}.txt"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def _tokens(made):
    assert len(made.texts) == 1
    tokenizer = tokenization.from_str(made.spec.tokenizers["token"])
    return [tokenizer.id_to_token(i) for i in made.texts[0]]


def _fails(kind, message, split, path, **options):
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        text.load(split, path and str(path), **options)


def test_words_end_lines_with_eos(folder):
    made = text.load("validation", str(folder), length=4)
    assert _tokens(made) == [
        *("the", "cat", "sat", "<eos>", "<eos>", "the", "dog", ",", "<unk>", "sat"),
        *("down", "<eos>", "a", "cat", "<eos>"),
    ]
    # a , <eos> <unk> cat dog down sat the
    assert made.spec.sizes == {"vocab_size": 9}
    rows = made.gather(np.arange(len(made)))["token"]
    targets = rows[:, 1:]
    np.testing.assert_array_equal(targets[targets >= 0], made.texts[0][1:])


@pytest.mark.parametrize("ending", ["a cat", "a cat\n", "a\tcat\r\n"])
def test_the_last_line_may_lack_its_end(folder, ending):
    (folder / "test.txt").write_bytes(b"the dog\r\n" + ending.encode())
    made = text.load("test", str(folder), length=2)
    assert _tokens(made) == ["the", "dog", "<eos>", "a", "cat", "<eos>"]


@pytest.mark.parametrize(
    "name, options", [("char", {}), ("byte", {}), ("bpe", {"vocabulary_size": 270})]
)
def test_other_tokenizers_keep_the_text(folder, name, options):
    made = text.load("test", str(folder), tokenizer=name, length=8, **options)
    tokenizer = tokenization.from_str(made.spec.tokenizers["token"])
    written = (folder / "test.txt").read_text(encoding="utf-8")
    assert tokenizer.decode(made.texts[0], skip_special_tokens=False) == written


def test_the_vocabulary_is_of_the_training_text(folder):
    (folder / "validation.txt").write_text("the zebra\n", encoding="utf-8")
    made = text.load("validation", str(folder), length=2)
    assert _tokens(made) == ["the", "<unk>", "<eos>"]
    train = text.load("train", str(folder), length=2)
    assert train.spec == made.spec


def test_options_of_windows(folder):
    train = text.load("train", str(folder), tokenizer="char", length=8, stride=1)
    assert len(train) == len(train.texts[0]) - 8
    held = text.load("validation", str(folder), tokenizer="char", length=8, stride=1)
    assert len(held) == -(-(len(held.texts[0]) - 1) // 8)
    assert not train.spec.contiguous
    assert text.load("train", str(folder), length=8, contiguous=True).spec.contiguous


@pytest.mark.parametrize(
    "names",
    [
        ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"),
        ("wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"),
        ("train.txt", "val.txt", "test.txt"),
    ],
)
def test_names_of_files(tmp_path, names):
    for number, name in enumerate(names):
        (tmp_path / name).write_text(f"a b {number}\n" * 9, encoding="utf-8")
    assert text.splits(str(tmp_path)) == ("train", "validation", "test")
    made = text.load("train", str(tmp_path), length=3)
    assert _tokens(made)[:4] == ["a", "b", "0", "<eos>"]


def test_one_file_is_cut_as_nanogpt_does(tmp_path):
    file = tmp_path / "input.txt"
    characters = "".join(chr(97 + k % 26) for k in range(1001))
    file.write_text(characters, encoding="utf-8")
    options = {"tokenizer": "byte", "length": 4, "test_share": 0.0}
    for path in (file, tmp_path):  # the file, or the folder where it is alone
        assert text.splits(str(path), test_share=0.0) == ("train", "validation")
        train = text.load("train", str(path), **options)
        held = text.load("validation", str(path), **options)
        assert bytes(train.texts[0].tolist()).decode() == characters[:900]
        assert bytes(held.texts[0].tolist()).decode() == characters[900:]


def test_three_parts_in_order(tmp_path):
    file = tmp_path / "all.txt"
    words = [f"w{k}" for k in range(200)]
    file.write_text(" ".join(words) + "\n", encoding="utf-8")
    found = []
    for split in text.splits(str(file)):
        made = text.load(split, str(file), length=2, tokenizer="byte")
        found.append(bytes(made.texts[0].tolist()).decode())
    assert "".join(found) == file.read_text(encoding="utf-8")
    assert [round(len(part) / sum(map(len, found)), 2) for part in found] == [
        *(0.8, 0.1, 0.1)
    ]
    # Words are cut between, not in, them.
    vocabulary = text.load("train", str(file), length=2).spec.tokenizers["token"]
    known = tokenization.from_str(vocabulary).get_vocab()
    assert {*known} <= {*words, "<unk>", "<eos>"}


def test_only_the_missing_split_is_cut_off(folder):
    (folder / "test.txt").unlink()
    whole = (folder / "train.txt").read_text(encoding="utf-8")
    made = {
        split: text.load(split, str(folder), tokenizer="byte", length=4)
        for split in text.splits(str(folder))
    }
    sizes = {split: len(made[split].texts[0]) for split in made}
    assert sizes["train"] + sizes["test"] == len(whole)
    assert sizes["validation"] == len("\n".join(LINES)) + 1


def test_pieces_change_nothing(monkeypatch):
    long = (
        "It's a test ,  of\n\n\tpieces \n that 're cut\r\nat\nblanks .\x00 é漢 🤖 \n"
        * 40
    )
    made = {
        "word": tokenization.create("word", [long]),
        "bpe": tokenization.create("bpe", [long], vocabulary_size=400),
        "char": tokenization.create("char", [long]),
        "byte": tokenization.create("byte"),
    }
    whole = {name: text.encode(tokenizer, long) for name, tokenizer in made.items()}
    for size in (1, 7, 100):
        monkeypatch.setattr(text, "_PIECE", size)
        assert "".join(text.pieces(long)) == long
        names = made if size == 100 else ("char",)  # 1 and 7 cut words
        for name in names:
            np.testing.assert_array_equal(text.encode(made[name], long), whole[name])


def test_no_blank_to_cut_at(monkeypatch):
    monkeypatch.setattr(text, "_PIECE", 10)
    assert list(text.pieces("x" * 25)) == ["x" * 10, "x" * 10, "x" * 5]


def test_a_large_text_is_tokenized_once(folder, monkeypatch):
    small = text.load("train", str(folder), length=4)
    monkeypatch.setattr(text.text_cache, "LARGE", 10)
    text._tokenizer.cache_clear()
    first = text.load("train", str(folder), length=4)
    text._tokenizer.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(tokenization, "create", None)
        patched.setattr(text, "encode", None)
        second = text.load("train", str(folder), length=4)
        assert isinstance(second.texts[0], np.memmap)
    np.testing.assert_array_equal(first.texts[0], small.texts[0])
    np.testing.assert_array_equal(second.texts[0], small.texts[0])
    # Another text is another entry.
    file = folder / "train.txt"
    file.write_text("z " + file.read_text(encoding="utf-8"), encoding="utf-8")
    os.utime(file, (1, 1))
    assert len(text.load("train", str(folder), length=4).texts[0]) == 76


def test_holdout_and_decoding_leave_it_alone(tmp_path):
    file = tmp_path / "input.txt"
    file.write_text("abcdefghij" * 100, encoding="utf-8")
    options = {"tokenizer": "char", "length": 8, "stride": 1, "test_share": 0.0}
    opened = splits.open_splits(
        text, ("train", "validation"), str(file), holdout=0.1, **options
    )
    assert len(opened["train"]) == 900 - 8
    assert cache.decode_once(opened["train"], limit_bytes=2**30) is opened["train"]
    assert source.in_memory(opened["train"])
    with pytest.raises(ValueError) as error:
        splits.open_splits(text, ("test",), str(file), holdout=0.1, **options)
    assert str(error.value) == (
        f"data 'text' at {file} has no split 'test'; it has: train, validation"
    )


def test_wrong_paths(tmp_path):
    holds = "train.txt, and validation.txt and test.txt if you have them"
    _fails(
        ValueError,
        f"this data needs a folder with {holds}, got none; set config.data.path",
        "train",
        None,
    )
    message = (
        f"no train.txt is in {tmp_path}; set config.data.path to a text file or a "
        f"folder with {holds}"
    )
    _fails(FileNotFoundError, message, "train", tmp_path)
    (tmp_path / "test.txt").write_text("a b\n")
    _fails(FileNotFoundError, message, "test", tmp_path)


def test_wrong_text(folder):
    (folder / "validation.txt").write_bytes(b"the cat \xff sat\n")
    _fails(
        ValueError,
        f"{folder}/validation.txt must be UTF-8 text, got byte 0xff at offset 8; "
        "convert it, for example with iconv -t UTF-8",
        "validation",
        folder,
    )
    (folder / "train.txt").write_bytes(b"")
    message = f"text file {folder}/train.txt is empty; put text into it"
    _fails(ValueError, message, "train", folder)


def test_a_character_that_is_not_in_the_training_text(folder):
    (folder / "test.txt").write_text("the é\n", encoding="utf-8")
    _fails(
        ValueError,
        f"{folder}/test.txt: the tokenizer knows 18 tokens and no <unk>, got 'é', "
        "which its training text lacks; leave it out, or train with the tokenizer "
        "'byte'",
        "test",
        folder,
        tokenizer="char",
    )


@pytest.mark.parametrize("validation, test", [(-0.1, 0.1), (0.5, 0.5)])
def test_wrong_shares(folder, validation, test):
    _fails(
        ValueError,
        "config.data.validation_share and test_share must be at least 0 and sum to "
        f"less than 1, got {validation} and {test}; use smaller ones",
        "train",
        folder,
        validation_share=validation,
        test_share=test,
    )


def test_penn_treebank(research_data):
    path = str(research_data / "ptb")
    made = {
        s: text.load(s, path, length=20, contiguous=True) for s in text.splits(path)
    }
    counts = {split: len(made[split].texts[0]) for split in made}
    assert counts == {"train": 929_589, "validation": 73_760, "test": 82_430}
    assert made["test"].spec.sizes == {"vocab_size": 10_000}
    assert _tokens(made["test"])[:7] == "no it was n't black monday <eos>".split()
    # Zaremba's batches of 20: 46,479 windows of 20 words, 2,323 steps an epoch.
    assert len(made["train"]) == 46_479


@pytest.mark.slow
def test_wikitext2(research_data):
    path = str(research_data / "wikitext-2")
    made = {s: text.load(s, path) for s in text.splits(path)}
    counts = {split: len(made[split].texts[0]) for split in made}
    assert counts == {"train": 2_088_628, "validation": 217_646, "test": 245_569}
    assert made["train"].spec.sizes == {"vocab_size": 33_278}


def test_tiny_shakespeare_as_nanogpt(research_data):
    path = str(research_data / "tinyshakespeare")
    gpt2 = str(research_data / "tokenizers" / "gpt2-encoder.json")
    # The counts that nanoGPT's two prepare.py print.
    for name, size, train, held in (
        ("char", 65, 1_003_854, 111_540),
        (gpt2, 50_257, 301_966, 36_059),
    ):
        options = {"tokenizer": name, "test_share": 0.0}
        made = [text.load(s, path, **options) for s in ("train", "validation")]
        assert [len(m.texts[0]) for m in made] == [train, held]
        assert made[0].spec.sizes == {"vocab_size": size}

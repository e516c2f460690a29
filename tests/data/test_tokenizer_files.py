"""Published tokenizers: equal to transformers' own, and damaged files."""

import json
import re

import pytest

from research.data import tokenization
from tests.data.test_tokenization import HARD

GPT2 = ("gpt2-encoder.json", "gpt2-vocab.bpe")
BERT = "bert-base-uncased-vocab.txt"


@pytest.fixture
def published(research_data):
    return research_data / "tokenizers"


def _fails(kind, message, path, **options):
    with pytest.raises(kind, match=f"^{re.escape(message)}"):
        tokenization.create(str(path), **options)


def test_gpt2_equals_transformers(published, tmp_path):
    transformers = pytest.importorskip("transformers")
    vocabulary, merges = (str(published / name) for name in GPT2)
    theirs = transformers.GPT2Tokenizer(vocab=vocabulary, merges=merges)
    for path in (vocabulary, merges):
        ours = tokenization.create(path, vocabulary_size=50_257)
        ids = ours.encode(HARD).ids
        assert ids == theirs.encode(HARD)
        assert ours.decode(ids, skip_special_tokens=False) == HARD
    assert tokenization.special_ids(ours).eos == 50_256
    # The same files under their later names, in a folder; and its own format.
    folder = tmp_path / "gpt2"
    folder.mkdir()
    (folder / "vocab.json").symlink_to(vocabulary)
    (folder / "merges.txt").symlink_to(merges)
    assert tokenization.create(str(folder)).encode(HARD).ids == ids
    (folder / "tokenizer.json").write_text(ours.to_str(), encoding="utf-8")
    assert tokenization.create(str(folder)).encode(HARD).ids == ids


def test_bert_equals_transformers(published):
    transformers = pytest.importorskip("transformers")
    theirs = transformers.BertTokenizer(vocab=str(published / BERT))
    ours = tokenization.create(str(published / BERT))
    expected = theirs(HARD, "Another: naïve Sentence!")
    found = ours.encode(HARD, "Another: naïve Sentence!")
    assert found.ids == expected["input_ids"]
    assert found.type_ids == expected["token_type_ids"]
    assert tokenization.special_ids(ours) == (0, 100, None, None, 103, 101, 102)


def test_capitals_make_a_vocabulary_cased(tmp_path):
    file = tmp_path / "vocab.txt"
    file.write_text("[PAD]\n[UNK]\nthe\nThe\ncafé\n", encoding="utf-8")
    assert tokenization.create(str(tmp_path)).encode("The the café").ids == [3, 2, 4]
    file.write_text("[PAD]\n[UNK]\nthe\ncafe\n", encoding="utf-8")
    assert tokenization.create(str(tmp_path)).encode("The the CAFÉ").ids == [2, 2, 3]


def _small_gpt2(folder):
    built = tokenization.create("bpe", ["low lower"] * 3, vocabulary_size=262)
    model = json.loads(built.to_str())["model"]
    (folder / "encoder.json").write_text(json.dumps(model["vocab"]))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in model["merges"])]
    (folder / "vocab.bpe").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return built


def test_files_written_by_hand(tmp_path):
    built = _small_gpt2(tmp_path)
    opened = tokenization.create(str(tmp_path))
    assert opened.encode(HARD).ids == built.encode(HARD).ids


def test_size_must_agree(tmp_path):
    _small_gpt2(tmp_path)
    message = (
        f"the tokenizer of {tmp_path}/encoder.json has 262 tokens, got "
        "vocabulary_size=10000; leave it at 0"
    )
    _fails(ValueError, message, tmp_path, vocabulary_size=10_000)


def test_missing_files(tmp_path):
    message = (
        f"tokenizer folder {tmp_path} has no tokenizer.json, encoder.json with "
        "vocab.bpe, or vocab.txt; name a folder or file that has"
    )
    _fails(FileNotFoundError, message, tmp_path)
    _small_gpt2(tmp_path)
    (tmp_path / "vocab.bpe").unlink()
    message = f"text file {tmp_path}/vocab.bpe does not exist; correct its path"
    _fails(FileNotFoundError, message, tmp_path)


def test_damaged_pairs(tmp_path):
    _small_gpt2(tmp_path)
    vocabulary, merges = tmp_path / "encoder.json", tmp_path / "vocab.bpe"
    merges.write_text("#version: 0.2\nl o w\n")
    message = (
        f"line 2 of {merges} must hold two symbols, got 'l o w'; download it again"
    )
    _fails(ValueError, message, tmp_path)
    merges.write_text("q z\n")
    _fails(ValueError, f"{vocabulary} and vocab.bpe do not belong together", vocabulary)
    vocabulary.write_text('{"a": 1}')
    message = f"{vocabulary} is not a JSON object of tokens and ids"
    _fails(ValueError, message, vocabulary)
    vocabulary.write_text("[1, 2]")
    _fails(ValueError, message, vocabulary)
    vocabulary.write_text('{"a</w>": 0}')
    message = (
        f"{vocabulary} is not a byte-level vocabulary as GPT-2's; use its "
        "tokenizer.json"
    )
    _fails(ValueError, message, vocabulary)


def test_damaged_files(tmp_path):
    file = tmp_path / "tokenizer.json"
    file.write_text('{"model": 1}')
    _fails(ValueError, f"{file} is not a file of the library `tokenizers`", tmp_path)
    file = tmp_path / "names.txt"
    file.write_text("a\nb\n")
    message = (
        f"{file} is not a BERT vocabulary, one token a line and each once, [UNK] among "
        "them; name another file"
    )
    _fails(ValueError, message, file)

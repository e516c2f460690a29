"""Files of token ids: every format, shards, and what can be wrong with them."""

import re

import numpy as np
import pytest

from research.data import source, splits, token_files, tokenization

IDS = np.arange(100) % 60


def _shard(file, ids, magic=20240520, dtype=np.uint16, count=None):
    header = np.zeros(256, np.int32)
    header[:3] = magic, 1, len(ids) if count is None else count
    file.write_bytes(header.tobytes() + ids.astype(dtype).tobytes())


@pytest.fixture
def folder(tmp_path):
    IDS.astype(np.uint16).tofile(tmp_path / "train.bin")
    IDS[:10].astype(np.uint16).tofile(tmp_path / "val.bin")
    return tmp_path


def _load(split, folder, **options):
    options = {"vocabulary_size": 60, "length": 8, **options}
    return token_files.load(split, str(folder), **options)


def _rows(made):
    return made.gather(np.arange(len(made)))["token"]


def test_bare_files(folder):
    assert token_files.splits(str(folder)) == ("train", "validation")
    rows = _rows(_load("train", folder, stride=1))
    assert rows.shape == (92, 9) and rows.dtype == np.int32
    np.testing.assert_array_equal(rows[:, 0], IDS[:92])
    targets = _rows(_load("validation", folder))[:, 1:]
    np.testing.assert_array_equal(targets[targets >= 0], IDS[1:10])


@pytest.mark.parametrize("kind", ["llm.c", "llm.c 32", "npy"])
def test_shards(tmp_path, kind):
    for number in (1, 2):
        ids = IDS[:50] if number == 1 else IDS[50:]
        name = f"fineweb_train_{number:06d}"
        if kind == "npy":
            np.save(tmp_path / f"{name}.npy", ids.astype(np.uint16))
        elif kind == "llm.c":
            _shard(tmp_path / f"{name}.bin", ids)
        else:
            _shard(tmp_path / f"{name}.bin", ids, 20240801, np.uint32)
    rows = _rows(_load("train", tmp_path, length=10))
    np.testing.assert_array_equal(rows[:, 0], [0, 10, 20, 30, 50, 0, 10, 20])
    assert source.in_memory(_load("train", tmp_path))


def test_the_tokenizer_comes_along(folder, tmp_path):
    built = tokenization.create("word", [" ".join(f"w{k}" for k in range(58))])
    file = tmp_path / "tokenizer.json"
    file.write_text(built.to_str(), encoding="utf-8")
    made = _load("train", folder, tokenizer=str(file), vocabulary_size=0)
    assert made.spec.sizes == {"vocab_size": 60}
    opened = tokenization.from_str(made.spec.tokenizers["token"])
    assert opened.decode([2]) == "w0"
    assert _load("train", folder).spec.tokenizers == {}


def test_no_window_is_held_out_at_random(folder):
    opened = splits.open_splits(
        token_files,
        ("train", "validation"),
        str(folder),
        holdout=0.1,
        vocabulary_size=60,
        length=8,
    )
    assert len(opened["train"]) == 12
    with pytest.raises(ValueError, match="has no split 'test'; it has: train, vali"):
        splits.open_splits(
            token_files, ("test",), str(folder), holdout=0.1, vocabulary_size=60
        )


def _fails(kind, message, folder, **options):
    with pytest.raises(kind, match=f"^{re.escape(message)}"):
        _load("train", folder, **options)


def test_errors(folder):
    file = folder / "train.bin"
    _fails(
        ValueError,
        f"ids of {file} must lie in 0..9, got 59; it was written with another "
        "tokenizer: name that one",
        folder,
        vocabulary_size=10,
    )
    _fails(
        ValueError,
        "token files do not say how many ids there are, got vocabulary_size=0 and no "
        "tokenizer; set one of them in config.data",
        folder,
        vocabulary_size=0,
    )
    file.write_bytes(b"abc")
    _fails(
        ValueError,
        f"{file} must hold ids of 16 bits, got 3 bytes; write it again",
        folder,
    )
    _shard(file, IDS, count=101)
    _fails(
        ValueError,
        f"{file} announces 101 ids of 2 bytes, got 200 bytes; download it again",
        folder,
    )
    file.unlink()
    message = f"no train.bin is in {folder}; set config.data.path to a folder with"
    _fails(FileNotFoundError, message, folder)
    np.save(folder / "a_train_1.npy", np.zeros((2, 2)))
    message = f"{folder}/a_train_1.npy must hold (n,) integers, got (2, 2) float64"
    _fails(ValueError, message, folder)
    (folder / "a_train_1.npy").write_bytes(b"nothing")
    message = f"{folder}/a_train_1.npy is not a readable .npy file"
    _fails(ValueError, message, folder)

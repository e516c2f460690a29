"""Windows of a text: which tokens they hold, to the last one."""

import re
import time

import numpy as np
import pytest

from research.data import pipeline, source, windows


def _make(count=20, length=4, dtype=np.int32, **options):
    tokens = np.arange(count, dtype=dtype)
    return windows.Windows([tokens], length=length, vocabulary_size=100, **options)


def _all(made):
    return made.gather(np.arange(len(made)))["token"]


def test_side_by_side():
    np.testing.assert_array_equal(
        _all(_make(14)), [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8], [8, 9, 10, 11, 12]]
    )


@pytest.mark.parametrize("count", range(5, 14))
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
def test_training_windows_are_whole(count, stride):
    rows = _all(_make(count, stride=stride))
    expected = [range(s, s + 5) for s in range(0, count - 4, stride)]
    np.testing.assert_array_equal(rows, [list(row) for row in expected])


@pytest.mark.parametrize("count", range(2, 15))
def test_filled_windows_ask_for_every_token_once(count):
    rows = _all(_make(count, fill=True))
    targets = rows[:, 1:].ravel()
    np.testing.assert_array_equal(targets[targets >= 0], np.arange(1, count))
    inputs = rows[:, :-1].ravel()[: count - 1]
    np.testing.assert_array_equal(inputs, np.arange(count - 1))
    # What is filled lies behind the text, and in the last window only.
    assert (rows[:-1] >= 0).all()
    assert (rows.ravel() < 0).sum() == rows.size - (count + len(rows) - 1)


def test_any_order_with_repeats():
    made = _make(11, fill=True)
    rows = made.gather(np.array([2, 0, 2], np.int32))["token"]
    np.testing.assert_array_equal(rows, _all(made)[[2, 0, 2]])
    assert rows.dtype == np.int32


def test_texts_are_not_joined():
    texts = [np.arange(6), np.arange(10, 13), np.arange(20, 30)]
    made = windows.Windows(texts, length=4, vocabulary_size=30)
    np.testing.assert_array_equal(
        _all(made), [[0, 1, 2, 3, 4], [20, 21, 22, 23, 24], [24, 25, 26, 27, 28]]
    )
    filled = windows.Windows(texts, length=4, fill=True, vocabulary_size=30)
    targets = _all(filled)[:, 1:]
    assert sorted(targets[targets >= 0]) == [*range(1, 6), 11, 12, *range(21, 30)]


def test_memory_mapped_16_bit_ids(tmp_path):
    file = tmp_path / "tokens.bin"
    np.arange(40_000, dtype=np.uint16).tofile(file)
    tokens = np.memmap(file, np.uint16, "r")
    made = windows.Windows([tokens], length=8, fill=True, vocabulary_size=40_000)
    rows = made.gather(np.array([len(made) - 1, 4500]))["token"]
    assert rows.dtype == np.int32
    assert rows[0, -1] == -1 and rows[1, 0] == 36_000


def test_spec():
    made = _make(contiguous=True, tokenizer="{}")
    assert made.spec == source.Spec(
        features={"token": source.Feature((5,), "int32")},
        sizes={"vocab_size": 100},
        tokenizers={"token": "{}"},
        contiguous=True,
    )
    assert source.in_memory(made) and made.labels() is None


def test_streams_go_on_where_they_stopped():
    made = _make(100, contiguous=True)
    order = pipeline.Streams(len(made), 3)
    batches = pipeline.TrainBatches(made, order, slice(None))
    assert order.length == 8
    for step in range(8):
        batch, after = batches[step], batches[step + 1]
        assert batch["start"].tolist() == [step == 0] * 3
        if step < 7:
            np.testing.assert_array_equal(batch["token"][:, -1], after["token"][:, 0])
    np.testing.assert_array_equal(batches[8]["token"], batches[0]["token"])
    # In an evaluation the streams together ask for every token once.
    filled = _make(100, contiguous=True, fill=True)
    rows = [b["token"][b["mask"] > 0] for b in pipeline.eval_batches(filled, 3)]
    targets = np.concatenate(rows)[:, 1:]
    assert sorted(targets[targets >= 0]) == [*range(1, 100)]


def test_gathering_is_cheap():
    made = _make(100_000, length=256, stride=1)
    indices = np.random.default_rng(0).integers(0, len(made), 64)
    made.gather(indices)
    best = np.inf
    for _ in range(20):
        start = time.perf_counter()
        made.gather(indices)
        best = min(best, time.perf_counter() - start)
    assert best < 2e-3


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"count": 4},
            "a window of config.data.length=4 needs 5 tokens, got a text of 4; use a "
            "smaller length or more text",
        ),
        (
            {"count": 1, "fill": True},
            "a window of config.data.length=4 needs 5 tokens, got a text of 1; use a "
            "smaller length or more text",
        ),
        ({"length": 0}, "config.data.length must be at least 1, got 0; use 64"),
        (
            {"stride": 5},
            "config.data.stride must be in 0..4, the length, got 5; use 0 for windows "
            "side by side",
        ),
        (
            {"stride": 2, "contiguous": True},
            "config.data.contiguous=True reads windows side by side, got stride=2; "
            "leave it at 0",
        ),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        _make(**options)


def test_too_many_windows():
    huge = np.broadcast_to(np.int32(1), 2**31 + 100)
    message = (
        "windows are numbered with 32 bits, got 2147483744 of them; raise "
        "config.data.stride=1, up to the length, 4"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        windows.Windows([huge], length=4, stride=1, vocabulary_size=2)

"""Batches by arithmetic: what each step reads, whoever reads it."""

import itertools
import os
import pickle
import time

import numpy as np
import pytest

from research.data import augment_boxes, pipeline, source

COUNT, SIZE, SEED = 50, 8, 3


class Numbers:
    """A source that is not in memory: example i holds i, and every read is noted."""

    spec = source.Spec({"x": source.Feature((), "int64")})

    def __init__(
        self, count: int = COUNT, broken: int | None = None, slow: bool = False
    ):
        self.count, self.broken, self.slow = count, broken, slow
        self.read = []

    def __len__(self) -> int:
        return self.count

    def gather(self, indices):
        if self.broken in indices:
            raise OSError(f"example {self.broken} cannot be decoded by {os.getpid()}")
        if self.slow:  # later batches come back sooner
            time.sleep(0.02 / (1 + indices[0] % 5))
        self.read.append(np.array(indices))
        return {"x": np.array(indices)}

    def labels(self):
        return None


def _order(seed=SEED, size=SIZE, count=COUNT):
    return pipeline.Order(count, size, seed)


def _stream(order, first, last):
    return np.concatenate([order.indices(step) for step in range(first, last)])


def _batches(examples, rows=slice(None), order=None):
    return pipeline.TrainBatches(examples, order or _order(), rows)


def _take(batches, start, count, workers=0):
    iterator = batches.iterate(start, workers)
    out = [batch["x"] for batch in itertools.islice(iterator, count)]
    close = getattr(iterator, "close", None)
    if close:
        close()
    return out


@pytest.mark.parametrize("size", [1, 7, 8, 25, COUNT])
def test_every_epoch_reads_every_example_once(size):
    steps = -(-4 * COUNT // size)
    stream = _stream(_order(size=size), 0, steps)
    epochs = stream[: 4 * COUNT].reshape(4, COUNT)
    for epoch in epochs:
        np.testing.assert_array_equal(np.sort(epoch), np.arange(COUNT))
    assert len({tuple(epoch) for epoch in epochs}) == 4  # in another order each time


def test_a_step_is_the_same_whatever_was_read_before():
    stream = _stream(_order(), 0, 40)
    for first in (1, 5, 6, 7, 13, 39):
        fresh = _stream(_order(), first, 40)
        np.testing.assert_array_equal(fresh, stream[first * SIZE :])
    order = _order()
    for step in (30, 2, 17, 2):  # forth and back
        expected = stream[step * SIZE :][:SIZE]
        np.testing.assert_array_equal(order.indices(step), expected)


def test_batch_size_only_regroups_the_stream():
    np.testing.assert_array_equal(
        _stream(_order(size=5), 0, 40), _stream(_order(size=10), 0, 20)
    )


def test_seeds_and_only_they_change_the_order():
    same, other = _stream(_order(), 0, 6), _stream(_order(seed=4), 0, 6)
    np.testing.assert_array_equal(same, _stream(_order(), 0, 6))
    assert (same != other).mean() > 0.9


def test_steps_far_away_are_as_quick_as_the_first():
    order = _order()
    order.indices(10**9)
    began = time.perf_counter()
    assert order.indices(2**31 // SIZE).dtype == np.int32
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("size", [0, 51])
def test_a_batch_larger_than_the_split_is_refused(size):
    with pytest.raises(ValueError) as error:
        _order(size=size)
    assert str(error.value) == (
        "data.batch_size must be in 1..50, the size of the training split, got "
        f"{size}; use a smaller batch"
    )


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_together_read_the_global_stream_and_each_only_its_share(processes):
    readers = [Numbers() for _ in range(processes)]
    shares = [
        _take(_batches(reader, pipeline.process_slice(SIZE, p, processes)), 3, 12)
        for p, reader in enumerate(readers)
    ]
    together = np.concatenate(
        [np.concatenate(parts) for parts in zip(*shares, strict=True)]
    )
    np.testing.assert_array_equal(together, _stream(_order(), 3, 15))
    for reader in readers:
        assert {len(indices) for indices in reader.read} == {SIZE // processes}


def test_a_batch_that_processes_cannot_share_is_refused():
    with pytest.raises(ValueError) as error:
        pipeline.process_slice(50, 0, 4)
    assert str(error.value) == (
        "a batch of 50 does not divide among 4 processes; use a multiple of 4"
    )


def test_rows_may_be_scattered():
    rows = np.array([0, 1, 6, 7])
    batch = _batches(Numbers(), rows)[5]
    np.testing.assert_array_equal(batch["x"], _order().indices(5)[rows])


def test_arrays_in_memory_are_indexed():
    x = np.arange(COUNT) * 10
    for start in (0, 9):
        read = _take(_batches(source.Arrays({"x": x})), start, 7)
        np.testing.assert_array_equal(
            np.concatenate(read), 10 * _stream(_order(), start, start + 7)
        )


@pytest.mark.parametrize("start", [0, 9])
def test_threads_that_read_ahead_keep_the_order(start):
    read = _take(_batches(Numbers(slow=True)), start, 20)
    np.testing.assert_array_equal(
        np.concatenate(read), _stream(_order(), start, start + 20)
    )


def test_reading_ahead_is_bounded():
    examples = Numbers()
    iterator = _batches(examples).iterate(0)
    next(iterator)
    time.sleep(0.1)
    assert len(examples.read) <= 3
    iterator.close()


def test_an_error_in_a_thread_surfaces_at_its_batch_with_its_message():
    broken = int(_order().indices(4)[2])
    iterator = _batches(Numbers(broken=broken)).iterate(0)
    for step in range(4):
        np.testing.assert_array_equal(next(iterator)["x"], _order().indices(step))
    with pytest.raises(OSError) as error:
        next(iterator)
    assert str(error.value) == (f"example {broken} cannot be decoded by {os.getpid()}")


def test_a_worker_process_reads_the_same_batches():
    read = _take(_batches(Numbers()), 9, 5, workers=1)
    np.testing.assert_array_equal(np.concatenate(read), _stream(_order(), 9, 14))


@pytest.mark.slow
def test_two_worker_processes_read_the_same_batches():
    read = _take(_batches(Numbers(slow=True), slice(4, 8)), 3, 20, workers=2)
    expected = [_order().indices(step)[4:] for step in range(3, 23)]
    np.testing.assert_array_equal(read, expected)


@pytest.mark.slow
def test_an_error_in_a_worker_process_surfaces_with_its_message():
    broken = int(_order().indices(1)[2])
    iterator = _batches(Numbers(broken=broken)).iterate(0, workers=1)
    next(iterator)
    with pytest.raises(Exception, match=f"example {broken} cannot be decoded by"):
        next(iterator)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("size", [10, 16, 64])
def test_evaluation_reads_every_example_once_and_masks_the_rest(size, processes):
    readers = [Numbers() for _ in range(processes)]
    shares = [
        list(
            pipeline.eval_batches(
                reader, size, pipeline.process_slice(size, p, processes)
            )
        )
        for p, reader in enumerate(readers)
    ]
    steps = -(-COUNT // size)
    seen = []
    for batches in zip(*shares, strict=True):
        x, mask = (np.concatenate([b[k] for b in batches]) for k in ("x", "mask"))
        assert len(x) == size and mask.dtype == np.float32  # one shape for all
        seen.extend(x[mask == 1])
        assert set(mask) <= {0.0, 1.0}
    assert len(shares[0]) == steps
    np.testing.assert_array_equal(seen, np.arange(COUNT))


def test_evaluation_in_one_process_reads_all_rows_by_default():
    batches = list(pipeline.eval_batches(Numbers(), 20))
    assert [b["mask"].sum() for b in batches] == [20, 20, 10]


def test_positions_tell_example_and_epoch():
    order = _order()
    for step in (0, 5, 6, 7, 13, 10**8):
        at = order.positions(step)
        np.testing.assert_array_equal(at["example"], order.indices(step))
        place = step * SIZE + np.arange(SIZE)
        np.testing.assert_array_equal(at["epoch"], place // COUNT)
        assert at["epoch"].dtype == at["example"].dtype == np.int32
    assert set(order.positions(6)["epoch"]) == {0, 1}  # 50 = 6 * 8 + 2


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_processes_read_the_positions_of_their_rows(processes):
    shares = []
    for p in range(processes):
        rows = pipeline.process_slice(SIZE, p, processes)
        batches = pipeline.TrainBatches(Numbers(), _order(), rows, positions=True)
        shares.append([next(it) for it in [batches.iterate(5)] for _ in range(4)])
    for step, parts in enumerate(zip(*shares, strict=True), 5):
        for name, values in _order().positions(step).items():
            together = np.concatenate([part[name] for part in parts])
            np.testing.assert_array_equal(together, values)
        read = np.concatenate([part["x"] for part in parts])
        np.testing.assert_array_equal(read, _order().indices(step))


class Pictures(Numbers):
    """Pictures of varying size: what is read is the part that was asked for."""

    def gather_parts(self, indices, parts):
        sides = [
            part(100 + int(i), 200) for i, part in zip(indices, parts, strict=True)
        ]
        return {"x": np.array(sides)}


@pytest.mark.parametrize("workers", [0, 1])
def test_random_crops_are_drawn_by_epoch_and_example_wherever_they_are_read(workers):
    crop = augment_boxes.RandomCrop(SEED, (0.2, 0.8), (0.75, 1.25))
    batches = pipeline.TrainBatches(Pictures(), _order(), slice(2, 6), True, crop)
    read = _take(batches, 5, 4, workers)
    for step, boxes in enumerate(read, 5):
        at = _order().positions(step)
        expected = [
            crop.box(e, i, 100 + i, 200)
            for e, i in zip(at["epoch"][2:6], at["example"][2:6], strict=True)
        ]
        np.testing.assert_array_equal(boxes, expected)


class Windows(Numbers):
    """The same, each example going on where the one before ends."""

    spec = source.Spec({"x": source.Feature((), "int64")}, contiguous=True)


def test_each_row_of_contiguous_examples_reads_a_stream_of_its_own():
    order = pipeline.Streams(COUNT, SIZE)  # 8 streams of 6; two examples are left over
    batches = pipeline.TrainBatches(Windows(), order, slice(None))
    epoch = [batches[step] for step in range(6)]
    streams = np.stack([batch["x"] for batch in epoch], axis=1)
    np.testing.assert_array_equal(streams, np.arange(48).reshape(8, 6))
    starts = np.stack([batch["start"] for batch in epoch], axis=1)
    np.testing.assert_array_equal(starts[:, 0], True)
    np.testing.assert_array_equal(starts[:, 1:], False)
    np.testing.assert_array_equal(batches[6]["x"], epoch[0]["x"])
    assert order.positions(6)["epoch"].tolist() == [1] * SIZE


def test_processes_share_the_streams():
    order = pipeline.Streams(COUNT, SIZE)
    whole = pipeline.TrainBatches(Windows(), order, slice(None))[3]
    for process in (0, 1):
        rows = pipeline.process_slice(SIZE, process, 2)
        share = pipeline.TrainBatches(Windows(), order, rows)[3]
        for name, value in whole.items():
            np.testing.assert_array_equal(share[name], value[rows])


def test_streams_need_an_example_each():
    with pytest.raises(ValueError) as error:
        pipeline.Streams(7, 8)
    assert str(error.value) == (
        "data.batch_size must be in 1..7, the windows of the training split, got 8; "
        "use a smaller batch, or shorter windows"
    )


@pytest.mark.parametrize("size", [1, 3, 8, 50, 64])
def test_evaluation_reads_every_contiguous_example_once_in_order(size):
    batches = list(pipeline.eval_batches(Windows(), size))
    x, mask, start = (
        np.stack([batch[name] for batch in batches], axis=1)
        for name in ("x", "mask", "start")
    )
    read = x[mask > 0]  # row by row
    np.testing.assert_array_equal(read, np.arange(COUNT))
    assert start[:, 0].all() and not start[:, 1:].any()


def test_sorted_batches_hold_alike_lengths_and_every_example_once_per_epoch():
    count, size = 103, 10
    lengths = np.random.default_rng(0).integers(3, 40, count)
    order = pipeline.ByLength(lengths, size, seed=1, pool=5)
    plain = pipeline.Order(count, size, seed=1)
    stream = np.concatenate([order.indices(step) for step in range(31)])
    for epoch in range(3):
        part = stream[epoch * count : (epoch + 1) * count]
        assert sorted(part) == list(range(count))

    def spread(order):
        return np.mean([np.ptp(lengths[order.indices(step)]) for step in range(31)])

    assert spread(order) < 0.4 * spread(plain)
    again = pickle.loads(pickle.dumps(order))
    np.testing.assert_array_equal(again.indices(29), order.indices(29))
    longest = [lengths[order.indices(step)].max() for step in range(5)]
    assert longest != sorted(longest)  # short sentences do not come first


def test_batches_of_sorted_order_read_the_same_after_a_new_start():
    lengths = np.arange(37) % 7
    first, later = (pipeline.ByLength(lengths, 8, seed=0, pool=2) for _ in range(2))
    for step in (11, 3, 20):
        np.testing.assert_array_equal(later.indices(step), first.indices(step))

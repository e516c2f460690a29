"""Turns a source into batches; which examples make a batch is pure arithmetic.

Training reads one endless stream: the permutation of epoch 0, then that of epoch 1, …
Batch `step` is positions step * B … step * B + B - 1 of it, whatever was read before.
So a resumed run, or one on another number of processes or workers, sees the same data
without any saved iterator. Each process reads only its own rows of the batch. Random
augmentation needs to know where in the stream an example stands: its batches have the
further features `epoch` and `example`, () int32 each.

Examples of which each goes on where the one before ends (`spec.contiguous`) are not
permuted: each row of the batch reads a stream of its own (`Streams`), and the further
feature `start`, () bool, is true where a stream begins.
"""

import concurrent.futures
import functools
from collections.abc import Iterator

import numpy as np

from research.data import augment_boxes, source

# Batches that are being read ahead of the one in use.
_READ_AHEAD = 2


class Order:
    """Which examples make up the global batch of a step."""

    def __init__(self, count: int, batch_size: int, seed: int):
        """Prepares the order.

        Args:
          count: examples in the training split.
          batch_size: B, examples per step over all processes.
          seed: chooses the permutations, >= 0.

        Raises:
          ValueError: the batch is larger than the split.
        """
        if not 0 < batch_size <= count:
            raise ValueError(
                f"data.batch_size must be in 1..{count}, the size of the training "
                f"split, got {batch_size}; use a smaller batch"
            )
        self.count, self.batch_size, self.seed = count, batch_size, seed
        # A batch touches at most two epochs.
        self._permutation = functools.lru_cache(maxsize=2)(self._draw)

    def __reduce__(self):  # a cache does not travel to worker processes
        return Order, (self.count, self.batch_size, self.seed)

    def indices(self, step: int) -> np.ndarray:
        """Returns the (B,) int32 examples of batch `step`, step counting from 0."""
        first = step * self.batch_size
        epoch, start = divmod(first, self.count)
        head = self._permutation(epoch)[start : start + self.batch_size]
        missing = self.batch_size - len(head)
        if not missing:
            return head
        return np.concatenate([head, self._permutation(epoch + 1)[:missing]])

    def positions(self, step: int) -> dict[str, np.ndarray]:
        """Returns the example and the epoch, (B,) int32 each, of batch `step`."""
        first = step * self.batch_size
        epoch = np.arange(first, first + self.batch_size) // self.count
        return {"example": self.indices(step), "epoch": epoch.astype(np.int32)}

    def _draw(self, epoch: int) -> np.ndarray:
        rng = np.random.default_rng((self.seed, epoch))
        return rng.permutation(self.count).astype(np.int32)


class ByLength(Order):
    """The same, but sentences of similar length share a batch, which saves padding.

    The permutation of an epoch is cut into pools of some batches; a pool is sorted by
    length and cut into its batches, whose order is drawn.
    """

    def __init__(self, lengths: np.ndarray, batch_size: int, seed: int, pool: int):
        """Prepares the order.

        Args:
          lengths: (count,) of the examples of the training split.
          batch_size: B, examples per step over all processes.
          seed: chooses the permutations, >= 0.
          pool: batches in a pool, >= 1.

        Raises:
          ValueError: the batch is larger than the split.
        """
        super().__init__(len(lengths), batch_size, seed)
        self.lengths, self.pool = lengths, pool

    def __reduce__(self):
        return ByLength, (self.lengths, self.batch_size, self.seed, self.pool)

    def _draw(self, epoch: int) -> np.ndarray:
        order, size = super()._draw(epoch), self.batch_size
        rng = np.random.default_rng((self.seed, epoch, 1))
        # The first ones fill the batch that the epoch before began.
        first = -epoch * self.count % size
        last = first + (self.count - first) // size * size
        for begin in range(first, last, self.pool * size):
            part = slice(begin, min(begin + self.pool * size, last))
            chosen = order[part]
            chosen = chosen[np.argsort(self.lengths[chosen], kind="stable")]
            order[part] = rng.permutation(chosen.reshape(-1, size)).reshape(-1)
        return order


class Streams:
    """The order of contiguous examples: B streams side by side.

    Row r of the batch reads examples r W, r W + 1, …, r W + W - 1 one after another,
    W = count // B, and then begins again; the count % B last ones are not read.
    """

    def __init__(self, count: int, batch_size: int):
        """Prepares the order.

        Args:
          count: examples in the training split.
          batch_size: B, streams over all processes.

        Raises:
          ValueError: there are more streams than examples.
        """
        if not 0 < batch_size <= count:
            raise ValueError(
                f"data.batch_size must be in 1..{count}, the windows of the training "
                f"split, got {batch_size}; use a smaller batch, or shorter windows"
            )
        self.count, self.batch_size = count, batch_size
        self.length = count // batch_size

    def indices(self, step: int) -> np.ndarray:
        """Returns the (B,) int32 examples of batch `step`, step counting from 0."""
        rows = np.arange(self.batch_size, dtype=np.int32)
        return rows * self.length + step % self.length

    def positions(self, step: int) -> dict[str, np.ndarray]:
        """Returns example and epoch, (B,) int32, and start, (B,) bool, of a batch."""
        epoch, at = divmod(step, self.length)
        return {
            "example": self.indices(step),
            "epoch": np.full(self.batch_size, epoch, np.int32),
            "start": np.full(self.batch_size, at == 0),
        }


def process_slice(batch_size: int, process: int, processes: int) -> slice:
    """Returns the rows of a global batch that one process reads.

    Raises:
      ValueError: the processes cannot share the batch evenly.
    """
    if batch_size % processes:
        raise ValueError(
            f"a batch of {batch_size} does not divide among {processes} processes; "
            f"use a multiple of {processes}"
        )
    share = batch_size // processes
    return slice(process * share, (process + 1) * share)


class TrainBatches:
    """This process's share of every training batch, by step."""

    def __init__(
        self,
        examples: source.Source,
        order: Order | Streams,
        rows: slice | np.ndarray,
        positions: bool = False,
        crop: augment_boxes.RandomCrop | None = None,
    ):
        """Prepares the batches; reads nothing yet.

        Args:
          examples: the training split.
          order: which of them make a batch.
          rows: those of each batch that this process reads.
          positions: whether to add the features `epoch` and `example`.
          crop: of pictures that vary in size; None takes what `gather` gives.
        """
        self.examples, self.order, self.rows = examples, order, rows
        self.positions, self.crop = positions, crop

    def __getitem__(self, step: int) -> dict[str, np.ndarray]:
        at = self.order.positions(step)
        batch = self.read(at["epoch"][self.rows], at["example"][self.rows])
        return batch | {k: at[k][self.rows] for k in ("start",) if k in at}

    def read(self, epochs: np.ndarray, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Reads examples (b,) as they are in the given epochs (b,), int32 each."""
        if self.crop is None:
            batch = self.examples.gather(indices)
        else:
            parts = [
                functools.partial(self.crop.box, epoch, index)
                for epoch, index in zip(epochs, indices, strict=True)
            ]
            batch = self.examples.gather_parts(indices, parts)
        added = {"example": indices, "epoch": epochs} if self.positions else {}
        return batch | added

    def __len__(self) -> int:
        return np.iinfo(np.int32).max  # endless; a length is asked for by Grain

    def iterate(self, start: int, workers: int = 0) -> Iterator[dict[str, np.ndarray]]:
        """Yields the batches of steps start, start + 1, …

        Args:
          start: the first step.
          workers: decoding processes; 0 reads ahead in threads of this process, or
            not at all where the examples are arrays in memory.
        """
        if source.in_memory(self.examples):
            return (self[step] for step in range(start, len(self)))
        if workers == 0:
            return _read_ahead(self, start)
        return _grain_workers(self, start, workers)


def _read_ahead(batches: TrainBatches, start: int):
    with concurrent.futures.ThreadPoolExecutor(_READ_AHEAD) as pool:
        waiting = [
            pool.submit(batches.__getitem__, start + i) for i in range(_READ_AHEAD)
        ]
        for step in range(start + _READ_AHEAD, len(batches)):
            yield waiting.pop(0).result()
            waiting.append(pool.submit(batches.__getitem__, step))


def _grain_workers(batches: TrainBatches, start: int, workers: int):
    import grain  # takes 0.1 s and is needed by few
    from absl import flags

    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()  # Grain's workers read absl flags
    stream = grain.MapDataset.source(batches)[start:].to_iter_dataset(
        grain.ReadOptions(num_threads=0)
    )
    return iter(stream.mp_prefetch(grain.MultiprocessingOptions(num_workers=workers)))


def eval_batches(
    examples: source.Source, batch_size: int, rows: slice | np.ndarray = slice(None)
) -> Iterator[dict[str, np.ndarray]]:
    """Yields every example once, in order, with a `mask` that is 0 on padding.

    All batches have the same shape, so that one compiled program serves them; the
    last one is filled up with copies of example 0. Contiguous examples come as streams,
    as in training, but none is left out: the last streams are shorter.

    Args:
      examples: the split.
      batch_size: examples per step over all processes.
      rows: those of each batch that this process reads; all by default.
    """
    batches = -(-len(examples) // batch_size)
    for number in range(batches):
        if examples.spec.contiguous:
            indices = np.arange(batch_size)[rows] * batches + number
        else:
            indices = np.arange(batch_size)[rows] + number * batch_size
        real = indices < len(examples)
        batch = examples.gather(np.where(real, indices, 0))
        batch["mask"] = real.astype(np.float32)
        if examples.spec.contiguous:
            batch["start"] = np.full(len(indices), number == 0)
        yield batch

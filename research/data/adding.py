"""The adding problem: does a network remember two numbers for hundreds of steps?

A sequence has two values per step: a number drawn from [0, 1) and a mark, which is 1 at
two steps and 0 at all others. The target is the sum of the two marked numbers. Who
always answers 1 has a mean squared error of 1/6, the variance of such a sum.

Hochreiter & Schmidhuber: Long Short-Term Memory, 1997, section 5.4
(https://doi.org/10.1162/neco.1997.9.8.1735); here with two places drawn from the whole
sequence and T fixed, as in Bai, Kolter & Koltun 2018, https://arxiv.org/abs/1803.01271.
"""

import numpy as np

from research.data import source

_SPLITS = ("train", "validation", "test")
_MEASURED = 1_000  # examples of validation and test, as in Bai et al.


def splits(
    path: str | None = None,
    *,
    length: int = 600,
    count: int = 50_000,
    seed: int = 0,
) -> tuple[str, ...]:
    """Lists the splits; needs no path."""
    return _SPLITS


def load(
    split: str,
    path: str | None = None,
    *,
    length: int = 600,
    count: int = 50_000,
    seed: int = 0,
) -> "AddingProblem":
    """Makes one split: sequence (length, 2) float32, target () float32.

    Args:
      split: "train", "validation" or "test".
      path: not used.
      length: T, steps of a sequence, >= 2.
      count: sequences of "train"; the other two have 1,000 each.
      seed: chooses the sequences, in [0, 2^62).

    Raises:
      ValueError: an option is out of range.
    """
    source.check_split(split, _SPLITS, "adding")
    if length < 2 or count < 1 or not 0 <= seed < 2**62:
        raise ValueError(
            "the adding problem needs a length of at least 2, a count of at least 1 "
            f"and a seed in [0, 2^62), got {length}, {count} and {seed}; correct them"
        )
    number = _SPLITS.index(split)
    return AddingProblem(length, _MEASURED if number else count, 4 * seed + number)


class AddingProblem:
    """Sequences that are drawn when they are asked for, each from its own number."""

    def __init__(self, length: int, count: int, key: int):
        self.length, self.count, self.key = length, count, key
        self.spec = source.Spec(
            features={
                "sequence": source.Feature((length, 2), "float32"),
                "target": source.Feature((), "float32"),
            }
        )

    def __len__(self) -> int:
        return self.count

    def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Draws sequences; see `Source.gather`."""
        sequence = np.zeros((len(indices), self.length, 2), np.float32)
        for row, index in enumerate(indices):
            bits = np.random.Philox(key=self.key, counter=[0, int(index), 0, 0])
            rng = np.random.Generator(bits)
            sequence[row, :, 0] = rng.random(self.length, np.float32)
            first, gap = rng.integers(self.length), rng.integers(1, self.length)
            sequence[row, [first, (first + gap) % self.length], 1] = 1.0
        target = (sequence[..., 0] * sequence[..., 1]).sum(axis=1, dtype=np.float32)
        return {"sequence": sequence, "target": target}

    def labels(self) -> None:
        """Returns None: there are no classes."""

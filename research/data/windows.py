"""A long text as examples: windows over its tokens, by arithmetic.

Window i begins at token i * stride and holds length + 1 tokens: a model reads the first
`length` of them and is asked for the last `length`. With stride = length, each token
but the first is thus asked for once; with a stride of 1 a window begins at every token.
"""

from collections.abc import Sequence

import numpy as np

from research.data import source


class Windows:
    """A source of the feature `token` (length + 1,) int32."""

    in_memory = True

    def __init__(
        self,
        texts: Sequence[np.ndarray],
        *,
        length: int,
        stride: int = 0,
        fill: bool = False,
        contiguous: bool = False,
        tokenizer: str = "",
        vocabulary_size: int,
    ):
        """Prepares the windows; copies nothing.

        Args:
          texts: token ids, (n,) integers each, in memory or memory-mapped. No window
            crosses from one into another.
          length: tokens that a model reads, >= 1.
          stride: tokens from one window to the next, in 1..length; 0 means length.
          fill: whether a last window that is not full counts, filled up with -1.
            Otherwise the tokens behind the last full window are left out.
          contiguous: whether the windows are read as streams, see `source.Spec`.
          tokenizer: what the ids mean, as JSON.
          vocabulary_size: ids are below it.

        Raises:
          ValueError: an option is out of range, or the text has no window.
        """
        check(length, stride, contiguous)
        self.texts, self.length, self.stride = list(texts), length, stride or length
        counts = [self._count(len(tokens), fill) for tokens in self.texts]
        self._ends = np.cumsum(counts, dtype=np.int64)
        if sum(counts) > np.iinfo(np.int32).max:
            raise ValueError(
                f"windows are numbered with 32 bits, got {sum(counts)} of them; raise "
                f"config.data.stride={stride or length}, up to the length, {length}"
            )
        if not sum(counts):
            tokens = sum(map(len, self.texts))
            raise ValueError(
                f"a window of config.data.length={length} needs {length + 1} tokens, "
                f"got a text of {tokens}; use a smaller length or more text"
            )
        self.spec = source.Spec(
            features={"token": source.Feature((length + 1,), "int32")},
            sizes={"vocab_size": vocabulary_size},
            tokenizers={"token": tokenizer} if tokenizer else {},
            contiguous=contiguous,
        )

    def _count(self, tokens: int, fill: bool) -> int:
        if fill:
            return max(0, -(-(tokens - 1) // self.stride))
        return max(0, (tokens - self.length - 1) // self.stride + 1)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Reads windows; see `source.Source.gather`."""
        indices = np.asarray(indices, np.int64)
        if len(self.texts) == 1:
            return {"token": self._read(self.texts[0], indices)}
        token = np.empty((len(indices), self.length + 1), np.int32)
        text = np.searchsorted(self._ends, indices, side="right")
        for number in np.unique(text):
            rows = text == number
            before = self._ends[number - 1] if number else 0
            token[rows] = self._read(self.texts[number], indices[rows] - before)
        return {"token": token}

    def _read(self, tokens: np.ndarray, indices: np.ndarray) -> np.ndarray:
        starts, width = indices * self.stride, self.length + 1
        whole = starts + width <= len(tokens)
        if whole.all():
            view = np.lib.stride_tricks.sliding_window_view(tokens, width)
            return view[starts].astype(np.int32, copy=False)
        windows = np.full((len(indices), width), -1, np.int32)
        if whole.any():
            windows[whole] = self._read(tokens, indices[whole])
        for row in np.flatnonzero(~whole):
            rest = tokens[starts[row] :]
            windows[row, : len(rest)] = rest
        return windows

    def labels(self) -> None:
        """Reads all labels; text has none."""
        return None


def check(length: int, stride: int, contiguous: bool) -> None:
    """Checks the options of windows.

    Raises:
      ValueError: one is out of range.
    """
    if length < 1:
        raise ValueError(f"config.data.length must be at least 1, got {length}; use 64")
    if not 0 <= stride <= length:
        raise ValueError(
            f"config.data.stride must be in 0..{length}, the length, got {stride}; use "
            "0 for windows side by side"
        )
    if contiguous and stride not in (0, length):
        raise ValueError(
            "config.data.contiguous=True reads windows side by side, got "
            f"stride={stride}; leave it at 0"
        )

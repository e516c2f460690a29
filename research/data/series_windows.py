"""A long series as examples of a past and its future: windows, by arithmetic.

Window i begins at row i * stride: `length` rows are the past that a model reads, the
`horizon` rows behind them the future that it is asked for. Nothing is copied before a
window is read.
"""

from collections.abc import Mapping

import numpy as np

from research.data import source


class SeriesWindows:
    """A source of `history` (length, c) and `target` (horizon, c), float32.

    With a calendar also `history_time` (length, f) and `target_time` (horizon, f).
    """

    in_memory = True

    def __init__(
        self,
        rows: np.ndarray,
        *,
        length: int,
        horizon: int,
        stride: int = 1,
        calendar: np.ndarray | None = None,
        scale: tuple = (),
        where: str = "this series",
    ):
        """Prepares the windows.

        Args:
          rows: (n, c) float32, scaled.
          length: rows of the past, >= 1.
          horizon: rows of the future, >= 1.
          stride: rows from one window to the next, >= 1.
          calendar: (n, f) float32 features of the times of the rows.
          scale: (name, mean, standard deviation) of each column.
          where: names the rows.

        Raises:
          ValueError: an option is out of range, or there are too few rows.
        """
        if min(length, horizon, stride) < 1:
            raise ValueError(
                "config.data.length, horizon and stride must be at least 1, got "
                f"{length}, {horizon} and {stride}; correct them"
            )
        self.length, self.horizon, self.stride = length, horizon, stride
        self.count = (len(rows) - length - horizon) // stride + 1
        if self.count < 1:
            raise ValueError(
                f"{where} has {len(rows)} rows, fewer than a window of {length} + "
                f"{horizon}; bring more rows or lower config.data.length or horizon"
            )
        self._tables = {"": np.ascontiguousarray(rows, np.float32)}
        if calendar is not None:
            self._tables["_time"] = np.ascontiguousarray(calendar, np.float32)
        features = {}
        for suffix, table in self._tables.items():
            for name, size in (("history", length), ("target", horizon)):
                shape = (size, table.shape[1])
                features[name + suffix] = source.Feature(shape, "float32")
        self.spec = source.Spec(
            features=features,
            sizes={"length": length, "horizon": horizon, "channels": rows.shape[1]},
            scales={"history": scale} if scale else {},
        )

    def __len__(self) -> int:
        return self.count

    def gather(self, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Reads windows; see `source.Source.gather`."""
        starts = np.asarray(indices, np.int64) * self.stride
        parts: Mapping[str, np.ndarray] = {}
        for suffix, table in self._tables.items():
            parts["history" + suffix] = _read(table, starts, self.length)
            parts["target" + suffix] = _read(table, starts + self.length, self.horizon)
        return parts

    def labels(self) -> None:
        """Returns None: there are no classes."""


def _read(table: np.ndarray, starts: np.ndarray, size: int) -> np.ndarray:
    """Reads `size` rows from each start; the rows of a window lie side by side."""
    columns = table.shape[1]
    view = np.lib.stride_tricks.sliding_window_view(table.reshape(-1), size * columns)
    return view[starts * columns].reshape(len(starts), size, columns)

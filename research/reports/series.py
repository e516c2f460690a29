"""Scores the rows of a series by the windows that hold them, and draws it.

A row's error is the mean of the errors of its windows, so that it compares with the
threshold of windows; rows above it are drawn as spans.
"""

import pathlib
import types
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from research.data import csv_windows
from research.tasks import comparing

_MOST_COLUMNS = 6  # drawn


def rows(opened, options, limit: float | None, predicted: Callable) -> Iterator[dict]:
    """Yields {"input", "error", and "verdict" where there is a limit} of each row.

    Args:
      opened: a `research.training.run.Run` on windows.
      options: of the command: inputs, to, picture.
      limit: error above which a row is an anomaly; None: no verdict.
      predicted: (run, what was given) -> predictions of the windows.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the run reads no windows, or a file is no series as it reads.
    """
    experiment = opened.programs.experiment
    feature = experiment.task.input
    scale = experiment.spec.scales.get(feature)
    if scale is None:
        raise ValueError(
            f"{options.inputs[0]} is a series, but the run was trained on "
            f"{', '.join(experiment.spec.features)}, not on windows; give such files"
        )
    if len(options.inputs) > 1 and (options.picture or options.to):
        raise ValueError(
            "--picture and --to go with one series, got "
            f"{len(options.inputs)} files; give one"
        )
    length = experiment.spec.features[feature].shape[0]
    names = [name for name, _, _ in scale]
    for name in options.inputs:
        file = pathlib.Path(name)
        values = csv_windows.read(file, names)
        if len(values) < length:
            raise ValueError(
                f"{file} has {len(values)} rows, fewer than a window of {length}; "
                "bring more"
            )
        windows = csv_windows.cut(values, scale, length)
        given = types.SimpleNamespace(feature=feature, stored=windows, names=())
        answer = predicted(opened, given)
        errors = row_errors(answer["error"], len(values))
        if options.to:
            np.savez(options.to, code=answer["code"], error=answer["error"], row=errors)
        if options.picture:
            picture = pathlib.Path(options.picture)
            draw(picture, values, names, errors, limit)
        for number, error in enumerate(errors):
            row = {"input": f"{name}:{number + 1}", "error": float(error)}
            if limit is not None:
                row["verdict"] = comparing.CLASSES[int(error > limit)]
            yield row


def row_errors(errors: np.ndarray, count: int) -> np.ndarray:
    """Returns the mean error (count,) of the windows that hold each row.

    Args:
      errors: (w,) of windows that begin at rows 0, 1, …, w - 1.
      count: rows; a window has count - w + 1 of them.
    """
    length = count - len(errors) + 1
    total = np.concatenate([[0.0], np.cumsum(errors, dtype=np.float64)])
    row = np.arange(count)
    first, last = np.maximum(row - length + 1, 0), np.minimum(row + 1, len(errors))
    return (total[last] - total[first]) / (last - first)


def spans(above: np.ndarray) -> list[tuple[int, int]]:
    """Lists the runs of True in (n,) as (first, last + 1)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], above.astype(int), [0]])))
    return [tuple(map(int, pair)) for pair in edges.reshape(-1, 2)]


def draw(
    file: pathlib.Path,
    values: np.ndarray,
    names: Sequence[str],
    errors: np.ndarray,
    limit: float | None,
) -> None:
    """Draws columns and errors over rows, anomalous spans shaded, as a PNG.

    Args:
      file: where to; its folder is made.
      values: (n, c).
      names: c names.
      errors: (n,) of the rows.
      limit: error above which a row is an anomaly; None: nothing is shaded.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = min(len(names), _MOST_COLUMNS)
    figure = Figure(figsize=(12, 1.6 * (shown + 1)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(shown + 1, 1, sharex=True)
    for index in range(shown):
        axes[index].plot(values[:, index], linewidth=0.9, color="#2563eb")
        axes[index].set_ylabel(names[index])
    axes[-1].plot(errors, linewidth=0.9, color="#57534e")
    axes[-1].set_ylabel("error")
    axes[-1].set_xlabel("row")
    if limit is not None:
        axes[-1].axhline(limit, color="#d1432b", linewidth=0.8)
        for first, end in spans(errors > limit):
            for each in axes:
                each.axvspan(first - 0.5, end - 0.5, color="#d1432b", alpha=0.2)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=100)

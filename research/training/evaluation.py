"""Measures a state on a whole split, exactly: padding never counts."""

import numpy as np

from research.data import pipeline, source
from research.training import sharding, tracking
from research.training.programs import Programs


def evaluate(programs: Programs, state, examples: source.Source) -> dict[str, float]:
    """Averages the task's metrics over every example of a split.

    Returns:
      metric name -> average, without the split's name.
    """
    window = tracking.Window()
    packed = [programs.eval(state, batch) for batch in _batches(programs, examples)]
    for each in packed:
        window.add(programs.unpack("eval", each))
    return window.averages()


def predictions(programs: Programs, state, examples: source.Source) -> dict:
    """Predicts every example of a split.

    Returns:
      name -> (len(examples), ...) in the order of the split.
    """
    parts = []
    for batch in _batches(programs, examples):
        del batch["mask"]  # of this process's rows, but predictions are of all
        parts.append(programs.predict(state, batch))
    joined = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    return {name: value[: len(examples)] for name, value in joined.items()}


def _batches(programs: Programs, examples: source.Source):
    size = programs.experiment.config.data.eval_batch_size
    rows = sharding.process_rows(programs.mesh, size)
    return pipeline.eval_batches(examples, size, rows)

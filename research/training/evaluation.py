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
    window, packed, carry = tracking.Window(), [], programs.init_carry()
    for batch in _batches(programs, examples):
        row, carry = programs.eval(state, batch, carry)
        packed.append(row)
    for each in packed:
        window.add(programs.unpack("eval", each))
    return programs.experiment.task.derive(window.averages())


def measure(
    programs: Programs, state, examples: source.Source
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Measures a split with all that the task knows, which may take long.

    Returns:
      (metric -> value as of `evaluate`, and the task's scores of its predictions;
      the predictions, see `predictions`)
    """
    metrics = evaluate(programs, state, examples)
    predicted, task = predictions(programs, state, examples), programs.experiment.task
    return metrics | task.score(predicted, examples), predicted


def predictions(programs: Programs, state, examples: source.Source) -> dict:
    """Predicts the examples of a split, or as many as the task asks for.

    Returns:
      name -> (examples, ...) in the order of the split.
    """
    most = programs.experiment.task.predicted
    if most is not None:
        examples = source.Subset(examples, np.arange(min(most, len(examples))))
    parts = []
    for batch in _batches(programs, examples):
        stored = programs.experiment.spec.features
        batch = {name: batch[name] for name in stored}
        parts.append(programs.predict(state, batch))
    joined = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    return {name: value[: len(examples)] for name, value in joined.items()}


def _batches(programs: Programs, examples: source.Source):
    size = programs.experiment.config.data.eval_batch_size
    rows = sharding.process_rows(programs.mesh, size)
    return pipeline.eval_batches(examples, size, rows)

"""Measures a state on a whole split, exactly: padding never counts."""

import dataclasses
import functools
from collections.abc import Mapping

import jax
import numpy as np

from research.data import pipeline, source
from research.training import experiment, sharding, tracking
from research.training.programs import Programs


class Reading:
    """A split as its task reads it; each part is made when it is asked for first.

    Attributes:
      examples: the split.
    """

    def __init__(self, programs: Programs, state, examples: source.Source):
        self.examples, self._programs, self._state = examples, programs, state

    @functools.cached_property
    def predictions(self) -> Mapping[str, np.ndarray]:
        """The task's predictions, see `predictions`."""
        return predictions(self._programs, self._state, self.examples)

    def inputs(self, feature: str) -> np.ndarray:
        """Returns a feature (n, ...) of all examples as the model reads it."""
        prepare = jax.jit(self._programs.experiment.preprocess)
        every = batches(self._programs, self.examples)
        parts = [np.asarray(prepare(batch)[feature]) for batch in every]
        return np.concatenate(parts)[: len(self.examples)]


def evaluate(programs: Programs, state, examples: source.Source) -> dict[str, float]:
    """Averages the task's metrics over every example of a split.

    Returns:
      metric name -> average, without the split's name.
    """
    window, packed, carry = tracking.Window(), [], programs.init_carry()
    for batch in batches(programs, examples):
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
    predicted = predictions(programs, state, examples)
    return metrics | scores(programs, state, examples, predicted), predicted


def scores(
    programs: Programs, state, examples: source.Source, predicted: Mapping
) -> dict[str, float]:
    """Measures what the task measures of a whole split and beside other splits.

    Args:
      programs: of the experiment, whose config says where the other splits are.
      state: TrainState.
      examples: the split.
      predicted: the predictions of it.
    """
    task, config = programs.experiment.task, programs.experiment.config

    @functools.cache
    def other(split: str) -> Reading:
        opened = experiment.open_data(config, (split,))[split]
        return Reading(programs, state, opened)

    measured = Reading(programs, state, examples)
    measured.predictions = predicted
    return task.score(predicted, examples) | task.compare(measured, other)


def predictions(programs: Programs, state, examples: source.Source) -> dict:
    """Predicts the examples of a split, or as many as the task asks for.

    Returns:
      name -> (examples, ...) in the order of the split.
    """
    most, count = programs.experiment.task.predicted, len(examples)
    count = count if most is None else min(most, count)
    examples = source.Subset(examples, np.arange(count))
    # Row by row: nothing is carried from one to the next here.
    examples.spec = dataclasses.replace(examples.spec, contiguous=False)
    parts = []
    for batch in batches(programs, examples):
        stored = programs.experiment.spec.features
        batch = {name: batch[name] for name in stored}
        parts.append(programs.predict(state, batch))
    joined = {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}
    return {name: value[:count] for name, value in joined.items()}


def batches(programs: Programs, examples: source.Source):
    """Yields this process's rows of a split's batches with mask, in its order."""
    size = programs.experiment.config.data.eval_batch_size
    rows = sharding.process_rows(programs.mesh, size)
    return pipeline.eval_batches(examples, size, rows)

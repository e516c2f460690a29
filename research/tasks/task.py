"""What every task is, with the hooks that only some need and their defaults.

A task is built from (model, tx, options) by `build` of its file and gives four pure,
un-jitted functions: `init(seed, batch)`, `train_step(state, batch)`,
`eval_step(state, batch)` and `predict(state, batch)`.
"""

from collections.abc import Callable, Mapping
from typing import Any

# Names of what `score` and `compare` return; a task's file that has some defines them.
SCORES: tuple[str, ...] = ()


class Task:
    """Base of the tasks.

    Attributes:
      predicted: examples at the beginning of a split that predictions are made of for
        its report; None: all of them.
    """

    predicted: int | None = None

    def init_carry(self, batch_size: int) -> Any:
        """Makes what an evaluation hands from batch to batch.

        Returns:
          None where batches stand alone. Otherwise a pytree of (batch_size, ...)
          arrays; `eval_step(state, batch, carry)` then returns (metrics, carry), and
          the split is read as contiguous streams.
        """
        return None

    def derive(self, averages: Mapping[str, float]) -> dict[str, float]:
        """Adds metrics that follow from the averages of others, such as perplexity.

        Args:
          averages: metric -> average over a split, or over a window of steps.
        """
        return dict(averages)

    def snapshot(self, state, batch) -> dict[str, Any]:
        """Makes pictures that are kept at every evaluation, to see training go on.

        Args:
          state: TrainState.
          batch: the first of the validation split, prepared; the same every time.

        Returns:
          name -> (n, h, w, c), on the scale of the batch's images.
        """
        return {}

    def warnings(self, metrics: Mapping[str, float]) -> list[str]:
        """Says in words what is wrong with training.

        Args:
          metrics: of an evaluation, without the split's name.
        """
        return []

    def score(self, predictions: Mapping[str, Any], examples) -> dict[str, float]:
        """Measures on the host what no sum over examples gives, such as BLEU.

        Args:
          predictions: of `predict`, name -> (n, ...), in the order of the split.
          examples: the split, a data source of n examples.

        Returns:
          metric -> value, for the names in the file's SCORES.
        """
        return {}

    def compare(self, measured, others: Callable[[str], Any]) -> dict[str, float]:
        """Measures what needs other splits as well: baselines, thresholds.

        Args:
          measured: the split, an `evaluation.Reading`: its `examples`, the task's
            `predictions` of them and `inputs(feature)`, (n, ...) as the model reads it.
          others: "train" or "validation" -> the same of that split.

        Returns:
          metric -> value, for the names in the file's SCORES.
        """
        return {}

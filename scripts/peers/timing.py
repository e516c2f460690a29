"""Times our compiled training step on one batch that does not change."""

import time
from collections.abc import Callable

import jax


def training(ours, batch) -> Callable[[int], float]:
    """Prepares run(steps) -> seconds.

    Args:
      ours: `research.training.programs.Programs` of an experiment.
      batch: of host arrays.
    """
    state = ours.init(0)

    def run(steps: int) -> float:
        nonlocal state
        began = time.perf_counter()
        for _ in range(steps):
            state, packed = ours.train(state, None, batch)
        jax.block_until_ready((state, packed))
        return time.perf_counter() - began

    return run

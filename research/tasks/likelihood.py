"""What tasks share whose loss is a negative log-likelihood of classes or tokens."""

import math

import jax


def check_smoothing(label_smoothing: float | jax.Array) -> None:
    """Checks a share of the target that is spread over all classes.

    Raises:
      ValueError: it is not in [0, 1); a traced one was checked before.
    """
    traced = isinstance(label_smoothing, jax.Array)
    if not traced and not 0 <= label_smoothing < 1:
        raise ValueError(
            f"label_smoothing must be in [0, 1), got {label_smoothing}; 0.1 is usual"
        )


def perplexity(loss: float) -> float:
    """Computes exp(loss) of nats per token; infinite where that overflows."""
    return math.exp(loss) if loss < 700 else math.inf

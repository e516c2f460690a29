"""Top-k accuracy: the share of examples whose label is among the k best scores.

Ties count against the prediction: a label is in the top k only if fewer than k
classes score at least as high, so that a constant output scores zero, not one.
"""

import jax
import jax.numpy as jnp


def top_k(
    scores: jax.Array, label: jax.Array, mask: jax.Array, k: int = 1
) -> tuple[jax.Array, jax.Array]:
    """Counts correct predictions.

    Args:
      scores: (..., classes) float; any monotone function of the probabilities.
      label: (...) integer in [0, classes).
      mask: (...) float, 1 for examples that count and 0 for padding.
      k: number of guesses allowed.

    Returns:
      (correct, counted): () float32 each.
    """
    own = jnp.take_along_axis(scores, label[..., None], axis=-1)
    # Counting is several times quicker on CPU than finding the largest's place.
    others = (scores >= own).sum(axis=-1) - 1  # NaN scores: no class is >=, hence -1
    correct = (others < k) & jnp.isfinite(own[..., 0])
    return (correct * mask).sum(), mask.sum()

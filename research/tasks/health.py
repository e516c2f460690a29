"""Whether an adversarial game goes well: what is measured, and warnings in words."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

# Diversity and accuracy that are warned of.
_COLLAPSED, _BEATEN = 0.1, 0.9995


def distances(real: jax.Array, made: jax.Array, mask: jax.Array) -> dict:
    """Measures squared distances between neighbours in a batch (b, ...) of images.

    Returns:
      distance_real and distance_made, (sum, weight) pairs.
    """
    both = mask * jnp.roll(mask, 1)

    def pair(x):
        flat = x.reshape(len(x), -1)
        squared = ((flat - jnp.roll(flat, 1, axis=0)) ** 2).mean(-1)
        return (squared * both).sum(), both.sum()

    return {"distance_real": pair(real), "distance_made": pair(made)}


def derive(averages: Mapping[str, float]) -> dict[str, float]:
    """Makes diversity of the distances, and healthy_step of an evaluation's step."""
    found = dict(averages)
    made, real = (found.pop(f"distance_{kind}") for kind in ("made", "real"))
    found["diversity"] = made / max(real, 1e-12)
    if "updates" in found:
        step = found.pop("updates")
        found["healthy_step"] = -1.0 if warnings(found) else step
    return found


def warnings(metrics: Mapping[str, float]) -> list[str]:
    """Says in words what is wrong with a game.

    Args:
      metrics: diversity and accuracy of an evaluation.
    """
    found = []
    diversity, accuracy = metrics["diversity"], metrics["accuracy"]
    if diversity < _COLLAPSED:
        found.append(
            "the generator's images are nearly alike: two of them differ by "
            f"{diversity:.1%} of what two real ones do; early on that is usual, later "
            "it means collapse: go back to the best checkpoint and lower the learning "
            "rate, or use another task.loss or a penalty such as task.r1"
        )
    if accuracy > _BEATEN:
        found.append(
            f"the discriminator tells {accuracy:.2%} of the pairs apart, which leaves "
            "the generator little to learn from; lower its learning rate "
            "(optimizer.multipliers), or use task.r1 or task.instance_noise"
        )
    return found

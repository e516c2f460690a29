"""What a network predicts of x = alpha x_0 + sigma e, and how x_0 follows from it.

  epsilon   e                        Ho et al. 2020, Eq. (14)
  x0        x_0
  v         alpha e - sigma x_0      Salimans & Ho 2022, https://arxiv.org/abs/2202.00512
  velocity  e - x_0                  of straight lines, see `noise`
  edm       (x_0 - c_skip x) / c_out Karras et al. 2022, Eq. (7), of the input c_in x

The loss of each is the mean squared error of the network's output; for `edm` this is
the weight 1 / c_out^2 of their Eq. (8).
"""

import jax.numpy as jnp

from research.tasks import noise

# Process -> what a network may predict in it, the usual one first.
LEGAL = {"discrete": ("epsilon", "x0", "v"), "edm": ("edm",), "flow": ("velocity",)}
SIGMA_DATA = 0.5  # standard deviation of the data, Karras et al., Table 1


def choose(process: str, prediction: str) -> str:
    """Returns what a network predicts; empty: the usual of the process.

    Raises:
      ValueError: the process has no such prediction.
    """
    legal = LEGAL[process]
    if prediction and prediction not in legal:
        raise ValueError(
            f"task.prediction={prediction!r} is none of task.process={process}; use "
            f"{' or '.join(legal)}"
        )
    return prediction or legal[0]


def scale_input(kind: str, x, sigma):
    """Returns what the network reads: x, or c_in x."""
    if kind != "edm":
        return x
    return x * noise.along((sigma**2 + SIGMA_DATA**2) ** -0.5, x)


def target(kind: str, x0, eps, alpha, sigma):
    """Returns what the network is to predict; alpha and sigma are (b,)."""
    a, s = noise.along(alpha, x0), noise.along(sigma, x0)
    if kind == "epsilon":
        return eps
    if kind == "x0":
        return x0
    if kind == "v":
        return a * eps - s * x0
    if kind == "velocity":
        return eps - x0
    skip, out = _edm(s)
    return (x0 - skip * (a * x0 + s * eps)) / out


def to_x0(kind: str, x, predicted, alpha, sigma):
    """Returns the estimate of x_0 that follows from a prediction at x."""
    a, s = noise.along(alpha, x), noise.along(sigma, x)
    if kind == "epsilon":
        return (x - s * predicted) / a
    if kind == "x0":
        return predicted
    if kind == "v":
        return a * x - s * predicted
    if kind == "velocity":
        return x - s * predicted
    skip, out = _edm(s)
    return skip * x + out * predicted


def _edm(sigma):
    """Returns c_skip and c_out, Karras et al., Table 1."""
    total = sigma**2 + SIGMA_DATA**2
    return SIGMA_DATA**2 / total, sigma * SIGMA_DATA * jnp.reciprocal(jnp.sqrt(total))

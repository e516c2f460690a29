"""What generator and discriminator minimise, per pair of a real and a made image.

r and f are the discriminator's logits of a real image and of a made one:

  minimax         D: -log s(r) - log(1 - s(f))     G: log(1 - s(f))
                  Eq. (1) of Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661
  non_saturating  D: the same                      G: -log s(f), section 3 there
  wasserstein     D: f - r                         G: -f
                  Eq. (2) of Arjovsky et al. 2017, https://arxiv.org/abs/1701.07875
  hinge           D: max(0, 1 - r) + max(0, 1 + f) G: -f
                  Eq. (16), (17) of Miyato et al. 2018, https://arxiv.org/abs/1802.05957
  least_squares   D: (r - 1)^2 / 2 + f^2 / 2       G: (f - 1)^2 / 2
                  Eq. (9) of Mao et al. 2017, https://arxiv.org/abs/1611.04076

with s(x) = 1 / (1 + exp(-x)), so that -log s(x) = softplus(-x).
"""

from collections.abc import Callable
from typing import NamedTuple

import jax


class Loss(NamedTuple):
    """The two sides of one game.

    Attributes:
      discriminator: (r, f) -> what it minimises, of their shape.
      generator: f -> what it minimises.
    """

    discriminator: Callable
    generator: Callable


def _cross_entropy(r, f):
    return jax.nn.softplus(-r) + jax.nn.softplus(f)


LOSSES = {
    "minimax": Loss(_cross_entropy, lambda f: -jax.nn.softplus(f)),
    "non_saturating": Loss(_cross_entropy, lambda f: jax.nn.softplus(-f)),
    "wasserstein": Loss(lambda r, f: f - r, lambda f: -f),
    "hinge": Loss(lambda r, f: jax.nn.relu(1 - r) + jax.nn.relu(1 + f), lambda f: -f),
    "least_squares": Loss(
        lambda r, f: ((r - 1) ** 2 + f**2) / 2, lambda f: (f - 1) ** 2 / 2
    ),
}

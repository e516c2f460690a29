"""The variational bound of discrete diffusion, in bits per dimension.

Ho et al. 2020, Eq. (5): -log p(x_0) <= L_T + sum_t L_(t-1) + L_0. One step t, drawn
uniformly, estimates the sum without bias as T times its term. Values are in [-1, 1], on
a grid of 256 levels.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from research.tasks import noise
from research.tasks.noise import along

_HALF_LEVEL = 1 / 255


def terms(process: noise.Discrete, variance: str, x0, estimate, x, index):
    """Computes one term of the sum for each example, (b,), in bits per dimension.

    Args:
      process: of T steps.
      variance: of p(x_(t-1) | x_t): "small", beta tilde, or "large", beta.
      x0: (b, ...) data.
      estimate: of x0, as the network makes it at x.
      x: x_t.
      index: (b,) int, t - 1.
    """
    from_x, from_x0, posterior, chosen = (
        jnp.asarray(column, jnp.float32)[index] for column in _table(process, variance)
    )

    def mean_given(data):  # Eq. (7)
        return along(from_x, x) * x + along(from_x0, x) * data

    squared = (mean_given(x0) - mean_given(estimate)) ** 2
    ratio = along(jnp.exp(posterior - chosen), x)
    gap = along(chosen - posterior, x)
    divergence = 0.5 * (gap - 1 + ratio + squared * along(jnp.exp(-chosen), x))
    first = along(index == 0, x)
    nats = jnp.where(first, _discrete_nll(x0, estimate, along(chosen, x)), divergence)
    return _bits(nats)


def prior(process: noise.Discrete, x0):
    """Computes L_T of each example, (b,), in bits per dimension."""
    alpha, sigma = (float(column[-1]) for column in process.table())
    mean, variance = alpha * x0, sigma**2
    return _bits(0.5 * (mean**2 + variance - 1 - math.log(variance)))


def _bits(nats):
    return nats.reshape(nats.shape[0], -1).mean(-1) / math.log(2)


def _table(process: noise.Discrete, variance: str):
    """Returns, per step, the coefficients of x and x_0 and two log variances."""
    alpha, sigma = process.table()
    before_alpha, before_sigma = np.append(1.0, alpha[:-1]), np.append(0.0, sigma[:-1])
    ratio = alpha / before_alpha
    beta = sigma**2 - ratio**2 * before_sigma**2
    small = beta * before_sigma**2 / sigma**2
    small[0] = small[min(1, len(small) - 1)]  # zero there; its log is read
    chosen = small if variance == "small" else np.append(small[0], beta[1:])
    from_x = ratio * before_sigma**2 / sigma**2
    from_x0 = before_alpha * beta / sigma**2
    return from_x, from_x0, np.log(small), np.log(chosen)


def _discrete_nll(x0, mean, log_variance):
    """Returns -log of a normal's mass around a level, in nats: Eq. (13)."""
    scale = jnp.exp(-0.5 * log_variance)
    upper = jax.scipy.special.log_ndtr((x0 - mean + _HALF_LEVEL) * scale)
    lower = jax.scipy.special.log_ndtr((x0 - mean - _HALF_LEVEL) * scale)
    over = jax.scipy.special.log_ndtr(-(x0 - mean - _HALF_LEVEL) * scale)
    under = jax.scipy.special.log_ndtr(-(x0 - mean + _HALF_LEVEL) * scale)
    # Of two tails the smaller is exact: log(e^a - e^b) = a + log(1 - e^(b - a)).
    left = x0 > mean
    a, b = jnp.where(left, over, upper), jnp.where(left, under, lower)
    inside = a + jnp.log(-jnp.expm1(jnp.minimum(b - a, -1e-7)))
    at_most = jnp.where(x0 < -0.999, upper, jnp.where(x0 > 0.999, over, inside))
    return -at_most

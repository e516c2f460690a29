"""Samplers: from noise to data along decreasing levels, each one loop in one program.

  ancestral  Ho et al. 2020, algorithm 2, between any two levels
  ddim       Song, Meng & Ermon 2021, https://arxiv.org/abs/2010.02502, Eq. (12);
             eta = 1 is ancestral sampling, eta = 0 adds no noise
  euler      the probability flow's ordinary differential equation, first order
  heun       the same, second order: Karras et al. 2022, algorithm 1, two evaluations a
             step but one in the last
  dpmpp_2m   DPM-Solver++(2M), Lu et al. 2022, https://arxiv.org/abs/2211.01095,
             algorithm 2; first order at both ends

All see the network as `denoise(x, step) -> x_0`, step the index of a level, so they
serve every process of `noise` and every prediction of `parameterisation`. Each is one
`lax.scan` over a table of coefficients made in float64. `constrain(x, step)` may put
known values into x after the step that leads to level `step`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from research.tasks.noise import Levels

NAMES = ("ancestral", "ddim", "euler", "heun", "dpmpp_2m")
VARIANCES = ("small", "large")


def sample(
    name: str,
    denoise: Callable,
    x: jax.Array,
    levels: Levels,
    key: jax.Array,
    *,
    eta: float = 0.0,
    variance: str = "small",
    constrain: Callable | None = None,
) -> tuple[jax.Array, jax.Array]:
    """Walks from x to data.

    Args:
      name: of NAMES.
      denoise: (x, step () int32) -> the estimate of x_0, of the shape of x.
      x: (b, ...) at the first level.
      levels: where to walk along.
      key: of the noise that is added on the way.
      eta: of "ddim", in [0, 1].
      variance: of "ancestral": "small", beta tilde, or "large", beta.
      constrain: (x, step) -> x.

    Returns:
      (x at the last level; the estimates of x_0 on the way, (S, b, ...))

    Raises:
      ValueError: the name, the variance or eta is not legal.
    """
    check(name, len(levels.time), eta)
    if variance not in VARIANCES:
        raise ValueError(
            f"unknown variance {variance!r}; use one of {', '.join(VARIANCES)}"
        )
    keep = constrain or (lambda x, step: x)
    if name == "ancestral":
        return _gaussian(denoise, x, key, keep, *_posterior(levels, variance))
    if name == "ddim":
        return _gaussian(denoise, x, key, keep, *_ddim(levels, eta))
    solve = {"euler": _euler, "heun": _heun, "dpmpp_2m": _dpmpp_2m}[name]
    return solve(denoise, x, levels, keep)


def check(name: str, steps: int, eta: float = 0.0) -> None:
    """Checks what a user may ask for.

    Raises:
      ValueError: an unknown sampler, no step, or eta outside of [0, 1].
    """
    if name not in NAMES:
        raise ValueError(f"unknown sampler {name!r}; use one of {', '.join(NAMES)}")
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}; try 50")
    if not 0 <= eta <= 1:
        raise ValueError(
            f"eta must be in 0..1, got {eta}; 0 adds no noise, 1 as much as ancestral "
            "sampling"
        )


def posterior_variance(alpha, sigma, alpha_s, sigma_s):
    """Returns the variance of q(x_s | x_t, x_0), s the level with less noise."""
    added = sigma**2 - (alpha / alpha_s) ** 2 * sigma_s**2
    return added * sigma_s**2 / sigma**2


def _posterior(levels: Levels, variance: str):
    """Coefficients of x and x_0 and the deviation: Ho et al., Eq. (7), any two levels.

    Equal for every linear Gaussian process (Kingma et al. 2021, appendix A.2).
    """
    a, s, a_next, s_next = _pairs(levels)
    ratio = a / a_next
    added = np.maximum(s**2 - ratio**2 * s_next**2, 0)
    from_x = ratio * s_next**2 / s**2
    from_x0 = a_next * added / s**2
    small = added * s_next**2 / s**2
    # Without noise at the end, where x_0 is meant.
    large = np.where(s_next > 0, added, 0)
    return from_x, from_x0, np.sqrt(small if variance == "small" else large)


def _ddim(levels: Levels, eta: float):
    """The same for Eq. (12) with sigma of Eq. (16), e written as (x - a x_0) / s."""
    a, s, a_next, s_next = _pairs(levels)
    spread = eta**2 * np.maximum(posterior_variance(a, s, a_next, s_next), 0)
    from_x = np.sqrt(np.maximum(s_next**2 - spread, 0)) / s
    return from_x, a_next - from_x * a, np.sqrt(spread)


def _pairs(levels: Levels):
    a, s = levels.alpha, levels.sigma
    return a[:-1], s[:-1], a[1:], s[1:]


def _gaussian(denoise, x, key, keep, from_x, from_x0, deviation):
    """Draws every next x from a normal around a mixture of x and x_0."""

    def step(x, row):
        index, (c, c0, spread) = row
        x0 = denoise(x, index)
        noise = jax.random.normal(jax.random.fold_in(key, index), x.shape, x.dtype)
        return keep(c * x + c0 * x0 + spread * noise, index + 1), x0

    table = _columns(from_x, from_x0, deviation)
    return jax.lax.scan(step, x, (jnp.arange(len(from_x)), table))


def _euler(denoise, x, levels, keep):
    table = _columns(*_coordinates(levels))

    def step(x, row):
        index, (scale, scale_next, width, slope0, alpha, sigma) = row
        x0 = denoise(x, index)
        slope = (x - alpha * x0) / sigma + slope0 * x0
        x = scale_next * (x / scale + width * slope)
        return keep(x, index + 1), x0

    return jax.lax.scan(step, x, (jnp.arange(len(levels.time)), table))


def _coordinates(levels: Levels):
    """Returns, for each step, what a solver in y = x / scale needs.

    y = a(u) x_0 + u e has the slope e + a'(u) x_0 along u: with scale alpha, a = 1 and
    u = sigma / alpha (Karras et al., Eq. (1)); with scale alpha + sigma, a = 1 - u.
    """
    a, s, a_next, s_next = _pairs(levels)
    bend = 1.0 if levels.straight else 0.0
    scale, scale_next = a + bend * s, a_next + bend * s_next
    width = s_next / scale_next - s / scale
    return scale, scale_next, width, np.full_like(a, -bend), a, s


def _heun(denoise, x, levels, keep):
    rows = _coordinates(levels)
    a_next, s_next = levels.alpha[1:], levels.sigma[1:]
    last = len(levels.time) - 1

    def first_slope(x, index, row):
        scale, scale_next, width, slope0, alpha, sigma = row
        x0 = denoise(x, index)
        slope = (x - alpha * x0) / sigma + slope0 * x0
        return x0, slope, scale_next * (x / scale + width * slope)

    def step(x, row):
        index, row, (alpha, sigma) = row
        x0, slope, guess = first_slope(x, index, row)
        scale, scale_next, width, slope0, _, _ = row
        x0_next = denoise(guess, index + 1)
        slope_next = (guess - alpha * x0_next) / sigma + slope0 * x0_next
        x = scale_next * (x / scale + width * (slope + slope_next) / 2)
        return keep(x, index + 1), x0

    most = tuple(column[:last] for column in rows)
    ends = _columns(a_next[:last], s_next[:last])
    x, seen = jax.lax.scan(step, x, (jnp.arange(last), _columns(*most), ends))
    # The last step ends where the slope is not defined: first order.
    row = tuple(jnp.asarray(column[last], x.dtype) for column in rows)
    x0, _, x = first_slope(x, jnp.int32(last), row)
    return keep(x, jnp.int32(last + 1)), jnp.concatenate([seen, x0[None]])


def _dpmpp_2m(denoise, x, levels, keep):
    a, s, a_next, s_next = _pairs(levels)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_snr = np.log(levels.alpha) - np.log(levels.sigma)
        h = np.diff(log_snr)
        shrink = a * s_next / (s * a_next)  # e^-h, finite where h is not
        weight = np.append(0.0, h[1:] / (2 * h[:-1]))  # 1 / (2 r)
    weight = np.where(np.isfinite(weight) & (s_next > 0), weight, 0.0)
    table = _columns(s_next / s, a_next * (1 - shrink), weight)

    def step(carry, row):
        (x, before), (index, (c, c0, weight)) = carry, row
        x0 = denoise(x, index)
        mixed = (1 + weight) * x0 - weight * before
        return (keep(c * x + c0 * mixed, index + 1), x0), x0

    rows = (jnp.arange(len(a)), table)
    (x, _), seen = jax.lax.scan(step, (x, jnp.zeros_like(x)), rows)
    return x, seen


def _columns(*columns: np.ndarray):
    return tuple(jnp.asarray(column, jnp.float32) for column in columns)


def inpainting(known, mask, levels: Levels, key) -> Callable:
    """Makes a `constrain` that keeps the known pixels, as noisy as the rest.

    Lugmayr et al. 2022 (RePaint, https://arxiv.org/abs/2201.09865), Eq. (8), without
    its resampling.

    Args:
      known: (b, ...) data.
      mask: of a shape that broadcasts to it, 1 where it is known.
      levels: of the walk.
      key: of the noise.
    """
    alpha, sigma = _columns(levels.alpha, levels.sigma)

    def constrain(x, step):
        noise = jax.random.normal(jax.random.fold_in(key, step), x.shape, x.dtype)
        return mask * (alpha[step] * known + sigma[step] * noise) + (1 - mask) * x

    return constrain


def guided(conditional, unconditional, scale: float):
    """Mixes two predictions: Ho & Salimans 2022, Eq. (6), scale = 1 + w."""
    return unconditional + scale * (conditional - unconditional)

"""How noise is added: x_t = alpha_t x_0 + sigma_t e, e from N(0, 1), three processes.

  discrete  T steps with alpha^2 + sigma^2 = 1 (Ho et al. 2020,
            https://arxiv.org/abs/2006.11239), betas `linear` as there or `cosine`
            (Nichol & Dhariwal 2021, https://arxiv.org/abs/2102.09672)
  edm       alpha = 1, any sigma (Karras et al. 2022, https://arxiv.org/abs/2206.00364)
  flow      alpha = 1 - t, sigma = t, t in [0, 1]: rectified flow and flow matching (Liu
            et al. 2023, https://arxiv.org/abs/2209.03003; Lipman et al. 2023,
            https://arxiv.org/abs/2210.02747), whose papers count t from noise to data

Sampling walks along `Levels`, from the noisiest to none. Numbers that depend on the
config alone are made by numpy in float64.
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from research.models import layers

PROCESSES = ("discrete", "edm", "flow")
SCHEDULES = ("linear", "cosine")


@dataclass(frozen=True)
class Levels:
    """Levels of noise from the noisiest to none, which is not the network's to see.

    Attributes:
      alpha: (S + 1,) float64, the last 1.
      sigma: (S + 1,) float64, falling, the last 0.
      time: (S,) float64, what the network reads at each but the last.
      straight: ordinary differential equations are solved along sigma / (alpha +
        sigma), which is finite where alpha is 0, instead of sigma / alpha.
    """

    alpha: np.ndarray
    sigma: np.ndarray
    time: np.ndarray
    straight: bool = True

    def after(self, share: float) -> "Levels":
        """Returns the last levels alone, as many as that share of the steps, >= 1."""
        first = len(self.time) - max(1, round(share * len(self.time)))
        return Levels(
            self.alpha[first:], self.sigma[first:], self.time[first:], self.straight
        )


def betas(schedule: str, steps: int) -> np.ndarray:
    """Makes the variances that T steps add, (T,) float64.

    Args:
      schedule: "linear", from 1e-4 to 0.02 where T is 1,000 (Ho et al., section 4),
        or "cosine" (Nichol & Dhariwal, Eq. (17), s = 0.008).
      steps: T.
    """
    if schedule == "linear":
        return np.minimum(np.linspace(1e-4, 0.02, steps) * (1000 / steps), 0.999)
    at = np.arange(steps + 1) / steps
    kept = np.cos((at + 0.008) / 1.008 * math.pi / 2) ** 2
    return np.minimum(1 - kept[1:] / kept[:-1], 0.999)


@dataclass(frozen=True)
class Discrete:
    """T levels; the network's time is 0 to T - 1, on a scale of 1,000."""

    schedule: str
    steps: int

    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns alpha and sigma, (T,) float64: the roots in Eq. (4)."""
        kept = np.cumprod(1 - betas(self.schedule, self.steps))
        return np.sqrt(kept), np.sqrt(1 - kept)

    def draw(self, key, count: int):
        """Draws alpha, sigma, time and step (count,), 0 the first; see `stratified`."""
        index = jnp.floor(stratified(key, count) * self.steps).astype(jnp.int32)
        index = jnp.minimum(index, self.steps - 1)
        return *self.at(index), index

    def at(self, index):
        """Returns alpha, sigma and time (b,) of the steps (b,) int, 0 the first."""
        alpha, sigma = (jnp.asarray(a, jnp.float32) for a in self.table())
        return alpha[index], sigma[index], self.time(index.astype(jnp.float32))

    def time(self, index):
        """Scales steps as the network reads them."""
        return index * (1000 / self.steps)

    def levels(self, steps: int) -> Levels:
        """Returns `steps` of the T levels, evenly from the last one on."""
        index = np.round(np.linspace(self.steps - 1, 0, steps)).astype(int)
        alpha, sigma = (a[index] for a in self.table())
        return Levels(
            np.append(alpha, 1.0), np.append(sigma, 0.0), self.time(index * 1.0)
        )


@dataclass(frozen=True)
class EDM:
    """Any sigma; the constants are those of Karras et al., Table 1.

    Attributes:
      mean, spread: of log sigma in training, P_mean and P_std.
      least, most: sigma where sampling ends and begins.
      rho: exponent of the levels between them.
    """

    mean: float = -1.2
    spread: float = 1.2
    least: float = 0.002
    most: float = 80.0
    rho: float = 7.0

    def draw(self, key, count: int):
        """Draws alpha, sigma and time (count,) as training does, and no step."""
        u = jnp.clip(stratified(key, count), 1e-6, 1 - 1e-6)
        sigma = jnp.exp(self.mean + self.spread * jax.scipy.special.ndtri(u))
        return jnp.ones_like(sigma), sigma, self.time(sigma), None

    def time(self, sigma):
        """Returns c_noise."""
        return 0.25 * (jnp if isinstance(sigma, jax.Array) else np).log(sigma)

    def levels(self, steps: int) -> Levels:
        """Returns the levels of Eq. (5)."""
        at = np.arange(steps) / max(steps - 1, 1)
        root = 1 / self.rho
        sigma = (
            self.most**root + at * (self.least**root - self.most**root)
        ) ** self.rho
        ones = np.ones(steps + 1)
        return Levels(ones, np.append(sigma, 0.0), self.time(sigma), straight=False)


@dataclass(frozen=True)
class Flow:
    """Straight lines; the network's time is 1,000 t."""

    def draw(self, key, count: int):
        """Draws alpha, sigma and time (count,), t uniform, and no step."""
        t = stratified(key, count)
        return 1 - t, t, self.time(t), None

    def time(self, t):
        """Scales t as the network reads it."""
        return 1000 * t

    def levels(self, steps: int) -> Levels:
        """Returns t = 1, ..., 0 at even distances."""
        t = np.linspace(1, 0, steps + 1)
        return Levels(1 - t, t, self.time(t[:-1]))


def make(process: str, schedule: str, timesteps: int) -> Discrete | EDM | Flow:
    """Makes a process of PROCESSES; the other two are read by "discrete" alone.

    Raises:
      ValueError: a name is unknown, or there are less than two steps.
    """
    layers.check_choice("task.process", process, PROCESSES)
    layers.check_choice("task.schedule", schedule, SCHEDULES)
    if timesteps < 2:
        raise ValueError(
            f"task.timesteps must be at least 2, got {timesteps}; use 1,000"
        )
    made = {"edm": EDM, "flow": Flow}.get(process)
    return made() if made else Discrete(schedule, timesteps)


def stratified(key, count: int):
    """Draws (count,) numbers in [0, 1), one from each of `count` equal shares.

    Together they vary less than independent draws, and so does a loss averaged over
    them (Kingma et al. 2021, appendix I.1). The shares are in random order, so that
    each number is uniform by itself: a batch that is filled up counts its first ones.
    """
    order, offset = jax.random.split(key)
    share = jax.random.permutation(order, count)
    return (share + jax.random.uniform(offset)) / count


def add(x, noise, alpha, sigma):
    """Returns alpha x + sigma noise; alpha and sigma are one per example."""
    return along(alpha, x) * x + along(sigma, x) * noise


def along(values, x):
    """Gives values (b,) the rank of x (b, ...)."""
    return values.reshape(-1, *(1,) * (x.ndim - 1))

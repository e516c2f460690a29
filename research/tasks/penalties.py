"""Penalties that keep an adversarial game stable; all need a gradient of a gradient.

r1                |grad D(x)|^2 / 2 at real images x: Eq. (9) of Mescheder et al. 2018,
                  https://arxiv.org/abs/1801.04406
gradient_penalty  (|grad D(x)| - 1)^2 at x = u real + (1 - u) made, u uniform in
                  [0, 1]: Eq. (3) of Gulrajani et al. 2017,
                  https://arxiv.org/abs/1704.00028
path_length       (|J^T y| - a)^2, J the generator's Jacobian by its styles, y normal
                  images, a the running mean of |J^T y|: Eq. (4) of Karras et al. 2020,
                  https://arxiv.org/abs/1912.04958
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

_PATH_DECAY = 0.01  # share of the running mean that a step replaces


@dataclass(frozen=True)
class Stability:
    """What keeps the game stable; 0 switches a part off.

    Attributes:
      r1: gamma, weight of `penalties.r1`.
      r1_every: 1: it is a term of the loss; more: an update of its own in every so many
        steps, which weighs as much more.
      gradient_penalty: lambda, weight of `penalties.gradient_penalty`.
      path_length: weight of `penalties.path_length`, an update of its own always.
      path_every: steps between two of them.
      instance_noise: standard deviation of the noise on images at step 0.
      noise_steps: steps after which it is gone.
    """

    r1: float = 0.0
    r1_every: int = 1
    gradient_penalty: float = 0.0
    path_length: float = 0.0
    path_every: int = 1
    instance_noise: float = 0.0
    noise_steps: int = 0

    @property
    def r1_apart(self) -> bool:
        """Whether R1 is an update of its own."""
        return bool(self.r1) and self.r1_every > 1

    def check(self, has_styles: bool) -> None:
        """Checks the numbers; `has_styles`: the model has paths to penalise.

        Raises:
          ValueError: a number is out of range, or needs another.
        """
        for name, value in dataclasses.asdict(self).items():
            bottom = 1 if name.endswith("_every") else 0
            if value < bottom:
                raise ValueError(
                    f"task.{name} must be at least {bottom}, got {value}; correct it"
                )
        if self.instance_noise and not self.noise_steps:
            raise ValueError(
                f"task.instance_noise={self.instance_noise} needs task.noise_steps "
                "> 0, got 0; say after how many steps it is gone"
            )
        if self.path_length and not has_styles:
            raise ValueError(
                f"task.path_length={self.path_length} needs a generator with styles, "
                "such as model.name=stylegan2; set it to 0"
            )


def r1(discriminate: Callable, x: jax.Array) -> jax.Array:
    """Returns the penalty (b,) at real images x (b, ...); discriminate: x -> (b,)."""
    return _squared_norm(_gradient(discriminate, x)) / 2


def gradient_penalty(
    discriminate: Callable, key: jax.Array, real: jax.Array, made: jax.Array
) -> jax.Array:
    """Returns the penalty (b,) between real and made images (b, ...)."""
    shares = jax.random.uniform(key, (len(real), *[1] * (real.ndim - 1)))
    between = shares * real + (1 - shares) * made
    # The root has no gradient at 0.
    norms = jnp.sqrt(_squared_norm(_gradient(discriminate, between)) + 1e-12)
    return (norms - 1) ** 2


def path_length(
    synthesise: Callable, key: jax.Array, styles: jax.Array, mean: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Penalises how unevenly steps of the styles change the image.

    Args:
      synthesise: styles -> images (b, h, w, c).
      key: of the random images y.
      styles: (b, layers, d).
      mean: () running mean of the lengths.

    Returns:
      (the penalty (b,), the mean after this step)
    """

    def projected(styles):
        images = synthesise(styles)
        pixels = images.shape[1] * images.shape[2]
        y = jax.random.normal(key, images.shape) / jnp.sqrt(pixels)
        return (images * y).sum()

    gradients = jax.grad(projected)(styles)
    lengths = jnp.sqrt((gradients**2).sum(-1).mean(-1) + 1e-12)
    mean = mean + _PATH_DECAY * (jax.lax.stop_gradient(lengths.mean()) - mean)
    return (lengths - mean) ** 2, mean


def _gradient(discriminate, x):
    return jax.grad(lambda x: discriminate(x).sum())(x)


def _squared_norm(x):
    return (x.reshape(len(x), -1) ** 2).sum(-1)

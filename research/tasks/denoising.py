"""A network as a denoiser: from its prediction to an estimate of the data."""

from collections.abc import Callable
from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp

from research.tasks import noise, parameterisation, samplers


@dataclass(frozen=True)
class Network:
    """A model and what it predicts.

    Attributes:
      model: called as (x, time, label, *, train).
      prediction: a kind of `parameterisation`.
      clip: estimates are clipped to [-1, 1].
    """

    model: nn.Module
    prediction: str
    clip: bool

    def predict(self, params, x, sigma, time, label, rng=None) -> jax.Array:
        """Applies the model to x (b, ...); trains where there is an rng for dropout."""
        x = parameterisation.scale_input(self.prediction, x, sigma)
        rngs = None if rng is None else {"dropout": rng}
        return self.model.apply(
            {"params": params}, x, time, label, train=rng is not None, rngs=rngs
        )

    def estimate(self, x, predicted, alpha, sigma) -> jax.Array:
        """Returns the estimate of the data, (b, ...), that a prediction means."""
        x0 = parameterisation.to_x0(self.prediction, x, predicted, alpha, sigma)
        return jnp.clip(x0, -1, 1) if self.clip else x0

    def denoiser(
        self, params, levels: noise.Levels, label, guidance: float = 1.0
    ) -> Callable:
        """Returns denoise(x, step) for `samplers`.

        Args:
          params: of the model.
          levels: that the steps count.
          label: (b,) int32; None: the model reads none.
          guidance: see `drawing.Sampling`.
        """
        alphas, sigmas, times = (
            jnp.asarray(column, jnp.float32)
            for column in (levels.alpha, levels.sigma, levels.time)
        )

        def denoise(x, step):
            alpha, sigma, time = (
                jnp.full(x.shape[:1], column[step])
                for column in (alphas, sigmas, times)
            )
            if guidance == 1:
                predicted = self.predict(params, x, sigma, time, label)
            else:
                none = jnp.full_like(label, self.model.classes)
                twice = (jnp.concatenate([a, a]) for a in (x, sigma, time))
                both = self.predict(params, *twice, jnp.concatenate([label, none]))
                predicted = samplers.guided(*jnp.split(both, 2), guidance)
            return self.estimate(x, predicted, alpha, sigma)

        return denoise

    def look(self, params, levels: noise.Levels, x, label, eps):
        """Shows data under each level's noise, and what is made of them.

        Returns:
          (noisy, divided by sigma above 1; estimates), both (b, levels - 1, ...),
          from little noise to much.
        """
        denoise = self.denoiser(params, levels, label)
        alpha, sigma = (
            jnp.asarray(column[:-1], jnp.float32)
            for column in (levels.alpha, levels.sigma)
        )

        def at(step):
            noisy = alpha[step] * x + sigma[step] * eps
            return noisy / jnp.maximum(sigma[step], 1), denoise(noisy, step)

        shown, found = jax.lax.map(at, jnp.arange(len(levels.time))[::-1])
        return jnp.moveaxis(shown, 0, 1), jnp.moveaxis(found, 0, 1)

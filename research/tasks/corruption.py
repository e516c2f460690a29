"""What a denoising autoencoder's inputs suffer (Vincent et al.: Stacked Denoising
Autoencoders, 2010, https://www.jmlr.org/papers/v11/vincent10a.html, section 3.3)."""

import jax
import jax.numpy as jnp

NOISES = ("none", "masking", "gaussian", "salt_and_pepper")


def corrupt(x: jax.Array, noise: str, level, key: jax.Array) -> jax.Array:
    """Corrupts examples.

    Args:
      x: (b, ...) float.
      noise: one of NOISES. "masking" sets elements to 0, "salt_and_pepper" to the
        least or the largest value of the batch, each half of the time; "gaussian" adds
        to every element and cuts nothing off.
      level: share of the elements, in [0, 1]; or the standard deviation (gaussian).
      key: of the draws.
    """
    if noise == "none":
        return x
    if noise == "gaussian":
        return x + level * jax.random.normal(key, x.shape, x.dtype)
    hit_key, side_key = jax.random.split(key)
    hit = jax.random.bernoulli(hit_key, level, x.shape)
    if noise == "masking":
        return jnp.where(hit, jnp.zeros((), x.dtype), x)
    salt = jax.random.bernoulli(side_key, 0.5, x.shape)
    return jnp.where(hit, jnp.where(salt, x.max(), x.min()), x)

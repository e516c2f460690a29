"""Random numbers of augmentation: functions of (seed, epoch, example) and a purpose.

So an example's draws do not depend on what else is in its batch, on how many processes
share it, or on where a run was resumed; and switching one augmentation on leaves the
draws of the others as they were.
"""

import zlib

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

# Keeps these keys apart from those of the training steps, fold_in(key(seed), step).
_STREAM = 2**32 - 1


def keys(seed, epoch: Int[Array, " b"], example: Int[Array, " b"]) -> Key[Array, " b"]:
    """Makes one key per example.

    Args:
      seed: () integer, that of the run.
      epoch: passes over the split before this one.
      example: number of the example in its split.
    """
    # Other generators give a batch's keys draws that depend on its size.
    root = jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), _STREAM)
    fold = jax.random.fold_in
    return jax.vmap(lambda e, i: fold(fold(root, e), i))(epoch, example)


def uniform(key: Key[Array, " b"], purpose: str, count: int) -> Float[Array, "b n"]:
    """Draws `count` numbers in [0, 1) per example.

    Args:
      key: from `keys`.
      purpose: name of what they decide; another name gives independent draws.
      count: n.
    """
    return jax.vmap(lambda k: jax.random.uniform(k, (count,)))(_for(key, purpose))


def normal(
    key: Key[Array, " b"], purpose: str, shape: tuple[int, ...]
) -> Float[Array, "b ..."]:
    """Draws an array of normal numbers per example; see `uniform`."""
    return jax.vmap(lambda k: jax.random.normal(k, shape))(_for(key, purpose))


def beta(key: Key[Array, " b"], purpose: str, alpha: float) -> Float[Array, " b"]:
    """Draws one number in [0, 1] per example from Beta(alpha, alpha), alpha > 0."""
    return jax.vmap(lambda k: jax.random.beta(k, alpha, alpha))(_for(key, purpose))


def integers(uniform: Float[Array, "..."], count: int) -> Int[Array, "..."]:
    """Turns draws in [0, 1) into whole numbers in [0, count)."""
    return jnp.minimum((uniform * count).astype(jnp.int32), count - 1)


def _for(key: Key[Array, " b"], purpose: str) -> Key[Array, " b"]:
    number = zlib.crc32(purpose.encode())
    return jax.vmap(lambda k: jax.random.fold_in(k, number))(key)

"""Hides tokens for a masked language model (Devlin et al. 2019, section 3.1, Task 1).

Of the tokens that may be predicted, a share is chosen, at least one and always the same
number for a length; of those chosen 80 % become [MASK], 10 % a random token, 10 % stay.
With whole words, words are chosen instead, in random order as long as they fit.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

_MASK, _RANDOM = 0.8, 0.1  # shares of the chosen tokens


class Masked(NamedTuple):
    """Hidden tokens, where they are and what they were.

    Attributes:
      token: (b, t) int32, what the model reads.
      position: (b, p) int32, of what it is asked for.
      target: (b, p) int32, what stood there.
      weight: (b, p) float32, 0 for places that are not used.
    """

    token: jax.Array
    position: jax.Array
    target: jax.Array
    weight: jax.Array


def most(length: int, rate: float) -> int:
    """Returns p, the places for predictions of an example of `length` tokens."""
    return max(1, round(rate * length))


def mask(
    keys: jax.Array,
    token: jax.Array,
    word: jax.Array,
    mask_token: jax.Array,
    *,
    vocabulary_size: int,
    rate: float,
    whole_words: bool,
) -> Masked:
    """Hides tokens of each example by its own key; pure.

    Args:
      keys: (b,) keys.
      token: (b, t) int32.
      word: (b, t) int32, the word that each token belongs to, -1: never hidden.
      mask_token: (b,) int32, id of [MASK].
      vocabulary_size: random tokens are below it.
      rate: share of the tokens that are chosen, in (0, 1).
      whole_words: choose words.
    """

    def one(key, token, word, mask_token):
        order, change, other = jax.random.split(key, 3)
        length, count = token.shape[0], most(token.shape[0], rate)
        able = word >= 0
        wanted = jnp.round(rate * able.sum()).astype(jnp.int32)
        wanted = jnp.clip(wanted, 1, count)
        score = jax.random.uniform(order, (length,))
        if whole_words:
            score = score[jnp.maximum(word, 0)]
        score = jnp.where(able, score, jnp.inf)
        position = jnp.argsort(score)[:count]
        chosen = jnp.arange(count) < wanted
        if whole_words:  # a word counts where all of it fits, and the first one always
            own = score[position][:, None]
            ends = (score[None] <= own).sum(axis=1)
            begins = (score[None] < own).sum(axis=1)
            chosen = (ends <= wanted) | (begins == 0)
        chosen &= able[position]
        target = token[position]
        share = jax.random.uniform(change, (count,))
        drawn = jax.random.randint(other, (count,), 0, vocabulary_size, jnp.int32)
        hidden = jnp.where(share < _MASK + _RANDOM, drawn, target)
        hidden = jnp.where(share < _MASK, mask_token, hidden)
        token = token.at[position].set(jnp.where(chosen, hidden, target))
        return Masked(token, position, target, chosen.astype(jnp.float32))

    return jax.vmap(one)(keys, token, word, mask_token)


def keys_of(token: jax.Array) -> jax.Array:
    """Makes a key for each example of what stands in it, so that no order matters.

    Args:
      token: (b, t) int32.

    Returns:
      (b,) keys.
    """
    place = jax.lax.broadcasted_iota(jnp.uint32, token.shape, 1)
    mixed = (token.astype(jnp.uint32) + 1) * (2 * place + 1) * jnp.uint32(2654435761)
    mixed = mixed ^ (mixed >> 15)
    return jax.vmap(jax.random.key)(mixed.sum(axis=1, dtype=jnp.uint32))

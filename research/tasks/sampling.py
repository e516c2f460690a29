"""Draws the next token from logits: greedy, temperature, top-k and top-p.

The three narrow the distribution in this order, as in Hugging Face's `generate`.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen; Python numbers, for they decide the program.

    Attributes:
      temperature: divides the logits; 0 takes the likeliest token (greedy).
      top_k: only the k likeliest tokens; 0: all.
      top_p: only the likeliest tokens that together reach this probability
        (Holtzman et al. 2020, https://arxiv.org/abs/1904.09751, section 3.1), in
        (0, 1]; the likeliest one always stays.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0

    def __post_init__(self):
        """Checks the numbers.

        Raises:
          ValueError: one is outside its range.
        """
        for name, legal, rule in (
            ("temperature", self.temperature >= 0, "at least 0 (greedy)"),
            ("top_k", self.top_k >= 0, "at least 0 (all tokens)"),
            ("top_p", 0 < self.top_p <= 1, "above 0 and at most 1 (all tokens)"),
        ):
            if not legal:
                raise ValueError(
                    f"sampling needs {name} {rule}, got {getattr(self, name)}; "
                    "correct it"
                )


GREEDY = Sampling(temperature=0.0)


def draw(
    keys: Key[Array, " b"], logits: Float[Array, "b v"], how: Sampling
) -> Int[Array, " b"]:
    """Chooses a token for every row.

    Args:
      keys: one per row, so that a row's choice depends on no other row.
      logits: float32.
      how: the distribution; greedy reads no key.
    """
    if how.temperature == 0:
        return jnp.argmax(logits, axis=-1).astype(jnp.int32)
    logits, token = narrow(logits, how)
    place = jax.vmap(jax.random.categorical)(keys, logits)[:, None]
    return jnp.take_along_axis(token, place, axis=1)[:, 0]


def narrow(
    logits: Float[Array, "b v"], how: Sampling
) -> tuple[Float[Array, "b k"], Int[Array, "b k"]]:
    """Computes the distribution that is drawn from; the temperature is above 0.

    Returns:
      (logits, the token of each); what is excluded has -inf or is left out.
    """
    size = logits.shape[-1]
    logits = logits / how.temperature
    kept = min(how.top_k or size, size)
    if kept == size and how.top_p == 1:
        token = jnp.arange(size, dtype=jnp.int32)
        return logits, jnp.broadcast_to(token, logits.shape)
    logits, token = jax.lax.top_k(logits, kept)  # falling
    if how.top_p < 1:
        p = jax.nn.softmax(logits, axis=-1)
        before = jnp.cumsum(p, axis=-1) - p
        logits = jnp.where(before < how.top_p, logits, -jnp.inf)
    return logits, token

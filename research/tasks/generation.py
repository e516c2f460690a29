"""Lets a language model write: the prompt once, then one token per step.

Any model with the carry of language models serves (see research/models/gpt.py): a
recurrent network's state, a Transformer's key-value cache. Everything is pure and of
fixed shape, one loop without a call back to Python, to be jitted by the caller.

    write = partial(generate, model, max_tokens=100, how=Sampling(0.8))  # to be jitted
    tokens = write(variables, prompt, mask=mask, key=jax.random.key(0))

To show a text while it grows, `begin` and `go_on` do the same in pieces.
"""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jax import lax
from jaxtyping import Array, Bool, Int, Key

from research.tasks import sampling


class Writing(NamedTuple):
    """Texts that are being written.

    Attributes:
      carry: of the model, behind all tokens but the last one of each row.
      token: (b,) int32, that last one.
      done: (b,) bool, true where the stop token was written.
      keys: (b,) one per row.
      count: () int32, tokens written so far.
    """

    carry: Any
    token: Array
    done: Array
    keys: Array
    count: Array


def generate(
    model: nn.Module,
    variables: Any,
    prompt: Int[Array, "b p"],
    *,
    mask: Bool[Array, "b p"] | None = None,
    max_tokens: int,
    how: sampling.Sampling = sampling.GREEDY,
    stop: int | None = None,
    key: Key[Array, ""],
) -> Int[Array, "b m"]:
    """Continues every prompt.

    A model with a `context`, the most tokens that it can look at, goes on past it by
    reading the later half of that context anew.

    Args:
      model: with `initial_carry` and `__call__(token, carry=, mask=, train=)`.
      variables: its parameters.
      prompt: at least one token per row; shorter ones are padded on the left.
      mask: true at the real tokens; None: all.
      max_tokens: m, tokens to write.
      how: each token is chosen.
      stop: the token that ends a row; what follows it there is `stop` as well.
      key: of the random draws; each row draws by itself.

    Raises:
      ValueError: an empty prompt, or one longer than the model's context.
    """
    time = prompt.shape[1]
    context = getattr(model, "context", None) or time + max_tokens
    room = max(context + 1 - time, 1)  # the last token written is not read
    first, half = min(max_tokens, room), max(context // 2, 1)
    writing = begin(model, variables, prompt, mask=mask, more=first, key=key)
    pieces, writing = go_on(model, variables, writing, first, how=how, stop=stop)
    if first == max_tokens:
        return pieces
    seen = jnp.ones(prompt.shape, bool) if mask is None else mask
    seen = jnp.pad(seen, ((0, 0), (0, first)), constant_values=True)[:, -half:]
    window = jnp.concatenate([prompt, pieces], axis=1)[:, -half:]
    count = context + 1 - half

    def anew(state, _):
        window, seen, old = state
        writing = begin(model, variables, window, mask=seen, more=count, key=key)
        writing = writing._replace(done=old.done, count=old.count)
        written, writing = go_on(model, variables, writing, count, how=how, stop=stop)
        window = jnp.concatenate([window, written], axis=1)[:, -half:]
        seen = jnp.concatenate([seen, jnp.ones(written.shape, bool)], axis=1)
        return (window, seen[:, -half:], writing._replace(carry=None)), written

    times = -(-(max_tokens - first) // count)
    state = (window, seen, writing._replace(carry=None))
    _, later = lax.scan(anew, state, length=times)
    later = rearrange(later, "n b m -> b (n m)")
    return jnp.concatenate([pieces, later], axis=1)[:, :max_tokens]


def begin(
    model: nn.Module,
    variables: Any,
    prompt: Int[Array, "b p"],
    *,
    mask: Bool[Array, "b p"] | None = None,
    more: int,
    key: Key[Array, ""],
) -> Writing:
    """Reads the prompts, to write `more` tokens behind each; see `generate`."""
    batch, time = prompt.shape
    if time == 0:
        raise ValueError(
            "a prompt needs at least one token, got none; give some text, or the token "
            "that stands between texts"
        )
    carry = model.initial_carry(batch, time + more - 1)
    if time > 1:  # these logits are not used, hence never computed
        before = None if mask is None else mask[:, :-1]
        _, carry = model.apply(
            variables, prompt[:, :-1], carry=carry, mask=before, train=False
        )
    return Writing(
        carry=carry,
        token=prompt[:, -1].astype(jnp.int32),
        done=jnp.zeros((batch,), bool),
        keys=jax.random.split(key, batch),
        count=jnp.int32(0),
    )


def go_on(
    model: nn.Module,
    variables: Any,
    writing: Writing,
    count: int,
    *,
    how: sampling.Sampling = sampling.GREEDY,
    stop: int | None = None,
) -> tuple[Int[Array, "b m"], Writing]:
    """Writes `count` tokens more, or fewer once all rows are done; see `generate`.

    Returns:
      (the tokens, (b, count); what to give to the next call)
    """

    def unfinished(state):
        i, _, writing = state
        return (i < count) & ~jnp.all(writing.done)

    def write(state):
        i, tokens, (carry, token, done, keys, written) = state
        logits, carry = model.apply(variables, token[:, None], carry=carry, train=False)
        folded = jax.vmap(jax.random.fold_in, (0, None))(keys, written)
        token = sampling.draw(folded, logits[:, -1], how)
        if stop is not None:
            token = jnp.where(done, stop, token)
            done = done | (token == stop)
        tokens = lax.dynamic_update_slice(tokens, token[:, None], (0, i))
        return i + 1, tokens, Writing(carry, token, done, keys, written + 1)

    blank = jnp.full((len(writing.token), count), stop or 0, jnp.int32)
    state = (jnp.int32(0), blank, writing)
    _, tokens, writing = lax.while_loop(unfinished, write, state)
    return tokens, writing

"""Writes a sequence token by token: greedy and beam search, of fixed shapes.

Both ask a `step` for the logits of what may come next, and stop as soon as no row can
change any more. Axes: b batch, k beams, t time, v vocabulary.

  step(tokens (b,) int32, carry) -> (logits (b, v) float32, carry)

The carry is a pytree of arrays whose first axis is the batch (recurrent states,
key-value caches), or of numbers that all rows share.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from einops import rearrange
from jax import lax

# What stands behind the end of a sequence.
PADDING = 0

Step = Callable[[jax.Array, Any], tuple[jax.Array, Any]]


def greedy(step: Step, carry, start: jax.Array, *, end: int, length: int) -> jax.Array:
    """Takes the most probable token at every position.

    Args:
      step: see above.
      carry: before the first token.
      start: (b,) int32, what every row begins with.
      end: the token behind which a row holds PADDING only.
      length: t, most tokens of a row, its end among them.

    Returns:
      (b, t) int32, without `start`.
    """

    def unfinished(state):
        i, _, _, _, done = state
        return (i < length) & ~done.all()

    def advance(state):
        i, token, carry, tokens, done = state
        logits, carry = step(token, carry)
        token = jnp.where(done, PADDING, logits.argmax(-1)).astype(jnp.int32)
        return i + 1, token, carry, tokens.at[:, i].set(token), done | (token == end)

    tokens = jnp.full((len(start), length), PADDING, jnp.int32)
    done = jnp.zeros(len(start), bool)
    state = jnp.int32(0), start, carry, tokens, done
    return lax.while_loop(unfinished, advance, state)[3]


class _Beams(NamedTuple):
    """Both halves of a beam search, each sorted by falling score.

    Attributes:
      i: () int32, tokens written.
      carry: of the open hypotheses, first axis b * k.
      open_tokens, open_score: (b, k, t) and (b, k), log probabilities.
      done_tokens, done_score: those that reached the end, (b, k, t) and (b, k), log
        probabilities over the length penalty; -inf: none yet.
    """

    i: jax.Array
    carry: Any
    open_tokens: jax.Array
    open_score: jax.Array
    done_tokens: jax.Array
    done_score: jax.Array


def length_penalty(length, alpha):
    """Computes lp(Y) of Wu et al. 2016, Eq. (14): ((5 + |Y|) / (5 + 1))^alpha."""
    return ((5.0 + length) / 6.0) ** alpha


def beam(
    step: Step,
    carry,
    start: jax.Array,
    *,
    end: int,
    length: int,
    beams: int,
    alpha: float = 0.0,
) -> tuple[jax.Array, jax.Array]:
    """Keeps the k most probable beginnings (Wu et al. 2016, section 7,
    https://arxiv.org/abs/1609.08144, without the coverage penalty).

    A hypothesis Y that has reached its end is worth log P(Y) / lp(Y), its end counted
    in |Y|; so is one that is cut off by `length`. A row stops when no open hypothesis
    can overtake its best finished one.

    Args:
      step: see above; it is asked for b * k rows, those of one example together.
      carry: before the first token, of the b examples.
      start: (b,) int32, what every row begins with.
      end: the token that ends a hypothesis.
      length: t, most tokens of a hypothesis, its end among them.
      beams: k, at least 1.
      alpha: of the length penalty, >= 0; 0 is none, 0.6 to 1 is usual.

    Returns:
      (tokens (b, t) int32, without `start` and with PADDING behind the end;
      what they are worth (b,) float32)
    """

    def bound(state: _Beams):
        # Log probabilities only fall, and the longest penalty shrinks them the most.
        return state.open_score[:, 0] / length_penalty(length, alpha)

    def unfinished(state: _Beams):
        return (state.i < length) & (bound(state) > state.done_score[:, 0]).any()

    def advance(state: _Beams) -> _Beams:
        before = state.open_tokens[:, :, state.i - 1].reshape(-1)
        token = jnp.where(state.i == 0, jnp.repeat(start, beams), before)
        logits, carry = step(token, state.carry)
        return _extended(state, jax.nn.log_softmax(logits), carry, end, alpha)

    none = jnp.full((len(start), beams), -jnp.inf)
    blank = jnp.full((*none.shape, length), PADDING, jnp.int32)
    # All beams of an example start equal: only the first may be extended.
    first = none.at[:, 0].set(0.0)
    state = _Beams(jnp.int32(0), repeat(carry, beams), blank, first, blank, none)
    state = lax.while_loop(unfinished, advance, state)
    done, cut_off = state.done_score[:, 0], bound(state)
    tokens = jnp.where(
        (done >= cut_off)[:, None], state.done_tokens[:, 0], state.open_tokens[:, 0]
    )
    return tokens, jnp.maximum(done, cut_off)


def _extended(state: _Beams, log_p: jax.Array, carry, end: int, alpha) -> _Beams:
    """Extends every beam by every token, log_p (b * k, v), and keeps the best."""
    batch, k = state.open_score.shape
    v = log_p.shape[-1]
    log_p = rearrange(log_p, "(b k) v -> b k v", k=k)
    total = (state.open_score[:, :, None] + log_p).reshape(batch, k * v)
    # One token of each beam ends it, so that at least k of 2 k candidates go on. An end
    # counts among the first k only: one beam is then greedy search.
    score, index = lax.top_k(total, 2 * k)
    origin, token = index // v, (index % v).astype(jnp.int32)
    tokens = jnp.take_along_axis(state.open_tokens, origin[:, :, None], axis=1)
    tokens = tokens.at[:, :, state.i].set(token)
    ends = token == end

    open_score, kept = lax.top_k(jnp.where(ends, -jnp.inf, score), k)
    ends &= (jnp.arange(2 * k) < k)[None]
    done = jnp.where(ends, score / length_penalty(state.i + 1, alpha), -jnp.inf)
    done = jnp.concatenate([state.done_score, done], axis=1)
    done_score, best = lax.top_k(done, k)
    done_tokens = jnp.concatenate([state.done_tokens, tokens], axis=1)
    return _Beams(
        state.i + 1,
        _reorder(carry, jnp.take_along_axis(origin, kept, axis=1)),
        jnp.take_along_axis(tokens, kept[:, :, None], axis=1),
        open_score,
        jnp.take_along_axis(done_tokens, best[:, :, None], axis=1),
        done_score,
    )


def repeat(tree, k: int):
    """Repeats every example k times along the first axis, copies side by side."""
    return jax.tree.map(lambda x: jnp.repeat(x, k, axis=0) if x.ndim else x, tree)


def _reorder(carry, origin: jax.Array):
    """Gives every beam the carry of the beam that it extends; origin (b, k)."""
    batch, k = origin.shape

    def reorder(x):
        if not x.ndim:
            return x
        rows = rearrange(x, "(b k) ... -> b k ...", b=batch, k=k)
        index = origin.reshape(batch, k, *(1,) * (x.ndim - 1))
        return jnp.take_along_axis(rows, index, axis=1).reshape(x.shape)

    return jax.tree.map(reorder, carry)

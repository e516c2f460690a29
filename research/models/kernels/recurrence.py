"""Recurrences over time: what remains of a layer behind the product W x + b.

Axes: t time, b batch, h width of the state, z = x + h U the gates before activation.

The gradient of `lax.scan` adds a product to that of U in every step. On CPU it is one
product of all steps at once, and the derivatives of the gates are computed for all
steps together, spread over the cores; only what depends on the step before stays inside
the loop.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from research.models.kernels import choice


class Cell(NamedTuple):
    """A step behind its product; elementwise, for one step or for all of them.

    Attributes:
      forward: (z, extra, state) -> (next state, kept).
      slopes: (kept, state, next state) -> the derivatives that `tangent` needs.
      tangent: (slopes, dz, dextra, dstate) -> dnext; linear in the last three.
    """

    forward: Callable[..., Any]
    slopes: Callable[..., Any]
    tangent: Callable[..., Any]


def recurrence(kernels: str) -> Callable:
    """Chooses how a cell runs over time.

    Args:
      kernels: "auto" or "native".

    Returns:
      run(cell, x, extra, mask, state, u, reverse=False) -> (outputs, last state).
      x (t, b, g) float32; extra: pytree of (t, b, h) that the cell takes as it is, or
      (); mask (t, b, 1) bool, false where the state stays, or None; state: tuple of
      (b, h) float32, the output first; u (h, g), whose type is that of the product;
      outputs (t, b, h).
    """
    return choice.choose(kernels, _native, _auto)


def _native(cell: Cell, x, extra, mask, state, u, reverse=False):
    (outputs, *_), _, last = _scan(cell, reverse, x, extra, mask, state, u)
    return outputs, last


def _auto(cell: Cell, x, extra, mask, state, u, reverse=False):
    def native(*arrays):
        return _native(cell, *arrays, reverse)

    def on_cpu(*arrays):
        return _one_product(cell, reverse)(*arrays)

    arrays = (x, extra, mask, state, u)
    return lax.platform_dependent(*arrays, cpu=on_cpu, default=native)


def _scan(cell: Cell, reverse: bool, x, extra, mask, state, u):
    """Runs all steps; returns (states, kept), of every step, and the last state."""

    def step(state, inputs):
        x, extra, mask = inputs
        after, kept = cell.forward(x + _product(state[0], u), extra, state)
        after = _where(mask, after, state)
        return after, (after, kept)

    inputs = (x, extra, mask)
    last, (states, kept) = lax.scan(step, state, inputs, reverse=reverse)
    return states, kept, last


def _one_product(cell: Cell, reverse: bool) -> Callable:
    """Makes the form whose gradient reads U's part from all steps at once."""

    @jax.custom_jvp
    def run(x, extra, mask, state, u):
        states, _, last = _scan(cell, reverse, x, extra, mask, state, u)
        return states[0], last

    @run.defjvp
    def run_jvp(primals, tangents):
        x, extra, mask, state, u = primals
        dx, dextra, _, dstate, du = tangents
        states, kept, last = _scan(cell, reverse, x, extra, mask, state, u)
        before = jax.tree.map(lambda s, all: _shifted(s, all, reverse), state, states)
        slopes = lax.optimization_barrier(cell.slopes(kept, before, states))
        # d(h U) = dh U, step by step, + h dU, for all steps at once; transposed, the
        # second is the one product.
        dx = dx + lax.optimization_barrier(_product(before[0], du))

        def step(dstate, inputs):
            slopes, dx, dextra, mask = inputs
            dz = dx + _product(dstate[0], u)
            dafter = cell.tangent(slopes, dz, dextra, dstate)
            dafter = _where(mask, dafter, dstate)
            return dafter, dafter[0]

        inputs = (slopes, dx, dextra, mask)
        dlast, doutputs = lax.scan(step, dstate, inputs, reverse=reverse)
        return (states[0], last), (doutputs, dlast)

    return run


def _product(h, u):
    h = h.astype(u.dtype)
    return jnp.matmul(h, u, preferred_element_type=jnp.float32)


def _where(mask, after, before):
    if mask is None:
        return after
    return jax.tree.map(lambda a, b: jnp.where(mask, a, b), after, before)


def _shifted(first, all_after, reverse: bool):
    """Lists what a step starts from, given what every step ends with."""
    first = first[None]
    if reverse:
        return jnp.concatenate([all_after[1:], first])
    return jnp.concatenate([first, all_after[:-1]])


def _blocks(z, count: int):
    return lax.split(z, (z.shape[-1] // count,) * count, axis=z.ndim - 1)


def _elman(activation: Callable, slope: Callable) -> Cell:
    return Cell(
        forward=lambda z, extra, state: ((activation(z),), ()),
        slopes=lambda kept, before, after: slope(after[0]),
        tangent=lambda slopes, dz, dextra, dstate: (slopes * dz,),
    )


def _lstm(z, extra, state):
    _, c = state
    i, f, g, o = _blocks(z, 4)
    i, f, g, o = jax.nn.sigmoid(i), jax.nn.sigmoid(f), jnp.tanh(g), jax.nn.sigmoid(o)
    c = f * c + i * g
    squashed = jnp.tanh(c)
    return (o * squashed, c), (i, f, g, o, squashed)


def _lstm_slopes(kept, before, after):
    i, f, g, o, squashed = kept
    by_gate = (g * i * (1 - i), before[1] * f * (1 - f), i * (1 - g * g))
    return *by_gate, squashed * o * (1 - o), f, o * (1 - squashed * squashed)


def _lstm_tangent(slopes, dz, dextra, dstate):
    by_i, by_f, by_g, by_o, by_c, out = slopes
    di, df, dg, do = _blocks(dz, 4)
    dc = by_c * dstate[1] + by_i * di + by_f * df + by_g * dg
    return by_o * do + out * dc, dc


def _gru(z, extra, state):
    (h,) = state
    r, u, product = _blocks(z, 3)
    r, u = jax.nn.sigmoid(r), jax.nn.sigmoid(u)
    n = jnp.tanh(extra + r * product)
    return ((1 - u) * n + u * h,), (r, u, n, product)


def _gru_slopes(kept, before, after):
    r, u, n, product = kept
    by_n = (1 - u) * (1 - n * n)
    return (
        by_n * product * r * (1 - r),
        (before[0] - n) * u * (1 - u),
        by_n * r,
        by_n,
        u,
    )


def _gru_tangent(slopes, dz, dextra, dstate):
    by_r, by_u, by_product, by_extra, by_h = slopes
    dr, du, dproduct = _blocks(dz, 3)
    by_z = by_r * dr + by_u * du + by_product * dproduct
    return (by_z + by_extra * dextra + by_h * dstate[0],)


ELMAN_TANH = _elman(jnp.tanh, lambda h: 1 - h * h)
ELMAN_RELU = _elman(jax.nn.relu, lambda h: (h > 0).astype(h.dtype))
LSTM = Cell(_lstm, _lstm_slopes, _lstm_tangent)
GRU = Cell(_gru, _gru_slopes, _gru_tangent)

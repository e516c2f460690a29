"""Recurrent layers against PyTorch's, and both forms of the recurrence.

Tolerance 1e-5, absolute for values of size 1: the order of float32 sums differs.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import layers
from research.models.layers import recurrent

CELLS = {
    "elman": dict(kind="elman"),
    "elman_relu": dict(kind="elman", activation="relu"),
    "lstm": dict(kind="lstm", forget_bias=1.0),
    "lstm_two_biases": dict(kind="lstm", biases=2),
    "gru": dict(kind="gru"),
    "gru_two_biases": dict(kind="gru", biases=2),
    "gru_before": dict(kind="gru", reset="before", biases=2),
}


def _normal(*shape):
    generator = np.random.default_rng(sum(shape))
    return jnp.asarray(generator.normal(size=shape), jnp.float32)


def _stack(cell, widths=(6, 5), **fields):
    kernels = fields.setdefault("kernels", "auto")
    dense = layers.dense(kernels)
    return recurrent.Stack(recurrent.Cell(**cell), widths, dense, **fields)


def _assert_close(ours, theirs, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert a.dtype == b.dtype
        bound = tolerance * (1 + float(jnp.abs(b).max()))
        np.testing.assert_allclose(a, b, rtol=0, atol=bound)


def _mask():
    """Rows of 7 steps: all real, padded behind, padded in front, nothing real."""
    return jnp.asarray([[1] * 7, [1] * 4 + [0] * 3, [0] * 2 + [1] * 5, [0] * 7], bool)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_the_quick_form_equals_the_scan_in_value_and_gradient(name, masked):
    x, mask = _normal(4, 7, 3), _mask() if masked else None
    carry = jax.tree.map(
        lambda s: _normal(*s.shape) / 2, _stack(CELLS[name]).initial_carry(4)
    )

    def value_and_gradients(kernels):
        stack = _stack(CELLS[name], kernels=kernels)
        params = stack.init(jax.random.key(0), x, carry, mask, train=False)

        def loss(params, x, carry):
            y, last = stack.apply(params, x, carry, mask, train=False)
            return sum(jnp.sum(jnp.cos(a + 1)) for a in jax.tree.leaves((y, last))), y

        gradient = jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)
        return jax.jit(gradient)(params, x, carry)

    _assert_close(value_and_gradients("auto"), value_and_gradients("native"))


@pytest.mark.parametrize("name", ["elman", "lstm", "gru"])
def test_the_quick_form_runs_backwards_and_has_forward_mode(name):
    x, stack = _normal(2, 5, 3), _stack(CELLS[name], widths=(4,), bidirectional=True)
    params = stack.init(jax.random.key(0), x, train=False)

    def tangent(kernels):
        twin = _stack(CELLS[name], widths=(4,), bidirectional=True, kernels=kernels)

        def run(params, x):
            return twin.apply(params, x, train=False)

        moved = jax.tree.map(jnp.ones_like, (params, x))
        return jax.jvp(run, (params, x), moved)

    _assert_close(tangent("auto"), tangent("native"))

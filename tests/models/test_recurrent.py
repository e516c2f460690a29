"""Recurrent layers against PyTorch's, and both forms of the recurrence.

Tolerance 1e-5, absolute for values of size 1: the order of float32 sums differs.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import layers
from research.models.layers import recurrent

CELLS = {
    "elman": dict(kind="elman"),
    "elman_relu": dict(kind="elman", activation="relu"),
    "lstm": dict(kind="lstm", forget_bias=1.0, biases=2),
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


def _init(stack, *inputs):
    init = jax.jit(functools.partial(stack.init, train=False))
    return init(jax.random.key(0), *inputs)


def _run(stack, variables, *inputs, train=False, seed=0):
    def run(variables, *inputs):
        rngs = {"dropout": jax.random.key(seed)}
        return stack.apply(variables, *inputs, train=train, rngs=rngs)

    return jax.jit(run)(variables, *inputs)


def _assert_close(ours, theirs, tolerance=1e-5):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert a.dtype == b.dtype
        bound = tolerance * (1 + float(jnp.abs(b).max()))
        np.testing.assert_allclose(a, b, rtol=0, atol=bound)


def _mask():
    """Rows of 7 steps: all real, padded behind, padded in front, nothing real."""
    return jnp.asarray([[1] * 7, [1] * 4 + [0] * 3, [0] * 2 + [1] * 5, [0] * 7], bool)


@pytest.mark.parametrize(
    ("name", "masked"),
    [
        *(("lstm", False), ("lstm", True), ("gru", True)),
        *(
            pytest.param(name, True, marks=pytest.mark.slow)
            for name in CELLS
            if name not in ("lstm", "gru")
        ),
    ],
)
def test_the_quick_form_equals_the_scan_in_value_and_gradient(name, masked):
    x, mask = _normal(4, 7, 3), _mask() if masked else None
    stack = _stack(CELLS[name])
    zeros = recurrent.zeros(stack.cell, stack.widths, 4, stack.bidirectional)
    carry = jax.tree.map(lambda s: _normal(*s.shape) / 2, zeros)

    def value_and_gradients(kernels):
        stack = _stack(CELLS[name], kernels=kernels)
        params = _init(stack, x, carry, mask)

        def loss(params, x, carry):
            y, last = stack.apply(params, x, carry, mask, train=False)
            return sum(jnp.sum(jnp.cos(a + 1)) for a in jax.tree.leaves((y, last))), y

        gradient = jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)
        return jax.jit(gradient)(params, x, carry)

    _assert_close(value_and_gradients("auto"), value_and_gradients("native"))


@pytest.mark.parametrize(
    "name",
    ["lstm", *(pytest.param(n, marks=pytest.mark.slow) for n in CELLS if n != "lstm")],
)
def test_the_quick_form_runs_backwards_and_has_forward_mode(name):
    x, stack = _normal(2, 5, 3), _stack(CELLS[name], widths=(4,), bidirectional=True)
    params = _init(stack, x)

    def tangent(kernels):
        twin = _stack(CELLS[name], widths=(4,), bidirectional=True, kernels=kernels)

        def run(params, x):
            return twin.apply(params, x, train=False)

        moved = jax.tree.map(jnp.ones_like, (params, x))
        return jax.jvp(run, (params, x), moved)

    _assert_close(tangent("auto"), tangent("native"))


def _sigma(a):
    return 1 / (1 + np.exp(-a))


def _numpy_layer(cell, params, x, mask):
    """Runs one layer over one sequence x (t, d), by the equations as printed."""
    w, b = params["input"]["kernel"], params["input"]["bias"]
    u, second = params["recurrent_kernel"], params.get("recurrent_bias", 0 * b)
    h = c = np.zeros(u.shape[0])
    outputs = []
    for x_t, real in zip(x, mask, strict=True):
        if real:
            n = u.shape[0]
            if cell.kind == "elman":
                z = x_t @ w + b + h @ u + second
                h = np.maximum(z, 0) if cell.activation == "relu" else np.tanh(z)
            elif cell.kind == "lstm":
                i, f, g, o = np.split(x_t @ w + b + h @ u + second, 4)
                c = _sigma(f) * c + _sigma(i) * np.tanh(g)
                h = _sigma(o) * np.tanh(c)
            else:
                z = x_t @ w + b
                gates = z[: 2 * n] + h @ u[:, : 2 * n] + second[: 2 * n]
                r, update = np.split(_sigma(gates), 2)
                product, last = u[:, 2 * n :], second[2 * n :]
                if cell.reset == "after":
                    new = np.tanh(z[2 * n :] + r * (h @ product + last))
                else:
                    new = np.tanh(z[2 * n :] + (r * h) @ product + last)
                h = (1 - update) * new + update * h
        outputs.append(h if real else 0 * h)
    return np.stack(outputs), h


@pytest.mark.parametrize("name", CELLS)
def test_a_bidirectional_stack_equals_the_equations(name):
    x, mask = _normal(4, 7, 3), _mask()
    stack = _stack(CELLS[name], bidirectional=True, kernels="native")
    variables = _init(stack, x, None, mask)
    y, carry = _run(stack, variables, x, None, mask)
    params = jax.tree.map(lambda a: np.asarray(a, np.float64), variables["params"])
    for row in range(4):
        sequence, ends = np.asarray(x[row], np.float64), []
        for i in (1, 2):
            forth, end = _numpy_layer(
                stack.cell, params[f"layer{i}"], sequence, mask[row]
            )
            back, start = _numpy_layer(
                stack.cell, params[f"layer{i}_reverse"], sequence[::-1], mask[row, ::-1]
            )
            sequence = np.concatenate([forth, back[::-1]], axis=-1)
            ends += [end, start]
        np.testing.assert_allclose(y[row], sequence, rtol=0, atol=1e-5)
        for (h, *_), end in zip(carry, ends, strict=True):
            np.testing.assert_allclose(h[row], end, rtol=0, atol=1e-5)


def test_a_sequence_may_be_read_in_pieces():
    x, stack = _normal(2, 6, 3), _stack(CELLS["lstm"])
    variables = _init(stack, x)
    whole, end = _run(stack, variables, x)
    first, carry = _run(stack, variables, x[:, :4])
    second, carry = _run(stack, variables, x[:, 4:], carry)
    _assert_close(jnp.concatenate([first, second], axis=1), whole)
    _assert_close(carry, end)


def test_half_precision_keeps_states_in_full():
    x = _normal(2, 5, 3)
    dense = layers.dense("auto", dtype=jnp.bfloat16)
    stack = recurrent.Stack(recurrent.Cell(), (8, 8), dense)
    variables = _init(stack, x.astype(jnp.bfloat16))

    def loss(params):
        y, carry = stack.apply(params, x.astype(jnp.bfloat16), train=False)
        assert y.dtype == jnp.bfloat16
        assert {leaf.dtype for leaf in jax.tree.leaves(carry)} == {jnp.dtype("float32")}
        return jnp.sum(y.astype(jnp.float32)), y

    gradient, y = jax.jit(jax.grad(loss, has_aux=True))(variables)
    assert {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {jnp.dtype("float32")}
    full = recurrent.Stack(recurrent.Cell(), (8, 8), layers.dense("auto"))
    there, _ = _run(full, variables, x)
    np.testing.assert_allclose(y.astype(jnp.float32), there, rtol=0, atol=0.02)


def test_what_is_dropped_stays_dropped_over_time():
    """With one draw per sequence, a unit between the layers is there or is not."""
    x = jnp.ones((3, 9, 4))
    fields = dict(widths=(64, 2), dropout=0.5)
    varied = {}
    for variational in (False, True):
        stack = _stack(CELLS["elman"], variational=variational, **fields)
        variables = _init(stack, x)
        # The second layer passes on its input's sum: W = 1, U = 0.
        second = jax.tree.map(jnp.zeros_like, variables["params"]["layer2"])
        second["input"]["kernel"] += 1e-3
        params = {**variables["params"], "layer2": second}
        y, _ = _run(stack, {"params": params}, x, train=True)
        # The first layer settles within a few steps.
        varied[variational] = float(jnp.abs(y[:, -1] - y[:, -2]).max())
    assert varied[True] < 1e-4 < varied[False]


def test_weight_drop_leaves_out_recurrent_weights():
    x = jnp.ones((1, 40, 3))
    stack = _stack(CELLS["elman"], widths=(6,), weight_drop=0.5)
    variables = _init(stack, x)

    def run(train, seed):
        return _run(stack, variables, x, train=train, seed=seed)[0]

    assert jnp.array_equal(run(False, 0), run(False, 1))
    assert not jnp.array_equal(run(True, 0), run(True, 1))
    # At the first step U meets zeros, so that nothing of it can be missing.
    _assert_close(run(True, 0)[:, 0], run(False, 0)[:, 0])


@pytest.mark.slow
def test_initial_values():
    x = jnp.zeros((1, 2, 30))
    cell = dict(kind="lstm", forget_bias=1.0)

    def parameters(**fields):
        stack = _stack(cell | fields, widths=(25,))
        variables = _init(stack, x)
        return variables["params"]["layer1"]

    drawn = parameters()
    for leaf in (drawn["input"]["kernel"], drawn["recurrent_kernel"]):
        assert 0.19 < float(jnp.abs(leaf).max()) <= 0.2  # 1 / sqrt(25)
    forget = drawn["input"]["bias"].reshape(4, 25)
    assert float(jnp.abs(forget[jnp.asarray([0, 2, 3])]).max()) <= 0.2
    assert 0.8 <= float(forget[1].min()) and float(forget[1].max()) <= 1.2
    narrow = parameters(init_range=0.05, forget_bias=0.0)
    assert max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(narrow)) <= 0.05
    turned = parameters(init="orthogonal")
    for block in jnp.split(turned["recurrent_kernel"], 4, axis=1):
        _assert_close(block.T @ block, jnp.eye(25))


def test_the_scan_is_native_on_other_platforms():
    x = _normal(2, 5, 3)

    def text(kernels):
        stack = _stack(CELLS["lstm"], kernels=kernels)
        variables = _init(stack, x)

        def loss(params):
            return jnp.sum(stack.apply(params, x, train=False)[0])

        traced = jax.jit(jax.grad(loss)).trace(variables)
        return traced.lower(lowering_platforms=("cuda",)).as_text()

    assert text("auto").count("dot_general") == text("native").count("dot_general")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            dict(kind="lstn"),
            "unknown cell 'lstn'; did you mean 'lstm'? use one of elman, lstm, gru",
        ),
        (dict(biases=3), "biases must be 0, 1 or 2, got 3; PyTorch's cells have 2"),
    ],
)
def test_a_wrong_cell_is_one_sentence(fields, message):
    with pytest.raises(ValueError) as error:
        recurrent.Cell(**fields)
    assert str(error.value) == message

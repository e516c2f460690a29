"""Normalisation, gelu and attention equal the operations that they replace.

Tolerance 1e-5 of the largest value: the order of float32 sums differs.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import kernels, layers


def _normal(*shape):
    generator = np.random.default_rng(sum(shape))
    return jnp.asarray(generator.normal(size=shape), jnp.float32)


def _assert_close(ours, theirs):
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * (1 + jnp.abs(b).max()))


def _norm(mode, **fields):
    make = layers.batch_norm(mode, momentum=0.9, epsilon=1e-5, **fields)
    return make(scale_init=nn.initializers.constant(0.5))


def _moved_variables(channels):
    return {
        "params": {"scale": 1 + _normal(channels) / 4, "bias": _normal(channels)},
        "batch_stats": {
            "mean": _normal(channels) / 2,
            "var": 1 + _normal(channels) ** 2,
        },
    }


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("shape", [(4, 6, 5, 8), (7, 8)])
def test_batch_norm_equals_flax(running, shape):
    x, variables = 3 + 2 * _normal(*shape), _moved_variables(shape[-1])

    def value_and_gradients(mode):
        def loss(params, x):
            y, moved = _norm(mode).apply(
                {**variables, "params": params},
                x,
                use_running_average=running,
                mutable=["batch_stats"],
            )
            return jnp.sum(jnp.cos(y)), (y, moved)

        gradient = jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
        return jax.jit(gradient)(variables["params"], x)

    _assert_close(value_and_gradients("auto"), value_and_gradients("native"))


@pytest.mark.parametrize("x_dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("dtype", [None, jnp.float32, jnp.bfloat16])
def test_batch_norm_has_the_tree_and_dtypes_of_flax(x_dtype, dtype):
    x = _normal(2, 4, 4, 8).astype(x_dtype)

    def run(mode):
        norm = _norm(mode, dtype=dtype, use_running_average=False)
        variables = norm.init(jax.random.key(0), x)
        return variables, norm.apply(variables, x, mutable=["batch_stats"])

    for a, b in zip(*map(jax.tree.leaves, (run("auto"), run("native"))), strict=True):
        assert a.dtype == b.dtype
        tolerance = 1e-5 if a.dtype == jnp.float32 == x.dtype else 0.04
        np.testing.assert_allclose(
            a.astype(jnp.float32), b.astype(jnp.float32), rtol=0, atol=tolerance
        )


def test_batch_norm_with_a_mask_is_that_of_flax():
    x, mask = _normal(4, 3, 3, 2), jnp.arange(4)[:, None, None, None] < 3
    variables = _moved_variables(2)

    def run(mode):
        norm = _norm(mode, use_running_average=False)
        return norm.apply(variables, x, mask=mask, mutable=["batch_stats"])

    _assert_close(run("auto"), run("native"))


def test_gelu_equals_jax():
    x = jnp.linspace(-6, 6, 1001)
    auto, native = kernels.gelu("auto"), kernels.gelu("native")
    _assert_close(auto(x), native(x))
    _assert_close(jax.vmap(jax.grad(auto))(x), jax.vmap(jax.grad(native))(x))
    half = x.astype("bfloat16")
    np.testing.assert_allclose(
        auto(half).astype(jnp.float32), native(x), rtol=0.02, atol=0.01
    )
    assert auto(half).dtype == jnp.bfloat16


@pytest.mark.parametrize("queries", [7, 1])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [pytest.param(False, marks=pytest.mark.slow), True])
def test_attention_equals_jax(causal, masked, queries):
    q, k = _normal(2, 7, 3, 8)[:, :queries], _normal(2, 9, 3, 8)
    v, mask = k[::-1], None
    if masked:
        mask = jnp.asarray(np.random.default_rng(0).random((2, 1, queries, 9)) < 0.6)
        mask = mask.at[..., 0].set(True)

    def run(mode):
        attend = partial(layers.attention(mode), mask=mask, causal=causal)
        y, pull = jax.vjp(attend, q, k, v)
        return y, pull(jnp.cos(y))

    _assert_close(run("auto"), run("native"))
    assert run("auto")[0].shape == q.shape


def test_attention_keeps_bfloat16_and_forward_mode():
    q = _normal(1, 5, 2, 4)
    half = q.astype("bfloat16")
    assert kernels.attention("auto")(half, half, half).dtype == jnp.bfloat16

    def tangent(mode):
        return jax.jvp(lambda q: kernels.attention(mode)(q, q, q), (q,), (q,))

    _assert_close(tangent("auto"), tangent("native"))


@pytest.mark.parametrize("queries", [1, pytest.param(24, marks=pytest.mark.slow)])
def test_attention_in_bfloat16_rounds_no_more_than_jax(queries):
    """Scores stay float32: rounded, they double the mean error, 0.3 % of a value."""
    q, k, v = (3 * _normal(2, t, 4, 48).astype("bfloat16") for t in (queries, 64, 65))
    v = v[:, :64]
    exact = layers.attention("native")(*(a.astype("float32") for a in (q, k, v)))

    def error(mode):
        y, pull = jax.vjp(layers.attention(mode), q, k, v)
        assert {y.dtype, *(a.dtype for a in pull(y))} == {jnp.dtype("bfloat16")}
        return jnp.abs(y.astype("float32") - exact).mean()

    assert 0 < error("auto") <= 1.1 * error("native")


def test_attention_in_bfloat16_multiplies_so_on_other_platforms():
    q = _normal(1, 5, 2, 4).astype("bfloat16")

    def loss(q):
        dropout = (jax.random.key(0), 0.1)
        return layers.attention("auto")(q, q, q, dropout=dropout).sum()

    traced = jax.jit(jax.grad(loss)).trace(q)
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    products = [line for line in text.splitlines() if "stablehlo.dot_general" in line]
    assert len(products) == 5
    for line in products:
        operands = line.rpartition(" : (")[2].partition(" -> ")[0]
        assert "xf32" not in operands or "rhs_precision_type = bf16" in line


def test_attention_is_one_native_call_on_other_platforms():
    q = _normal(1, 5, 2, 4)

    def text(mode):
        attend = kernels.attention(mode)
        traced = jax.jit(lambda q: attend(q, q, q)).trace(q)
        return traced.lower(lowering_platforms=("cuda",)).as_text()

    assert text("auto").count("dot_general") == text("native").count("dot_general")
    assert "optimization_barrier" not in text("auto")

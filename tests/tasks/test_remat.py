"""Rematerialisation: equal results, and less memory in the order of the program."""

import math

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend import core

from research.tasks import remat

DEPTH, WIDTH, BATCH = 16, 32, 256


class Deep(nn.Module):
    """Residual blocks with batch norm and dropout: state, randomness, skips."""

    @nn.compact
    def __call__(self, x):
        for _ in range(DEPTH):
            y = nn.BatchNorm(use_running_average=False)(nn.Dense(WIDTH)(x))
            y = nn.Dropout(0.1, deterministic=False)(nn.gelu(y, approximate=False))
            x = x + jnp.tanh(y)
        return nn.Dense(10)(x)


def _loss_and_args():
    model, x = Deep(), jax.random.normal(jax.random.key(1), (BATCH, WIDTH))
    keys = {"params": jax.random.key(0), "dropout": jax.random.key(2)}
    variables = model.init(keys, x)

    def loss(params, statistics, x, key):
        out, changed = model.apply(
            {"params": params, "batch_stats": statistics},
            x,
            mutable=["batch_stats"],
            rngs={"dropout": key},
        )
        return (out**2).mean(), changed["batch_stats"]

    return loss, (variables["params"], variables["batch_stats"], x, keys["dropout"])


def _peak_bytes(jaxpr) -> int:
    """Simulates running a jaxpr in order: the most bytes alive at once."""

    def size(variable):
        item = getattr(variable.aval.dtype, "itemsize", 0)
        return math.prod(variable.aval.shape) * item

    last = {}
    for number, equation in enumerate(jaxpr.eqns):
        last |= {v: number for v in equation.invars if not isinstance(v, core.Literal)}
    outputs = {v for v in jaxpr.outvars if not isinstance(v, core.Literal)}
    alive = {v: size(v) for v in jaxpr.invars}
    peak = sum(alive.values())
    for number, equation in enumerate(jaxpr.eqns):
        inner = equation.params.get("jaxpr")
        if inner is not None and hasattr(inner, "eqns") or hasattr(inner, "jaxpr"):
            inner = getattr(inner, "jaxpr", inner)
            here = sum(map(size, inner.invars))
            peak = max(peak, sum(alive.values()) - here + _peak_bytes(inner))
        alive |= {v: size(v) for v in equation.outvars}
        peak = max(peak, sum(alive.values()))
        for v in [v for v in alive if last.get(v, -1) <= number and v not in outputs]:
            del alive[v]
    return peak


@pytest.mark.parametrize("name", ["full", pytest.param("dots", marks=pytest.mark.slow)])
def test_values_gradients_and_state_are_equal(name):
    loss, args = _loss_and_args()
    plain = jax.jit(jax.value_and_grad(loss, has_aux=True))(*args)
    again = remat.segmented(loss, remat.POLICIES[name])
    tight = jax.jit(jax.value_and_grad(again, has_aux=True))(*args)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        plain,
        tight,
    )


@pytest.mark.slow
def test_full_needs_less_memory_than_dots_and_dots_less_than_none():
    loss, args = _loss_and_args()
    peak, products = {}, {}
    for name, policy in remat.POLICIES.items():
        function = remat.segmented(loss, policy) if policy else loss
        jaxpr = jax.make_jaxpr(jax.grad(function, has_aux=True))(*args).jaxpr
        peak[name] = _peak_bytes(jaxpr)
        products[name] = str(jaxpr).count("dot_general[")
    assert peak["full"] < peak["dots"] < peak["none"]
    assert peak["full"] < peak["none"] / 2
    assert products["none"] == products["dots"] < products["full"]


def test_checkpointing_a_whole_loss_would_save_nothing():
    loss, args = _loss_and_args()
    whole = jax.checkpoint(loss, policy=remat.POLICIES["full"])
    none, kept = (
        _peak_bytes(jax.make_jaxpr(jax.grad(f, has_aux=True))(*args).jaxpr)
        for f in (loss, whole)
    )
    assert kept > 0.9 * none


def test_integers_keys_and_unused_arguments_pass_through():
    def function(x, labels, key, unused):
        noise = jax.random.normal(key, x.shape)
        return ((x + noise) @ x.T)[labels].sum(), (labels, 3.0)

    args = (jnp.ones((3, 3)), jnp.array([0, 2]), jax.random.key(0), jnp.zeros(2))
    tight = remat.segmented(function, remat.POLICIES["full"])
    plain = jax.value_and_grad(function, has_aux=True)(*args)
    jax.tree.map(
        np.testing.assert_array_equal,
        plain,
        jax.value_and_grad(tight, has_aux=True)(*args),
    )

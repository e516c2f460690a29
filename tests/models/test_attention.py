"""Multi-head attention against an independent one in numpy, and its masks and caches.

Tolerance 1e-5 of the largest value: the order of float32 sums differs.
"""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import layers

WIDTH, HEADS, TIME = 16, 4, 6


def _normal(*shape, seed=0):
    generator = np.random.default_rng(seed)
    return jnp.asarray(generator.normal(size=shape), jnp.float32)


def _attention(**fields):
    kernels = fields.get("kernels", "auto")
    dense = layers.dense(kernels, bias_init=nn.initializers.normal(0.1))
    return layers.Attention(WIDTH, HEADS, dense=dense, **fields)


def _assert_close(ours, theirs):
    np.testing.assert_allclose(
        ours, theirs, rtol=0, atol=1e-5 * (1 + np.abs(theirs).max())
    )


def _reference(params, x, memory=None, *, mask):
    """Attention of one head of one query after another; mask (b, t, s)."""
    params = jax.tree.map(np.asarray, params)

    def project(name, x):
        return np.asarray(x) @ params[name]["kernel"] + params[name]["bias"]

    size = WIDTH // HEADS
    if memory is None:
        q, k, v = np.split(project("qkv", x), 3, axis=-1)
    else:
        q = project("query", x)
        k, v = np.split(project("key_value", memory), 2, axis=-1)
    y = np.zeros(q.shape, np.float32)
    for b, t, h in np.ndindex(*q.shape[:2], HEADS):
        part = slice(h * size, (h + 1) * size)
        seen = [s for s in range(k.shape[1]) if mask[b, t, s]]
        if not seen:
            continue
        p = np.exp(k[b, seen, part] @ q[b, t, part] / np.sqrt(size))
        y[b, t, part] = (p / p.sum()) @ v[b, seen, part]
    return project("out", y)


@pytest.mark.parametrize("kernels", ["auto", "native"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [None, "keys", "pairs"])
def test_self_attention_equals_numpy(kernels, causal, masked):
    module = _attention(kernels=kernels, causal=causal)
    x = _normal(2, TIME, WIDTH)
    variables = module.init(jax.random.key(0), x, train=False)
    seen, mask = np.ones((2, TIME, TIME), bool), None
    if masked == "keys":
        mask = np.ones((2, TIME), bool)
        mask[1, :3] = False
        seen &= mask[:, None]
    elif masked == "pairs":
        mask = np.random.default_rng(0).random((2, TIME, TIME)) < 0.5
        mask[0, 2] = False
        seen &= mask
    if causal:
        seen &= np.tri(TIME, dtype=bool)
    run = jax.jit(partial(module.apply, train=False))
    y = run(variables, x, mask=mask)
    _assert_close(y, _reference(variables["params"], x, mask=seen))


@pytest.mark.parametrize("kernels", ["auto", "native"])
def test_cross_attention_equals_numpy_and_remembers(kernels):
    module = _attention(kernels=kernels)
    x, memory = _normal(2, 3, WIDTH), _normal(2, 5, 7, seed=1)
    mask = np.ones((2, 5), bool)
    mask[0, 2:] = mask[1] = False  # the second row has no memory at all
    variables = module.init(jax.random.key(0), x, memory, train=False)
    assert set(variables["params"]) == {"query", "key_value", "out"}
    keys = jnp.asarray(mask)
    y = module.apply(variables, x, memory, mask=keys, train=False)
    seen = np.broadcast_to(mask[:, None], (2, 3, 5))
    _assert_close(y, _reference(variables["params"], x, memory, mask=seen))
    kept = module.apply(variables, memory, method="remember")
    again = module.apply(variables, x, kept, mask=keys, train=False)
    np.testing.assert_array_equal(again, y)


@pytest.mark.parametrize("kernels", ["auto", "native"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_sees_nothing_is_zero_and_has_finite_gradients(kernels, dtype):
    dense = layers.dense(kernels, dtype=jnp.dtype(dtype), use_bias=False)
    module = layers.Attention(WIDTH, HEADS, dense=dense, causal=True, kernels=kernels)
    x = _normal(2, TIME, WIDTH).astype(dtype)
    mask = jnp.arange(TIME)[None] >= jnp.asarray([[2], [TIME]])
    variables = module.init(jax.random.key(0), x, train=False)

    def loss(variables, x):
        y = module.apply(variables, x, mask=mask, train=False)
        return jnp.sum(y.astype(jnp.float32) ** 2), y

    gradient = jax.grad(loss, argnums=(0, 1), has_aux=True)
    gradients, y = jax.jit(gradient)(variables, x)
    assert y.dtype == jnp.dtype(dtype)
    assert not np.any(y[0, :2]) and not np.any(y[1]) and np.all(y[0, 2] != 0)
    for leaf in jax.tree.leaves(gradients):
        assert np.isfinite(np.asarray(leaf, np.float32)).all()


@pytest.mark.slow
def test_a_cache_gives_what_the_whole_gives():
    """Prompts of 4 and 2 tokens, padded on the left, then two steps."""
    module = _attention(causal=True)
    x = _normal(2, TIME, WIDTH)
    variables = module.init(jax.random.key(0), x, train=False)
    mask = jnp.asarray([[True] * 6, [False] * 2 + [True] * 4])
    whole = module.apply(variables, x, mask=mask, train=False)
    alone = module.apply(variables, x[1:, 2:], train=False)
    _assert_close(whole[1:, 2:], alone)  # padding changes nothing

    step = jax.jit(partial(module.apply, train=False))
    cache = layers.empty_cache(2, 8, HEADS, WIDTH // HEADS)
    y, cache = step(variables, x[:, :4], mask=mask[:, :4], cache=cache)
    _assert_close(y, whole[:, :4])
    for t in (4, 5):
        y, cache = step(variables, x[:, t : t + 1], cache=cache)
        _assert_close(y, whole[:, t : t + 1])
    assert cache.filled.tolist() == [6, 6]
    assert cache.mask.sum(axis=1).tolist() == [6, 4]


def test_positions_count_real_tokens():
    mask = jnp.asarray([[False, True, True], [True, True, True]])
    assert layers.token_positions(2, 3).tolist() == [[0, 1, 2]] * 2
    assert layers.token_positions(2, 3, mask).tolist() == [[0, 0, 1], [0, 1, 2]]
    cache = layers.empty_cache(2, 5, 1, 2)
    cache = cache._replace(mask=cache.mask.at[:, :3].set(mask))
    found = layers.token_positions(2, 1, None, cache)
    assert found.tolist() == [[2], [3]]


@pytest.mark.parametrize("kernels", ["auto", "native"])
def test_dropout_drops_probabilities_and_keeps_their_mean(kernels):
    attend = layers.attention(kernels)
    q, k = _normal(1, 3, 2, 4), _normal(1, 5, 2, 4)
    v = jnp.ones((1, 5, 2, 4))

    @jax.jit
    @jax.vmap
    def run(key):
        return attend(q, k, v, dropout=(key, 0.3))

    y = run(jax.random.split(jax.random.key(0), 4000))
    assert float(jnp.std(y)) > 0.1
    np.testing.assert_allclose(jnp.mean(y, axis=0), 1.0, atol=0.05)

    module = _attention(dropout=jnp.float32(0.5), kernels=kernels)
    x, rngs = _normal(2, TIME, WIDTH), {"dropout": jax.random.key(1)}
    variables = module.init(jax.random.key(0), x, train=False)
    quiet = module.apply(variables, x, train=False)
    once, again = (module.apply(variables, x, train=True, rngs=rngs) for _ in "12")
    np.testing.assert_array_equal(once, again)
    assert not np.allclose(once, quiet)


@pytest.mark.parametrize(
    ("causal", "masked"),
    [
        (True, True),
        pytest.param(False, False, marks=pytest.mark.slow),
        pytest.param(False, True, marks=pytest.mark.slow),
        pytest.param(True, False, marks=pytest.mark.slow),
    ],
)
def test_long_sequences_in_blocks_equal_the_whole(causal, masked):
    q, k, v = (_normal(1, 1100, 2, 4, seed=i) for i in range(3))
    k, v = k[:, :, :1], v[:, :, :1]
    mask = _normal(1, 1, 1, 1100, seed=4) > -1 if masked else None

    def run(kernels):
        attend = partial(layers.attention(kernels), causal=causal)
        y, pull = jax.vjp(lambda q, k, v: attend(q, k, v, mask=mask), q, k, v)
        return y, pull(jnp.cos(y))

    for a, b in zip(*map(jax.tree.leaves, (run("auto"), run("native"))), strict=True):
        _assert_close(a, b)


def test_the_memory_of_4096_tokens_is_bounded():
    q = jax.ShapeDtypeStruct((1, 4096, 2, 8), jnp.float32)

    def temporaries(kernels):
        attend = partial(layers.attention(kernels), causal=True)
        gradient = jax.grad(lambda *qkv: jnp.sum(attend(*qkv) ** 2), argnums=(0, 1, 2))
        compiled = jax.jit(gradient).lower(q, q, q).compile()
        return compiled.memory_analysis().temp_size_in_bytes

    assert temporaries("auto") < temporaries("native") / 6


@pytest.mark.slow
def test_dropout_of_long_sequences_keeps_the_mean():
    attend = partial(layers.attention("auto"), causal=True)
    q, k = _normal(1, 1100, 1, 2), _normal(1, 1100, 1, 2, seed=1)
    y = attend(q, k, jnp.ones_like(k), dropout=(jax.random.key(0), 0.5))
    assert 0.02 < float(jnp.std(y[0, 600:])) < 0.2
    np.testing.assert_allclose(jnp.mean(y), 1, atol=0.05)


def test_impossible_heads_are_refused():
    module = layers.Attention(12, 5, dense=layers.dense("auto"))
    with pytest.raises(ValueError) as error:
        module.init(jax.random.key(0), _normal(1, 2, 12), train=False)
    assert str(error.value) == (
        "attention heads=5 must divide width=12; choose another number of heads"
    )

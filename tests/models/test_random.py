"""The written out Threefry draws what JAX's own does, bit for bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import kernels

DRAWS = {
    "bernoulli": lambda key: jax.random.bernoulli(key, 0.3, (37, 5)),
    "normal": lambda key: jax.random.normal(jax.random.fold_in(key, 7), (5, 7, 3)),
    "permutation": lambda key: jax.random.permutation(key, 100),
    "split": lambda key: jax.random.uniform(jax.random.split(key, 3)[1], (2,)),
    "scalar": lambda key: jax.random.gumbel(key, ()),
    "empty": lambda key: jax.random.normal(key, (0, 3)),
    "bytes": lambda key: jax.random.bits(key, (9,), jnp.uint8),
    "bfloat16": lambda key: jax.random.normal(key, (9,), jnp.bfloat16),
}


@pytest.mark.parametrize("name", DRAWS)
def test_draws_are_those_of_jax(name):
    draw = DRAWS[name]
    for seed in (0, 2**31 + 5):
        expected = np.asarray(draw(jax.random.key(seed)), np.float32)
        reached = np.asarray(jax.jit(draw)(kernels.key(seed)), np.float32)
        np.testing.assert_array_equal(reached, expected)


def test_draws_of_many_keys_are_those_of_each():
    draw = jax.vmap(DRAWS["normal"])
    expected = draw(jax.random.split(jax.random.key(3), 4))
    reached = draw(jax.random.split(kernels.key(3), 4))
    np.testing.assert_array_equal(reached, expected)


def test_the_seed_may_be_traced():
    reached = jax.jit(lambda seed: DRAWS["normal"](kernels.key(seed)))(jnp.uint32(9))
    np.testing.assert_array_equal(reached, DRAWS["normal"](jax.random.key(9)))

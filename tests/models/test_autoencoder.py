"""Autoencoders against numpy; sides that halve to fractions, and windows of series."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import autoencoder


def _made(model, shape, seed=0):
    x = jnp.asarray(np.random.default_rng(seed).normal(size=(3, *shape)), jnp.float32)
    init = jax.jit(functools.partial(model.init, train=False))
    return x, init(jax.random.key(0), x)


def test_the_dense_net_equals_numpy():
    model = autoencoder.build(
        "32", hidden=(12, 7), code=5, activation="tanh", code_activation="relu"
    )
    x, variables = _made(model, (4, 5, 1))
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables)
    encoder, decoder = params["params"]["encoder"], params["params"]["decoder"]

    def dense(a, layer):
        return a @ layer["kernel"] + layer["bias"]

    a = np.tanh(dense(np.asarray(x).reshape(3, 20), encoder["hidden_0"]))
    a = np.tanh(dense(a, encoder["hidden_1"]))
    code = np.maximum(dense(a, encoder["code"]), 0)
    a = np.tanh(dense(code, decoder["hidden_0"]))
    a = np.tanh(dense(a, decoder["hidden_1"]))
    expected = dense(a, decoder["output"]).reshape(3, 4, 5, 1)
    reached = model.apply(variables, x, train=False)
    np.testing.assert_allclose(reached, expected, atol=1e-5)
    encoded = model.apply(variables, x, train=False, method="encode")
    np.testing.assert_allclose(encoded, code, atol=1e-5)


@pytest.mark.parametrize("shape", [(28, 28, 1), (7, 5, 3), (1, 1, 1), (37, 2)], ids=str)
def test_the_convolutional_net_gives_back_any_shape(shape):
    model = autoencoder.build("debug", channels=(4, 6), hidden=())
    x, variables = _made(model, shape)

    @jax.jit
    def both(variables, x):
        code = model.apply(variables, x, train=False, method="encode")
        back = model.apply(variables, code, shape, train=False, method="decode")
        return code, back, model.apply(variables, x, train=False)

    code, back, whole = both(variables, x)
    assert code.shape == (3, 16) and whole.shape == x.shape
    np.testing.assert_array_equal(back, whole)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            dict(activation="rleu"),
            "unknown activation 'rleu'; did you mean 'relu'? use one of linear, relu, "
            "leaky_relu, tanh, sigmoid",
        ),
        (
            dict(code=0),
            "autoencoder code=0 must be at least 1; choose the size of the code",
        ),
    ],
)
def test_a_bad_field_is_one_sentence(fields, message):
    with pytest.raises(ValueError) as error:
        autoencoder.build("debug", **fields)
    assert str(error.value) == message

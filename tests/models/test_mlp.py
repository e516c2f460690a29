"""The multilayer perceptron against a few lines of numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import mlp


def _images(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def _numpy_mlp(params, x, activation):
    params = jax.tree.map(lambda a: np.asarray(a, np.float64), params)
    x = np.asarray(x, np.float64).reshape(len(x), -1)
    for name in sorted(n for n in params if n.startswith("hidden_")):
        x = activation(x @ params[name]["kernel"] + params[name]["bias"])
    return x @ params["head"]["kernel"] + params["head"]["bias"]


@pytest.mark.parametrize(
    "variant, activation",
    [
        ("512-512", lambda a: np.maximum(a, 0)),
        ("300", lambda a: 1.7159 * np.tanh(2 * a / 3)),
        ("256-128-64", lambda a: np.maximum(a, 0)),
    ],
)
def test_logits_equal_numpy(variant, activation):
    model = mlp.build(variant, num_classes=7)
    x = _images(3, 4, 5, 2)
    params = model.init(jax.random.key(0), x, train=False)["params"]
    bias = jnp.linspace(-1, 1, len(params["hidden_0"]["bias"]))
    params = {**params, "hidden_0": {**params["hidden_0"], "bias": bias}}
    logits = model.apply({"params": params}, x, train=False)
    assert logits.shape == (3, 7)
    # float32 against float64
    np.testing.assert_allclose(logits, _numpy_mlp(params, x, activation), atol=1e-5)


def test_the_input_is_flattened_whatever_its_shape():
    model = mlp.build("debug")
    x = _images(2, 4, 3, 2)
    params = model.init(jax.random.key(0), x, train=False)
    flat = model.apply(params, x.reshape(2, 24), train=False)
    np.testing.assert_array_equal(model.apply(params, x, train=False), flat)


def test_dropout_keeps_the_stated_share_and_the_mean():
    model = mlp.build("debug", features=(20_000,), dropout=0.2, num_classes=1)
    x = jnp.ones((1, 1))
    params = jax.tree.map(jnp.ones_like, model.init(jax.random.key(0), x, train=False))
    rngs = {"dropout": jax.random.key(1)}
    # Every hidden unit is relu(1 + 1) = 2, so the logit is 2 n / keep + 1.
    logit = model.apply(params, x, train=True, rngs=rngs)
    kept = (float(logit[0, 0]) - 1) * 0.8 / 2
    assert abs(kept / 20_000 - 0.8) < 0.015  # five standard deviations


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError) as error:
        mlp.build("debug", activation="rel")
    assert str(error.value) == (
        "unknown activation 'rel'; did you mean 'relu'? use one of relu, scaled_tanh"
    )

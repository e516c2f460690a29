"""DLinear and NLinear against PyTorch, to 1e-5."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import dlinear


def _normal(*shape):
    drawn = np.random.default_rng(0).normal(size=shape)
    return jnp.asarray(drawn, jnp.float32)


def _applied(**fields):
    model = dlinear.build("debug", length=40, horizon=6, average=25, **fields)
    x = _normal(3, 40, 2)
    variables = model.init(jax.random.key(0), x, train=False)
    return x, variables["params"], model.apply(variables, x, train=False)


def _linear(torch, layer, x):
    weight, bias = (torch.from_numpy(np.array(layer[k])) for k in ("kernel", "bias"))
    return x @ weight + bias


def test_dlinear_equals_its_torch_form():
    torch = pytest.importorskip("torch")
    x, params, y = _applied()
    series = torch.from_numpy(np.array(x)).transpose(1, 2)
    padded = torch.nn.functional.pad(series, (12, 12), mode="replicate")
    trend = torch.nn.functional.avg_pool1d(padded, 25, stride=1)
    wanted = _linear(torch, params["seasonal"], series - trend)
    wanted += _linear(torch, params["trend"], trend)
    np.testing.assert_allclose(y[..., 0], wanted.transpose(1, 2), atol=1e-5)


def test_nlinear_equals_its_torch_form():
    torch = pytest.importorskip("torch")
    x, params, y = _applied(kind="normalisation")
    series = torch.from_numpy(np.array(x)).transpose(1, 2)
    last = series[:, :, -1:]
    wanted = _linear(torch, params["linear"], series - last) + last
    np.testing.assert_allclose(y[..., 0], wanted.transpose(1, 2), atol=1e-5)


def test_a_level_passes_through_nlinear():
    model = dlinear.build("debug", kind="normalisation", outputs=3)
    x = _normal(2, 12, 3)
    variables = model.init(jax.random.key(0), x, train=False)
    lower, higher = (model.apply(variables, x + k, train=False) for k in (0, 5))
    assert lower.shape == (2, 4, 3, 3)
    np.testing.assert_allclose(higher - lower, 5, atol=1e-5)


def test_parameters_are_drawn_as_pytorch_does():
    kernel = _applied()[1]["seasonal"]["kernel"]
    assert 0.9 * 40**-0.5 < np.abs(kernel).max() <= 40**-0.5


def test_mistakes_are_one_sentence():
    with pytest.raises(ValueError) as error:
        dlinear.build("debug", average=4)
    assert str(error.value) == (
        "the moving average needs an odd number of steps, got 4; the paper's is 25"
    )
    with pytest.raises(ValueError) as error:
        dlinear.build("debug", kind="both")
    assert str(error.value) == (
        "unknown kind 'both'; use one of decomposition, normalisation"
    )

"""iTransformer against PyTorch's encoder layers, to 1e-4."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import itransformer


def _applied(times=None):
    model = itransformer.build("debug")
    x = jnp.asarray(np.random.default_rng(0).normal(3, 2, size=(2, 12, 5)), jnp.float32)
    inputs = (x,) if times is None else (x, times)
    variables = model.init(jax.random.key(0), *inputs, train=False)
    return x, variables, model.apply(variables, *inputs, train=False)


def _times():
    rng = np.random.default_rng(1)
    shapes = (2, 12, 4), (2, 4, 4)
    drawn = (rng.uniform(-0.5, 0.5, shape) for shape in shapes)
    return tuple(jnp.asarray(part, jnp.float32) for part in drawn)


def _load(torch, module, tree):
    weight = tree["scale"] if "scale" in tree else tree["kernel"].T
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.array(weight)))
        module.bias.copy_(torch.from_numpy(np.array(tree["bias"])))


@pytest.mark.parametrize(
    "calendar", [pytest.param(False, marks=pytest.mark.slow), True]
)
def test_it_equals_torch_layers(calendar):
    torch = pytest.importorskip("torch")
    times = _times() if calendar else None
    x, variables, y = _applied(times)
    params = variables["params"]
    series = torch.from_numpy(np.array(x))
    mean = series.mean(1, keepdim=True)
    std = torch.sqrt(series.var(1, keepdim=True, unbiased=False) + 1e-5)
    scaled = (series - mean) / std
    if calendar:
        scaled = torch.cat([scaled, torch.from_numpy(np.array(times[0]))], dim=2)

    def linear(name, z):
        layer = torch.nn.Linear(*np.array(params[name]["kernel"]).shape)
        _load(torch, layer, params[name])
        return layer(z)

    with torch.no_grad():
        z = linear("embedding", scaled.transpose(1, 2))
        for number in range(2):
            tree = params[f"layer{number}"]
            layer = torch.nn.TransformerEncoderLayer(
                16, 2, 16, activation="gelu", batch_first=True
            ).eval()
            attention = layer.self_attn
            qkv = tree["attention"]["qkv"]
            attention.in_proj_weight.copy_(torch.from_numpy(np.array(qkv["kernel"]).T))
            attention.in_proj_bias.copy_(torch.from_numpy(np.array(qkv["bias"])))
            _load(torch, attention.out_proj, tree["attention"]["out"])
            _load(torch, layer.linear1, tree["mlp_in"])
            _load(torch, layer.linear2, tree["mlp_out"])
            _load(torch, layer.norm1, tree["norm1"])
            _load(torch, layer.norm2, tree["norm2"])
            z = layer(z)
        norm = torch.nn.LayerNorm(16)
        _load(torch, norm, params["norm"])
        wanted = linear("head", norm(z)[:, :5]).transpose(1, 2) * std + mean
    np.testing.assert_allclose(y[..., 0], wanted, atol=1e-4)


def test_the_calendar_changes_the_forecast_but_has_none():
    times = _times()
    _, variables, y = _applied(times)
    assert y.shape == (2, 4, 5, 1)
    x = jnp.broadcast_to(jnp.arange(12.0)[None, :, None], (2, 12, 5))
    other = (times[0] + 0.2, times[1])
    model = itransformer.build("debug")
    a, b = (model.apply(variables, x, t, train=False) for t in (times, other))
    assert np.abs(a - b).max() > 1e-4


def test_impossible_heads_are_one_sentence():
    with pytest.raises(ValueError) as error:
        itransformer.build("debug", heads=3)
    assert str(error.value) == (
        "itransformer heads=3 must divide width=16; choose another number of heads"
    )

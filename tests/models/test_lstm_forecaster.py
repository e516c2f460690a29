"""The LSTM forecaster against torch.nn.LSTM, to 1e-4, in both modes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import lstm_forecaster


def _normal(*shape, seed=0):
    drawn = np.random.default_rng(seed).normal(1, 2, size=shape)
    return jnp.asarray(drawn, jnp.float32)


def _applied(times=None, **fields):
    model = lstm_forecaster.build("debug", **fields)
    x = _normal(2, 6, 3)
    init = jax.jit(lambda *inputs: model.init(jax.random.key(0), *inputs, train=False))
    apply = jax.jit(lambda *inputs: model.apply(*inputs, train=False))
    variables = init(x, times)
    return x, variables["params"], apply(variables, x, times)


def _torch(torch, params, width):
    """Returns (lstm, head) with our parameters; the order of gates is the same."""
    layer = params["lstm"]["layer1"]
    arrays = {
        "weight_ih_l0": np.array(layer["input"]["kernel"]).T,
        "weight_hh_l0": np.array(layer["recurrent_kernel"]).T,
        "bias_ih_l0": np.array(layer["input"]["bias"]),
        "bias_hh_l0": np.zeros(4 * width, np.float32),
    }
    lstm = torch.nn.LSTM(arrays["weight_ih_l0"].shape[1], width, batch_first=True)
    lstm.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in arrays.items()})
    weight, bias = (
        torch.tensor(np.array(params["head"][k])) for k in ("kernel", "bias")
    )
    return lstm, lambda h: h @ weight + bias


def _scaled(torch, x):
    series = torch.from_numpy(np.array(x))
    mean = series.mean(1, keepdim=True)
    std = torch.sqrt(series.var(1, keepdim=True, unbiased=False) + 1e-5)
    return (series - mean) / std, mean, std


def test_direct_maps_the_last_state():
    torch = pytest.importorskip("torch")
    x, params, y = _applied(mode="direct")
    lstm, head = _torch(torch, params, 12)
    scaled, mean, std = _scaled(torch, x)
    with torch.no_grad():
        states, _ = lstm(scaled)
        wanted = head(states[:, -1]).reshape(2, 4, 3) * std + mean
    np.testing.assert_allclose(y[..., 0], wanted, atol=1e-4)


@pytest.mark.parametrize("calendar", [False, True])
def test_autoregressive_reads_its_own_forecasts(calendar):
    torch = pytest.importorskip("torch")
    times = (_normal(2, 6, 2, seed=1), _normal(2, 4, 2, seed=2)) if calendar else None
    x, params, y = _applied(times)
    lstm, head = _torch(torch, params, 12)
    scaled, mean, std = _scaled(torch, x)
    read = scaled
    if calendar:
        past, future = (torch.from_numpy(np.array(part)) for part in times)
        read = torch.cat([scaled, past], dim=2)
    made = []
    with torch.no_grad():
        states, carry = lstm(read)
        for step in range(4):
            made.append(head(states[:, -1]))
            read = made[-1][:, None]
            if calendar:
                read = torch.cat([read, future[:, step : step + 1]], dim=2)
            states, carry = lstm(read, carry)
        wanted = torch.stack(made, dim=1) * std + mean
    np.testing.assert_allclose(y[..., 0], wanted, atol=1e-4)


@pytest.mark.parametrize("mode", lstm_forecaster.MODES)
def test_quantiles_have_a_place(mode):
    _, _, y = _applied(mode=mode, outputs=3)
    assert y.shape == (2, 4, 3, 3)


def test_an_unknown_mode_is_one_sentence():
    with pytest.raises(ValueError) as error:
        lstm_forecaster.build("debug", mode="two")
    assert str(error.value) == ("unknown mode 'two'; use one of direct, autoregressive")

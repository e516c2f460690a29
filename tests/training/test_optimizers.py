"""Optimizers against their papers' formulas in float64 numpy, and against PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from ml_collections import ConfigDict

from configs import base
from research.training import optimizers

RATE, STEPS = 0.05, 6
# One changed value per key that each optimizer reads.
READS = {
    "sgd": (),
    "momentum": ("momentum",),
    "nesterov": ("momentum",),
    "adam": ("b1", "b2", "eps"),
    "adamw": ("b1", "b2", "eps"),
    "lamb": ("b1", "b2", "eps"),
    "lion": ("b1", "b2"),
    "muon": ("momentum", "b1", "b2", "eps"),
    "rmsprop": ("momentum", "b2", "eps"),
    "adagrad": ("eps",),
}
OTHER = {"momentum": 0.5, "b1": 0.2, "b2": 0.8, "eps": 0.1}
DECOUPLED = ("adamw", "lamb", "lion", "muon")


def _config(name: str, **changes) -> ConfigDict:
    config = base.get_config().optimizer
    config.update(changes | {"name": name})
    return config


def _params():
    rng = np.random.default_rng(0)
    return {"w": rng.normal(size=(4, 3)), "b": rng.normal(size=3)}


def _grads():
    """Gradients of each step, of changing sign and size."""
    rng = np.random.default_rng(1)
    return [
        {"w": rng.normal(size=(4, 3)), "b": 0.1 * rng.normal(size=3)}
        for _ in range(STEPS)
    ]


def _run(config, grads, rate=RATE):
    """Applies the optimizer to the given gradients; returns the last parameters."""
    tx = optimizers.make(config, rate)
    params = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), _params())
    state = tx.init(params)
    update = jax.jit(tx.update)
    for each in grads:
        each = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), each)
        updates, state = update(each, state, params)
        params = optax.apply_updates(params, updates)
    return jax.tree.map(np.asarray, params)


def _reference(config, grads):
    """The same by formula, leaf by leaf, in float64."""
    out = {}
    for name, p in _params().items():
        decay = config.weight_decay if p.ndim >= 2 else 0.0
        m, v = np.zeros_like(p), np.zeros_like(p)
        for t, each in enumerate(grads, 1):
            g = each[name]
            if config.name != "adamw":
                g = g + decay * p  # L2: part of the gradient
            if config.name == "sgd":
                step = g
            elif config.name in ("momentum", "nesterov"):
                m = config.momentum * m + g
                step = g + config.momentum * m if config.name == "nesterov" else m
            elif config.name in ("adam", "adamw"):  # Kingma & Ba 2015, Algorithm 1
                m = config.b1 * m + (1 - config.b1) * g
                v = config.b2 * v + (1 - config.b2) * g**2
                m_hat, v_hat = m / (1 - config.b1**t), v / (1 - config.b2**t)
                step = m_hat / (np.sqrt(v_hat) + config.eps)
            elif config.name == "rmsprop":
                v = config.b2 * v + (1 - config.b2) * g**2
                m = config.momentum * m + g / (np.sqrt(v) + config.eps)
                step = m
            if config.name == "adamw":  # Loshchilov & Hutter 2019, Algorithm 2
                step = step + decay * p
            p = p - RATE * step
        out[name] = p
    return out


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize(
    "name", ["sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop"]
)
def test_steps_equal_the_formula(name, decay):
    config = _config(name, weight_decay=decay, b2=0.95, eps=1e-3)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6),
        _run(config, _grads()),
        _reference(config, _grads()),
    )


@pytest.mark.parametrize(
    "name", ["sgd", "momentum", "nesterov", "adam", "adamw", "rmsprop"]
)
def test_steps_equal_torch(name):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference")
    decay = 0.3
    config = _config(name, weight_decay=decay, decay_mask="all", b2=0.95, eps=1e-3)
    params = {k: torch.nn.Parameter(torch.tensor(p)) for k, p in _params().items()}
    momentum = {"lr": RATE, "weight_decay": decay, "momentum": config.momentum}
    adam = {"lr": RATE, "weight_decay": decay, "betas": (0.9, 0.95), "eps": 1e-3}
    peer = {
        "sgd": lambda p: torch.optim.SGD(p, RATE, weight_decay=decay),
        "momentum": lambda p: torch.optim.SGD(p, **momentum),
        "nesterov": lambda p: torch.optim.SGD(p, **momentum, nesterov=True),
        "adam": lambda p: torch.optim.Adam(p, **adam),
        "adamw": lambda p: torch.optim.AdamW(p, **adam),
        "rmsprop": lambda p: torch.optim.RMSprop(p, **momentum, alpha=0.95, eps=1e-3),
    }[name](params.values())
    for each in _grads():
        for k, p in params.items():
            p.grad = torch.tensor(each[k])
        peer.step()
    ours = _run(config, _grads())
    for k, p in params.items():
        np.testing.assert_allclose(ours[k], p.detach().numpy(), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", DECOUPLED)
def test_decoupled_decay_shrinks_matrices_whatever_the_gradient(name):
    changed = {}
    for scale in (1.0, 1000.0):
        grads = [jax.tree.map(lambda g, s=scale: g * s, _grads()[0])]
        plain = _run(_config(name), grads)
        decayed = _run(_config(name, weight_decay=0.3), grads)
        np.testing.assert_array_equal(plain["b"], decayed["b"])  # spared by the mask
        changed[scale] = decayed["w"] - plain["w"]
        assert np.abs(changed[scale]).max() > 1e-3
    np.testing.assert_allclose(changed[1.0], changed[1000.0], atol=1e-4)
    if name != "lamb":  # whose trust ratio scales the decay as well
        expected = -RATE * 0.3 * _params()["w"]
        np.testing.assert_allclose(changed[1.0], expected, atol=1e-6)


@pytest.mark.parametrize("name", optimizers.NAMES)
def test_mask_all_decays_biases_too(name):
    plain = _run(_config(name, decay_mask="all"), _grads())
    decayed = _run(_config(name, decay_mask="all", weight_decay=0.3), _grads())
    assert np.abs(decayed["b"] - plain["b"]).max() > 1e-4


def test_muon_decays_kernels_that_are_no_matrices():
    params = {"kernel": jnp.ones((3, 3, 2, 4)), "bias": jnp.ones(4)}
    tx = optimizers.make(_config("muon", weight_decay=0.3), RATE)
    zeros = jax.tree.map(jnp.zeros_like, params)
    updates, _ = tx.update(zeros, tx.init(params), params)
    np.testing.assert_allclose(updates["kernel"], -RATE * 0.3, rtol=1e-6)
    np.testing.assert_array_equal(updates["bias"], 0)


def test_clipping_scales_the_whole_gradient_to_the_norm():
    grads = _grads()[:1]
    norm = np.sqrt(sum((g**2).sum() for g in grads[0].values()))
    clipped = _run(_config("sgd", clip_norm=norm / 4), grads)
    for name, p in _params().items():
        expected = p - RATE * grads[0][name] / 4
        np.testing.assert_allclose(clipped[name], expected, rtol=1e-5, atol=1e-6)
    untouched = _run(_config("sgd", clip_norm=norm * 4), grads)
    jax.tree.map(np.testing.assert_array_equal, untouched, _run(_config("sgd"), grads))


@pytest.mark.parametrize("name", optimizers.NAMES)
def test_minimises_a_quadratic(name):
    target = {"w": jnp.full((4, 3), 0.5), "b": jnp.full(3, -0.5)}
    config = _config(name, b2=0.99)
    schedule = optax.linear_schedule(0.1 if name != "sgd" else 0.3, 0.0, 100)
    tx = optimizers.make(config, schedule)
    params = jax.tree.map(jnp.zeros_like, target)

    def loss(params):
        return sum(((p - target[k]) ** 2).sum() for k, p in params.items())

    @jax.jit
    def step(params, state):
        value, grads = jax.value_and_grad(loss)(params)
        updates, state = tx.update(grads, state, params)
        return optax.apply_updates(params, updates), state, value

    state = tx.init(params)
    params, state, first = step(params, state)
    for _ in range(99):
        params, state, last = step(params, state)
    assert last < 0.1 * first


@pytest.mark.parametrize(
    ("name", "key"), [(name, key) for name, keys in READS.items() for key in keys]
)
def test_every_value_of_the_config_matters(name, key):
    # b2 = 0.9: lion's moment, and with it b1, would hardly move with 0.999.
    before = _run(_config(name, b2=0.9), _grads())
    after = _run(_config(name, **{"b2": 0.9, key: OTHER[key]}), _grads())
    assert max(np.abs(before[k] - after[k]).max() for k in before) > 1e-6


@pytest.mark.parametrize("name", optimizers.NAMES)
def test_values_that_an_optimizer_does_not_read_change_nothing(name):
    before = _run(_config(name), _grads())
    unread = {k: v for k, v in OTHER.items() if k not in READS[name]}
    jax.tree.map(
        np.testing.assert_array_equal, before, _run(_config(name, **unread), _grads())
    )


@pytest.mark.parametrize("name", optimizers.NAMES)
def test_learning_rate_may_be_a_schedule_or_traced(name):
    grads = _grads()
    fixed = _run(_config(name), grads)
    scheduled = _run(_config(name), grads, rate=optax.constant_schedule(RATE))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), fixed, scheduled
    )
    params = jax.tree.map(jnp.float32, _params())

    @jax.jit
    def first_update(rate):
        tx = optimizers.make(_config(name), rate)
        return tx.update(jax.tree.map(jnp.float32, grads[0]), tx.init(params), params)[
            0
        ]

    half, whole = first_update(RATE / 2), first_update(RATE)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(2 * a, b, rtol=1e-5), half, whole
    )


def test_unknown_optimizer_is_named_with_the_nearest():
    with pytest.raises(ValueError) as error:
        optimizers.make(_config("adamv"), RATE)
    assert str(error.value) == (
        "unknown optimizer 'adamv'; did you mean 'adam'? use one of sgd, momentum, "
        "nesterov, adam, adagrad, rmsprop, adamw, lamb, lion, muon"
    )


def test_unknown_decay_mask_is_named_with_the_nearest():
    with pytest.raises(ValueError) as error:
        optimizers.make(_config("adam", decay_mask="matrix"), RATE)
    assert str(error.value) == (
        "unknown optimizer.decay_mask 'matrix'; did you mean 'matrices'? use one of "
        "matrices, all"
    )

"""The shared gradient step against few-line references."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.tasks import gradient, remat

SEED = np.uint32(7)
RATE = 0.1


def _loss(params, model_state, batch, rng):
    """Squared error of a small net; counts its calls in model_state."""
    hidden = jnp.tanh(batch["x"] @ params["w1"] + params["b1"][None])
    error = (hidden @ params["w2"] - batch["y"]) ** 2
    mask = batch["mask"]
    metrics = {"loss": ((error.mean(-1) * mask).sum(), mask.sum())}
    return metrics, {"calls": model_state["calls"] + 1}


def _params():
    rng = np.random.default_rng(0)
    return {
        "w1": jnp.asarray(rng.normal(size=(5, 8)), jnp.float32),
        "b1": jnp.zeros(8),
        "w2": jnp.asarray(rng.normal(size=(8, 3)), jnp.float32),
    }


def _batch(masked: bool = False, size: int = 12):
    rng = np.random.default_rng(1)
    mask = np.ones(size, np.float32)
    if masked:
        mask[[0, 1, 2, 7]] = 0
    return {
        "x": rng.normal(size=(size, 5)).astype(np.float32),
        "y": rng.normal(size=(size, 3)).astype(np.float32),
        "mask": mask,
    }


def _stepper(loss=_loss, tx=None, **options):
    tx = tx or optax.sgd(RATE)
    options = gradient.Options(**options)
    state = gradient.init_state(_params(), {"calls": jnp.int32(0)}, tx, SEED, options)
    return state, jax.jit(gradient.make_train_step(loss, tx, options))


def _assert_close(a, b, rtol=1e-5, atol=1e-6):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol, atol), a, b)


@pytest.mark.parametrize("masked", [False, True])
def test_one_sgd_step_equals_the_gradient_of_the_mean_over_real_examples(masked):
    batch = _batch(masked)
    state, step = _stepper()
    new, metrics = step(state, batch)
    real = {k: v[batch["mask"] > 0] for k, v in batch.items()}

    def mean(params):
        hidden = jnp.tanh(real["x"] @ params["w1"] + params["b1"][None])
        return ((hidden @ params["w2"] - real["y"]) ** 2).mean()

    value, grads = jax.value_and_grad(mean)(state.params)
    expected = jax.tree.map(lambda p, g: p - RATE * g, state.params, grads)
    _assert_close(new.params, expected)
    total, weight = metrics["loss"]
    np.testing.assert_allclose(total / weight, value, rtol=1e-5)
    assert weight == batch["mask"].sum()
    assert int(new.step) == 1 and int(new.seed) == SEED


def test_norms_are_those_of_gradient_update_and_new_parameters():
    state, step = _stepper()
    new, metrics = step(state, _batch())
    update = jax.tree.map(jnp.subtract, new.params, state.params)
    expected = {
        "norm/update": optax.tree.norm(update),
        "norm/grad": optax.tree.norm(update) / RATE,
        "norm/param": optax.tree.norm(new.params),
    }
    for name, value in expected.items():
        np.testing.assert_allclose(metrics[name][0], value, rtol=1e-4)
        assert metrics[name][1] == 1


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("count", [2, 3, 12])
def test_accumulation_equals_the_whole_batch(count, masked):
    # With a mask the micro-batches hold unequal numbers of real examples.
    batch = _batch(masked)
    whole_state, whole = _stepper()
    parts_state, parts = _stepper(accumulate=count)
    for _ in range(3):
        whole_state, expected = whole(whole_state, batch)
        parts_state, metrics = parts(parts_state, batch)
        _assert_close(metrics, expected)
    _assert_close(parts_state.params, whole_state.params)
    assert int(parts_state.model_state["calls"]) == 3 * count  # one after the other


def test_accumulation_survives_a_micro_batch_without_real_examples():
    batch = _batch()
    batch["mask"] = np.array([1, 0] * 6, np.float32)  # of two: all of the second
    whole_state, whole = _stepper()
    parts_state, parts = _stepper(accumulate=2)
    _assert_close(
        parts(parts_state, batch)[0].params, whole(whole_state, batch)[0].params
    )


def test_micro_batches_draw_different_randomness():
    def loss(params, model_state, batch, rng):
        noise = jax.random.uniform(rng)
        one = jnp.ones(())
        drawn = {"loss": (params["b1"].sum(), one), "noise": (noise, one)}
        return drawn | {"square": (noise**2, one)}, model_state

    state, step = _stepper(loss, accumulate=4)
    _, metrics = step(state, _batch())
    mean = metrics["noise"][0] / metrics["noise"][1]
    assert metrics["square"][0] / metrics["square"][1] - mean**2 > 1e-4


def test_steps_and_seeds_draw_different_randomness_and_the_same_step_the_same():
    def loss(params, model_state, batch, rng):
        one = jnp.ones(())
        noise = {"noise": (jax.random.uniform(rng), one)}
        return {"loss": (params["b1"].sum(), one)} | noise, model_state

    state, step = _stepper(loss)
    after, first = step(state, _batch())
    _, second = step(after, _batch())
    _, again = step(state, _batch())
    _, other = step(state.replace(seed=jnp.uint32(8)), _batch())
    assert first["noise"][0] == again["noise"][0]
    assert len({float(m["noise"][0]) for m in (first, second, other)}) == 3


def test_average_follows_its_formula():
    decay, state_and_step = 0.5, _stepper(ema_decay=0.5)
    state, step = state_and_step
    average = jax.tree.map(np.asarray, state.params)
    for t in range(8):
        state, _ = step(state, _batch())
        d = min(decay, (1 + t) / (10 + t))  # 0.1, 0.18, 0.25, … then 0.5
        average = jax.tree.map(
            lambda e, p, d=d: d * e + (1 - d) * np.asarray(p), average, state.params
        )
    assert min(decay, (1 + 7) / (10 + 7)) < decay  # still the young branch
    _assert_close(state.ema_params, average)
    late = state.replace(step=jnp.int32(1000))
    new, _ = step(late, _batch())
    expected = jax.tree.map(lambda e, p: 0.5 * e + 0.5 * p, late.ema_params, new.params)
    _assert_close(new.ema_params, expected)
    assert new.eval_params() is new.ema_params


def test_without_average_parameters_themselves_are_evaluated():
    state, _ = _stepper()
    assert state.ema_params is None and state.eval_params() is state.params


@pytest.mark.parametrize("name", [n for n in remat.POLICIES if n != "none"])
@pytest.mark.parametrize("count", [1, 3])
def test_rematerialised_step_is_equal(name, count):
    plain_state, plain = _stepper(accumulate=count)
    tight_state, tight = _stepper(accumulate=count, remat=name)
    for _ in range(2):
        plain_state, expected = plain(plain_state, _batch(True))
        tight_state, metrics = tight(tight_state, _batch(True))
        _assert_close(metrics, expected)
    _assert_close(tight_state, plain_state)


def test_step_compiles_once():
    state, step = _stepper(accumulate=2, ema_decay=0.9)
    for _ in range(3):
        state, _ = step(state, _batch())
    assert step._cache_size() == 1

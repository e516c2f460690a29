"""The alternating step against one written out, and what surrounds it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.models import gan
from research.tasks import adversarial, gradient

SHAPE, RATE = (2, 2, 1), 0.1


class Linear(nn.Module):
    """Two linear networks; the discriminator's may be conditioned on a label."""

    latent: int = 3
    classes: int = 0

    def setup(self):
        init = nn.initializers.normal(0.5)
        self.generator = nn.Dense(4, kernel_init=init)
        self.discriminator = nn.Dense(1, kernel_init=init)

    def __call__(self, z, x, label=None, *, train):
        made = self.generate(z, x.shape[1:], label, train=train)
        return made, self.discriminate(x, label, train=train)

    def generate(self, z, shape, label=None, *, train, truncation=1.0):
        return self.generator(truncation * z).reshape(-1, *shape)

    def discriminate(self, x, label=None, *, train):
        return self.discriminator(x.reshape(len(x), -1))[:, 0]


def _task(tx=None, options=None, **fields):
    return adversarial.build(
        Linear(), tx or optax.sgd(RATE), options or gradient.Options(), **fields
    )


def _batch(size=8):
    x = np.random.default_rng(0).normal(size=(size, *SHAPE)).astype(np.float32)
    return {"image": jnp.asarray(x), "mask": jnp.ones(size)}


def _trained(task, steps=1):
    state = task.init(np.uint32(1), _batch())
    step = jax.jit(task.train_step)
    for _ in range(steps):
        state, metrics = step(state, _batch())
    return state, metrics


def test_a_step_is_two_updates_of_one_network_and_one_of_the_other():
    task = _task(discriminator_steps=2, loss="wasserstein")
    state, x = task.init(np.uint32(1), _batch()), _batch()["image"].reshape(8, 4)
    made, critic = state.params["generator"], state.params["discriminator"]
    rng = state.rng()
    for k in range(2):
        key = jax.random.split(jax.random.fold_in(rng, k), 5)[0]
        fake = task.game.noise(key, 4) @ made["kernel"] + made["bias"][None]
        # The gradient of the mean of f - r by the kernel, and by the bias: 0.
        slope = (fake.mean(0) - x[k::2].mean(0))[:, None]
        critic = critic | {"kernel": critic["kernel"] - RATE * slope}
    key = jax.random.split(jax.random.fold_in(rng, 2), 5)[0]
    z = task.game.noise(key, 4)
    slope = -critic["kernel"][:, 0]
    made = {
        "kernel": made["kernel"] - RATE * np.outer(z.mean(0), slope),
        "bias": made["bias"] - RATE * slope,
    }
    moved, _ = _trained(task)
    for name, expected in (("generator", made), ("discriminator", critic)):
        for leaf in ("kernel", "bias"):
            np.testing.assert_allclose(
                moved.params[name][leaf], expected[leaf], atol=1e-6, err_msg=name
            )
    assert moved.step == 1


@pytest.mark.slow
def test_a_penalty_with_an_interval_is_an_update_of_its_own():
    # R1 of a linear network is gamma |kernel|^2 / 2.
    plain, often, lazy = (
        _task(loss="wasserstein", r1=gamma, r1_every=every)
        for gamma, every in ((0.0, 1), (0.5, 1), (0.5, 4))
    )
    start = plain.init(np.uint32(1), _batch())
    for step, shrunk in ((0, 1 - RATE * 0.5 * 4), (1, 1.0), (4, 1 - RATE * 0.5 * 4)):
        state = start.replace(step=jnp.int32(step))
        moved, metrics = jax.jit(lazy.train_step)(state, _batch())
        unpunished, _ = jax.jit(plain.train_step)(state, _batch())
        kernel = moved.params["discriminator"]["kernel"]
        expected = unpunished.params["discriminator"]["kernel"] * shrunk
        np.testing.assert_allclose(kernel, expected, atol=1e-6)
        assert metrics["r1"][1] == (8 if shrunk < 1 else 0)
    squared = (start.params["discriminator"]["kernel"] ** 2).sum()
    moved, metrics = jax.jit(often.train_step)(start, _batch())
    unpunished, _ = jax.jit(plain.train_step)(start, _batch())
    a, b = (s.params["discriminator"]["kernel"] for s in (moved, unpunished))
    term = RATE * 0.5 * start.params["discriminator"]["kernel"]
    np.testing.assert_allclose(a, b - term, atol=1e-6)
    assert float(metrics["r1"][0]) == pytest.approx(8 * 0.25 * float(squared), rel=1e-5)


def test_the_generator_may_learn_from_the_last_noise():
    task = _task(loss="wasserstein", generator_noise="last", discriminator_steps=2)
    state = task.init(np.uint32(1), _batch())
    moved, _ = jax.jit(task.train_step)(state, _batch())
    key = jax.random.split(jax.random.fold_in(state.rng(), 1), 5)[0]
    z = task.game.noise(key, 4)
    slope = -moved.params["discriminator"]["kernel"][:, 0]
    expected = state.params["generator"]["kernel"] - RATE * np.outer(z.mean(0), slope)
    np.testing.assert_allclose(moved.params["generator"]["kernel"], expected, atol=1e-6)


def test_images_of_the_last_noise_are_made_once():
    model = gan.build("debug")
    batch = {"image": jnp.zeros((4, 16, 16, 1)), "mask": jnp.ones(4)}
    work = {}
    for noise in ("new", "last"):
        task = adversarial.build(
            model, optax.sgd(RATE), gradient.Options(), generator_noise=noise
        )
        state = jax.eval_shape(task.init, np.uint32(0), batch)
        compiled = jax.jit(task.train_step).lower(state, batch).compile()
        work[noise] = compiled.cost_analysis()["flops"]
    # Two products of the generator: 4 images, 8-64-256.
    assert work["new"] - work["last"] >= 2 * 4 * (8 * 64 + 64 * 256)


def test_each_network_has_its_own_optimizer_by_whole_paths():
    seen = []

    def init(params):
        seen.append(set(params))
        return ()

    tx = optax.GradientTransformation(init, lambda g, s, p: (g, s))
    state = _task(tx).init(np.uint32(0), _batch())
    assert {"generator"} in seen and {"discriminator"} in seen
    assert set(state.opt_state) == {"generator", "discriminator"}


def test_schedules_count_the_steps_of_the_run():
    schedule = lambda step: jnp.where(step < 2, 0.1, 0.0)  # noqa: E731
    task = _task(optax.adam(schedule, b1=0.0), discriminator_steps=4)
    states = [_trained(task, steps)[0] for steps in (1, 2, 3)]
    kernels = [s.params["discriminator"]["kernel"] for s in states]
    assert not np.array_equal(kernels[0], kernels[1])  # the rate is still 0.1
    assert np.array_equal(kernels[1], kernels[2])
    adam = optax.tree.get(states[1].opt_state["discriminator"], "mu")
    assert adam is not None
    counts = [
        leaf.count
        for leaf in jax.tree.leaves(
            states[1].opt_state["discriminator"],
            is_leaf=lambda x: isinstance(x, optax.ScaleByAdamState),
        )
        if isinstance(leaf, optax.ScaleByAdamState)
    ]
    assert counts == [8]  # its own bias corrections count all updates


def test_the_generator_is_averaged_and_the_discriminator_is_not():
    task = _task(options=gradient.Options(ema_decay=0.5))
    state, _ = _trained(task, 2)
    mine, averaged = state.params, state.ema_params
    assert jax.tree.all(
        jax.tree.map(np.array_equal, averaged["discriminator"], mine["discriminator"])
    )
    assert not np.allclose(averaged["generator"]["bias"], mine["generator"]["bias"])


def test_an_average_that_ramps_up_is_half_as_old_as_its_share():
    task = _task(options=gradient.Options(ema_decay=0.999), ema_rampup=0.5)
    first = task.init(np.uint32(1), _batch())
    state, _ = _trained(task, 1)
    # After one step the half-life is half a step: a quarter of the old is left, or
    # TensorFlow's (1 + 0) / (10 + 0) if that is less.
    old, new = (s.params["generator"]["bias"] for s in (first, state))
    expected = 0.1 * old + 0.9 * new
    np.testing.assert_allclose(
        state.ema_params["generator"]["bias"], expected, atol=1e-6
    )


def test_an_evaluation_measures_the_game_and_is_always_the_same():
    task = _task()
    state, batch = _trained(task)[0], _batch()
    batch["mask"] = batch["mask"].at[-2:].set(0)
    step = jax.jit(task.eval_step)
    first, again = step(state, batch), step(state, batch)
    assert jax.tree.all(jax.tree.map(np.array_equal, first, again))
    averages = {k: float(s) / float(w) for k, (s, w) in first.items()}
    assert first["loss"][1] == 6 and first["distance_real"][1] == 5
    found = task.derive(averages)
    assert found["healthy_step"] in (1.0, -1.0) and found["diversity"] > 0
    assert "distance_real" not in found and "updates" not in found


def test_noise_does_not_depend_on_how_much_is_drawn():
    for prior in adversarial.PRIORS:
        game = _task(prior=prior).game
        key = jax.random.key(3)
        whole = game.noise(key, 6)
        np.testing.assert_array_equal(whole[2:], game.noise(key, 4, start=2))
    assert np.abs(whole).max() <= 1


@pytest.mark.slow
def test_accumulated_micro_batches_see_all_examples():
    task = _task(options=gradient.Options(accumulate=2), discriminator_steps=2)
    _, metrics = _trained(task)
    assert metrics["loss"][1] == 8 and metrics["generator_loss"][1] == 4


def test_distances_are_those_of_images_without_noise():
    plain, noisy = (
        _trained(_task(instance_noise=sigma, noise_steps=10))[1] for sigma in (0.0, 5.0)
    )
    assert noisy["loss"][0] != plain["loss"][0]
    for name in ("distance_real", "distance_made"):
        assert float(noisy[name][0]) == pytest.approx(float(plain[name][0]), rel=1e-5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"loss": "hinges"},
            "unknown task.loss 'hinges'; did you mean 'hinge'? use one of minimax, "
            "non_saturating, wasserstein, hinge, least_squares",
        ),
        ({"prior": "beta"}, "unknown task.prior 'beta'; use one of normal, uniform"),
        (
            {"generator_noise": "old"},
            "unknown task.generator_noise 'old'; use one of new, last",
        ),
        (
            {"discriminator_steps": 0},
            "task.discriminator_steps must be at least 1, got 0; correct it",
        ),
        ({"r1_every": 0}, "task.r1_every must be at least 1, got 0; correct it"),
        (
            {"instance_noise": 0.1},
            "task.instance_noise=0.1 needs task.noise_steps > 0, got 0; say after how "
            "many steps it is gone",
        ),
        (
            {"path_length": 2.0},
            "task.path_length=2.0 needs a generator with styles, such as "
            "model.name=stylegan2; set it to 0",
        ),
    ],
)
def test_what_makes_no_sense_is_one_sentence(fields, message):
    with pytest.raises(ValueError) as error:
        _task(**fields)
    assert str(error.value) == message


def test_a_batch_that_cannot_be_cut_is_one_sentence():
    with pytest.raises(ValueError) as error:
        _task(discriminator_steps=3).init(np.uint32(0), _batch())
    assert str(error.value) == (
        "task.discriminator_steps times train.accumulate, 3, must divide "
        "data.batch_size=8; use 9"
    )

"""The task with a network whose answers are known."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.models import dit
from research.tasks import diffusion, drawing, gradient
from research.tasks.drawing import Sampling

SHAPE = (4, 4, 1)


class Linear(nn.Module):
    """One linear map of the image and a value per label."""

    classes: int = 0

    @nn.compact
    def __call__(self, x, time, label=None, *, train: bool):
        del time, train
        y = nn.Dense(16, name="map")(x.reshape(len(x), -1)).reshape(x.shape)
        if not self.classes:
            return y
        init = nn.initializers.normal(1.0)
        value = nn.Embed(self.classes + 1, 1, embedding_init=init, name="label")(label)
        return y + value[:, :, None, None]


def _task(classes=3, tx=None, **fields):
    fields = {"label_dropout": 0.2 if classes else 0.0, "steps": 6} | fields
    options = gradient.Options(ema_decay=fields.pop("ema_decay", 0.0))
    return diffusion.build(Linear(classes), tx or optax.adam(1e-2), options, **fields)


def _batch(size=8, masked=0):
    x = np.random.default_rng(0).uniform(-1, 1, (size, *SHAPE)).astype(np.float32)
    mask = np.ones(size, np.float32)
    mask[size - masked :] = 0
    label = jnp.arange(size) % 3
    return {"image": jnp.asarray(x), "label": label, "mask": jnp.asarray(mask)}


def _draw(task, state, label, how, **fields):
    key = jax.random.key(5)
    draw = jax.jit(
        lambda state, label: task.sample(
            state, key, (len(label), *SHAPE), label, sampling=how, **fields
        )[0]
    )
    return np.asarray(draw(state, label))


def test_guidance_1_is_the_conditional_model_and_0_the_one_without_label():
    task, batch = _task(clip=False), _batch()
    state, label = task.init(np.uint32(0), batch), batch["label"]
    plain = _task(clip=False, label_dropout=0.0)
    conditional = _draw(plain, state, label, Sampling("ddim", 6))
    again = _draw(task, state, label, Sampling("ddim", 6, guidance=1.0))
    np.testing.assert_array_equal(conditional, again)
    free = _draw(task, state, jnp.full(8, 3), Sampling("ddim", 6))
    none = _draw(task, state, label, Sampling("ddim", 6, guidance=0.0))
    np.testing.assert_allclose(none, free, rtol=1e-4, atol=1e-4)
    twice = _draw(task, state, label, Sampling("ddim", 1, guidance=2.0))
    one = _draw(task, state, label, Sampling("ddim", 1))
    zero = _draw(task, state, jnp.full(8, 3), Sampling("ddim", 1))
    np.testing.assert_allclose(twice, 2 * one - zero, rtol=1e-4, atol=1e-3)
    assert np.abs(twice - one).max() > 0.1


@pytest.mark.slow
def test_labels_are_dropped_in_training_only():
    batch = _batch(64)
    moved = {}
    for share in (0.0, 0.5):
        task = _task(label_dropout=share, tx=optax.sgd(1.0))
        state = task.init(np.uint32(0), batch)
        after, _ = jax.jit(task.train_step)(state, batch)
        tables = (s.params["label"]["embedding"] for s in (after, state))
        moved[share] = np.abs(np.subtract(*map(np.asarray, tables)))[:, 0] > 0
    np.testing.assert_array_equal(moved[0.0], [True, True, True, False])
    np.testing.assert_array_equal(moved[0.5], [True, True, True, True])
    key, params = jax.random.key(1), state.params
    losses = [
        _task(label_dropout=share)._metrics(params, batch, key, train=False)["loss"][0]
        for share in (0.0, 0.5)
    ]
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"process": "flow"},
        *(
            pytest.param(fields, marks=pytest.mark.slow)
            for fields in (
                {"prediction": "v", "schedule": "cosine"},
                {"loss": "variational", "prediction": "x0"},
                {"process": "edm"},
            )
        ),
    ],
)
def test_training_lowers_the_loss_and_bits_are_a_bound(fields):
    task, batch = _task(0, **fields), _batch(32)
    state, step = task.init(np.uint32(0), batch), jax.jit(task.train_step)
    losses = []
    for _ in range(60):
        state, metrics = step(state, batch)
        losses.append(float(metrics["loss"][0] / metrics["loss"][1]))
    assert np.mean(losses[-10:]) < 0.95 * np.mean(losses[:10])
    measured = jax.jit(task.eval_step)(state, batch)
    bits = fields.get("process", "discrete") == "discrete"
    assert ("bits_per_dimension" in measured) == bits
    if bits:  # uniform pixels have 8 bits; few of the 1,000 steps make most
        keys = jax.random.split(jax.random.key(0), 300)
        many = jax.jit(
            jax.vmap(lambda key: task._metrics(state.params, batch, key, train=False))
        )(keys)
        total, weight = many["bits_per_dimension"]
        assert float(total.sum() / weight.sum()) > 7


def test_an_evaluation_repeats_itself_and_padding_does_not_count():
    task, batch = _task(), _batch(8, masked=3)
    state = task.init(np.uint32(0), batch)
    measure = jax.jit(task.eval_step)
    once, again = measure(state, batch), measure(state, batch)
    assert jax.tree.all(jax.tree.map(jnp.array_equal, once, again))
    assert float(once["loss"][1]) == 5
    other = measure(state, batch | {"image": batch["image"] * 0.5})
    assert float(other["loss"][0]) != float(once["loss"][0])


def test_the_averaged_parameters_draw():
    task, batch = _task(ema_decay=0.5, clip=False), _batch()
    state, label = task.init(np.uint32(0), batch), batch["label"]
    how = Sampling("euler", 3)
    before = _draw(task, state, label, how)
    moved = state.replace(params=jax.tree.map(lambda p: p + 1, state.params))
    np.testing.assert_array_equal(_draw(task, moved, label, how), before)
    moved = state.replace(ema_params=moved.params)
    assert np.abs(_draw(task, moved, label, how) - before).max() > 0.1


def test_a_walk_may_start_from_data_and_keep_a_part():
    task, batch = _task(), _batch()
    state, label = task.init(np.uint32(0), batch), batch["label"]
    mask = np.zeros((4, 4, 1), np.float32)
    mask[:2] = 1
    how = Sampling("ddim", 20)
    kept = drawing.Start(batch["image"], jnp.asarray(mask))
    made = _draw(task, state, label, how, start=kept)
    np.testing.assert_allclose(made[:, :2], batch["image"][:, :2], atol=1e-6)
    assert np.abs(made[:, 2:] - batch["image"][:, 2:]).max() > 0.1
    distance = [
        np.abs(
            _draw(task, state, label, how, start=drawing.Start(batch["image"], None, s))
            - batch["image"]
        ).mean()
        for s in (0.05, 0.9)
    ]
    assert distance[0] < distance[1]


def test_predictions_have_a_row_per_example():
    task, batch = _task(guidance=2.0), _batch()
    state = task.init(np.uint32(0), batch)
    found = jax.jit(task.predict)(state, batch)
    assert found["sample"].shape == (8, *SHAPE)
    for name in ("walk", "noisy", "denoised"):
        assert found[name].shape == (8, diffusion.STAGES, *SHAPE)
    assert float(jnp.abs(found["noisy"][:, 0] - batch["image"]).mean()) < 0.1


def test_a_network_with_other_channels_is_one_sentence():
    model = dit.build("debug", outputs=8)
    task = diffusion.build(model, optax.adam(1e-2), gradient.Options())
    with pytest.raises(ValueError) as error:
        task.init(np.uint32(0), _batch())
    assert str(error.value) == (
        "model.outputs=8 must be the channels of the images, 1, to be trained here; "
        "set it to 0"
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (dict(loss="l1"), "unknown task.loss 'l1'; use one of simple, variational"),
        (
            dict(loss="variational", process="flow"),
            "task.loss=variational needs task.process=discrete, got flow; change one "
            "of them",
        ),
        (
            dict(classes=0, label_dropout=0.1),
            "task.label_dropout must be in [0, 1), and 0 without model.classes, got "
            "0.1 with model.classes=0; correct one of them",
        ),
        (dict(steps=0), "steps must be at least 1, got 0; try 50"),
        (
            dict(steps=2000),
            "steps must be at most task.timesteps=1000, got 2000; take fewer",
        ),
        (
            dict(classes=0, guidance=3.0),
            "guidance=3.0 needs a network trained with and without labels, but "
            "model.classes=0 and task.label_dropout=0.0; use guidance 1",
        ),
        (
            dict(sampler="heun", eta=0.5),
            "eta=0.5 is an option of the sampler ddim, got heun; leave it out",
        ),
    ],
)
def test_a_bad_field_is_one_sentence(fields, message):
    with pytest.raises(ValueError) as error:
        _task(**fields)
    assert str(error.value) == message

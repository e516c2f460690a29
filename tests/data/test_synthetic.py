"""Synthetic data: deterministic, of any spec, learnable but not at a glance."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.data import synthetic


def _arrays(split, **options):
    part = synthetic.load(split, **options)
    rows = part.gather(np.arange(len(part)))
    return rows["image"], rows["label"]


def test_same_seed_same_data():
    one, two = _arrays("train", count=64), _arrays("train", count=64)
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])
    assert (one[0] != _arrays("train", count=64, seed=1)[0]).any()
    assert (one[0][:16] != _arrays("test", count=64)[0]).any()


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (20, 12, 3), (1, 5, 2)])
def test_takes_on_a_spec(shape):
    part = synthetic.load("train", image_shape=shape, num_classes=7, count=70)
    assert part.spec.features["image"].shape == shape
    assert part.spec.features["image"].dtype == "uint8"
    assert part.spec.features["label"].dtype == "int32"
    assert part.spec.num_classes == 7
    assert np.bincount(part.labels()).tolist() == [10] * 7


def test_splits_and_their_sizes():
    sizes = [len(synthetic.load(s, count=100)) for s in synthetic.splits()]
    assert synthetic.splits() == ("train", "validation", "test")
    assert sizes == [100, 25, 25]


def test_a_small_network_learns_it_and_means_do_not():
    image, label = _arrays("train")
    held_image, held_label = _arrays("test")
    x = image.reshape(len(image), -1) / np.float32(128) - 1
    held_x = held_image.reshape(len(held_image), -1) / np.float32(128) - 1
    means = np.stack([x[label == k].mean(0) for k in range(10)])
    nearest = np.argmax(held_x @ means.T - 0.5 * (means**2).sum(1), axis=1)
    by_means = (nearest == held_label).mean()

    rng = np.random.default_rng(0)
    params = [
        jnp.float32(rng.normal(size=(784, 64)) / 28),
        jnp.zeros((1, 64)),
        jnp.float32(rng.normal(size=(64, 10)) / 8),
    ]
    tx = optax.adam(1e-3)

    def logits(params, x):
        return jax.nn.relu(x @ params[0] + params[1]) @ params[2]

    @jax.jit
    def step(params, opt_state, x, y):
        def loss(params):
            each = optax.softmax_cross_entropy_with_integer_labels(logits(params, x), y)
            return each.mean()

        updates, opt_state = tx.update(jax.grad(loss)(params), opt_state)
        return optax.apply_updates(params, updates), opt_state

    opt_state = tx.init(params)
    for _ in range(6):
        for rows in rng.permutation(len(x)).reshape(-1, 64):
            params, opt_state = step(params, opt_state, x[rows], label[rows])
    learned = (np.argmax(logits(params, held_x), axis=1) == held_label).mean()
    assert learned > 0.97
    assert by_means < 0.95 and by_means < learned


@pytest.mark.parametrize(
    "options, got",
    [
        ({"image_shape": (28, 28)}, "(28, 28), 10 and 4096"),
        ({"image_shape": (28, 0, 1)}, "(28, 0, 1), 10 and 4096"),
        ({"num_classes": 1}, "(28, 28, 1), 1 and 4096"),
        ({"count": 3}, "(28, 28, 1), 10 and 3"),
    ],
)
def test_bad_options(options, got):
    message = (
        "synthetic data needs image_shape (height, width, channels), num_classes >= 2 "
        f"and count >= 4, got {got}; correct them"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        synthetic.load("train", **options)

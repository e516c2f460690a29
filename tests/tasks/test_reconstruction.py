"""Reconstruction: losses against numpy, noise, the sparse penalty, the comparison."""

import types

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.data import source
from research.models import autoencoder
from research.tasks import comparing, gradient, reconstruction

SHAPE = (4, 3, 1)


def _task(tx=None, **fields):
    model = autoencoder.build("debug", channels=(), hidden=(), code=2)
    return reconstruction.build(
        model, tx or optax.sgd(0.1), gradient.Options(), **fields
    )


def _batch(size=6, masked=0):
    x = np.random.default_rng(0).uniform(size=(size, *SHAPE)).astype(np.float32)
    mask = np.ones(size, np.float32)
    mask[:masked] = 0
    return {"image": jnp.asarray(x), "mask": jnp.asarray(mask)}


def _average(pair):
    return float(pair[0]) / float(pair[1])


def _outputs(state, x):
    params, x = jax.tree.map(np.asarray, state.params), np.asarray(x)
    code = x.reshape(len(x), -1) @ params["encoder"]["code"]["kernel"]
    code = code + params["encoder"]["code"]["bias"]
    output = params["decoder"]["output"]
    return (code @ output["kernel"] + output["bias"]), code


@pytest.mark.parametrize("masked", [0, 2])
def test_the_losses_are_sums_over_an_image_and_padding_never_counts(masked):
    batch = _batch(masked=masked)
    task = _task(loss="cross_entropy", output="logistic")
    state = task.init(np.uint32(0), batch)
    metrics = jax.jit(task.eval_step)(state, batch)
    raw, _ = _outputs(state, batch["image"])
    x, y = np.asarray(batch["image"]).reshape(6, -1), 1 / (1 + np.exp(-raw))
    entropy = -(x * np.log(y) + (1 - x) * np.log(1 - y)).sum(1)[masked:]
    squared = ((x - y) ** 2).sum(1)[masked:]
    assert _average(metrics["loss"]) == pytest.approx(entropy.mean(), rel=1e-5)
    assert _average(metrics["squared_error"]) == pytest.approx(squared.mean(), rel=1e-5)


def test_predictions_are_of_what_is_given():
    batch, task = _batch(), _task(noise="masking", noise_level=0.5)
    state = task.init(np.uint32(0), batch)
    found = jax.jit(task.predict)(state, batch)
    raw, code = _outputs(state, batch["image"])
    np.testing.assert_allclose(found["code"], code, atol=1e-5)
    np.testing.assert_allclose(found["reconstruction"].reshape(6, -1), raw, atol=1e-5)
    np.testing.assert_allclose(
        found["error"], ((raw - batch["image"].reshape(6, -1)) ** 2).sum(1), rtol=1e-5
    )
    denoised, _ = _outputs(state, np.asarray(found["corrupted"]))
    np.testing.assert_allclose(found["denoised"].reshape(6, -1), denoised, atol=1e-5)
    decoded = task.decode(state, found["code"], SHAPE)
    np.testing.assert_allclose(decoded, found["reconstruction"], atol=1e-6)


def test_noise_is_the_same_in_every_evaluation_and_another_in_every_step():
    batch, task = _batch(), _task(noise="gaussian", noise_level=0.5)
    state = task.init(np.uint32(0), batch)
    evaluate, step = jax.jit(task.eval_step), jax.jit(task.train_step)
    once, again = (evaluate(state, batch) for _ in range(2))
    assert once["identity_error"][0] == again["identity_error"][0]
    later, first = step(state, batch)
    _, second = step(later.replace(params=state.params), batch)
    errors = {float(m["identity_error"][0]) for m in (once, first, second)}
    assert len(errors) == 3


def test_the_sparse_penalty_is_minimised_but_not_the_loss():
    batch = _batch()
    plain, sparse = _task(), _task(sparsity=0.7)
    state = plain.init(np.uint32(0), batch)
    metrics = sparse.eval_step(state, batch)
    _, code = _outputs(state, batch["image"])
    norm = np.abs(code).sum(1).mean()
    assert _average(metrics["code_norm"]) == pytest.approx(norm, rel=1e-5)
    loss = _average(plain.eval_step(state, batch)["loss"])
    assert _average(metrics["loss"]) == pytest.approx(loss)
    objective = _average(metrics["objective"])
    assert objective == pytest.approx(loss + 0.7 * norm, rel=1e-5)
    task = _task(tx=optax.adam(1e-2), sparsity=5.0)
    state, step = task.init(np.uint32(0), batch), jax.jit(task.train_step)
    for _ in range(100):
        state, metrics = step(state, batch)
    assert _average(metrics["code_norm"]) < 0.2 * norm


def _reading(x, errors, label=None):
    arrays = {"image": x} | ({} if label is None else {"label": label})
    names = comparing.CLASSES if label is not None else ()
    return types.SimpleNamespace(
        examples=source.Arrays(arrays, names),
        predictions={"error": errors, "code": np.zeros((len(x), 2))},
        inputs=lambda feature: x,
    )


def _splits(test_label):
    rng = np.random.default_rng(0)
    train = rng.normal(size=(200, *SHAPE))
    test = np.concatenate(
        [rng.normal(size=(30, *SHAPE)), 9 + rng.normal(size=(10, *SHAPE))]
    )
    normal = np.zeros(200, np.int32)
    splits = {
        "train": _reading(train, rng.uniform(size=200), normal),
        "validation": _reading(train, np.linspace(0, 1, 200), normal),
    }
    errors = np.concatenate([np.linspace(0, 0.99, 30), np.linspace(0.9, 2, 10)])
    return _reading(test, errors, test_label), splits.__getitem__


def test_anomalies_are_found_and_compared():
    label = np.repeat([0, 1], [30, 10]).astype(np.int32)
    found = comparing.scores(*_splits(label), "image", 0.95)
    assert set(found) == set(comparing.SCORES)
    assert found["threshold"] == pytest.approx(0.95)
    assert found["auroc"] > 0.9 and found["isolation_forest_auroc"] > 0.99
    assert found["recall"] == pytest.approx(0.9)


def test_without_anomalies_there_is_a_pca_and_a_share():
    found = comparing.scores(*_splits(np.zeros(40, np.int32)), "image", 0.95)
    assert set(found) == {"pca_error", "threshold", "anomaly_share"}


def test_a_threshold_without_normal_data_is_one_sentence():
    measured, others = _splits(np.ones(40, np.int32))
    others("validation").examples.arrays["label"][:] = 1
    with pytest.raises(ValueError) as error:
        comparing.scores(measured, others, "image", 0.95)
    assert str(error.value) == (
        "the threshold of anomalies is a quantile of the normal validation examples, "
        "of which there are none; give the validation split some"
    )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            dict(loss="mse"),
            "unknown task.loss 'mse'; use one of squared_error, cross_entropy",
        ),
        (
            dict(loss="cross_entropy"),
            "task.loss=cross_entropy needs outputs in (0, 1), got task.output=linear; "
            "set task.output=logistic",
        ),
        (
            dict(noise="masking", noise_level=1.5),
            "task.noise_level must be a share in [0, 1], or a standard deviation >= 0 "
            "of gaussian noise, got 1.5; correct it",
        ),
        (
            dict(noise="masking"),
            "task.noise=masking and task.noise_level=0.0 contradict each other; set "
            "both or neither",
        ),
        (
            dict(sparsity=-1.0),
            "task.sparsity must be at least 0, got -1.0; 0 switches it off",
        ),
        (
            dict(quantile=1.0),
            "task.quantile must be in (0, 1), got 1.0; 0.95 calls a twentieth of "
            "normal data anomalous",
        ),
    ],
)
def test_a_bad_field_is_one_sentence(fields, message):
    with pytest.raises(ValueError) as error:
        _task(**fields)
    assert str(error.value) == message


@pytest.mark.slow
def test_the_pca_of_mnist_is_that_of_the_paper(research_data):
    from research.data import idx
    from research.metrics import baselines

    train, test = (
        idx.load(split, str(research_data / "mnist")).arrays["image"].astype(np.float32)
        / 255
        for split in ("train", "test")
    )
    error = baselines.Pca(train, 30).errors(test, test).mean()
    assert error == pytest.approx(13.87, abs=0.1)  # Hinton & Salakhutdinov 2006
    assert jnp.isfinite(error)

"""Classification against cross-entropy in numpy."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.tasks import classification, gradient

K, WIDTH = 7, 5


class Linear(nn.Module):
    """Logits are a linear map of the input."""

    num_classes: int = K
    dtype: jnp.dtype = jnp.float32

    @nn.compact
    def __call__(self, x, *, train: bool):
        return nn.Dense(self.num_classes, dtype=self.dtype)(x)


class Normed(nn.Module):
    """Batch norm (momentum 0.9) before a linear map, dropout after."""

    @nn.compact
    def __call__(self, x, *, train: bool):
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9, name="bn")(x)
        x = nn.Dropout(0.5, deterministic=not train)(x)
        return nn.Dense(K)(x)


def _task(model=None, options=None, tx=None, **fields):
    return classification.build(
        model or Linear(),
        tx or optax.sgd(0.1),
        options or gradient.Options(),
        input="x",
        **fields,
    )


def _batch(size: int = 16, masked: bool = False):
    rng = np.random.default_rng(0)
    mask = np.ones(size, np.float32)
    mask[: 5 * masked] = 0
    return {
        "x": rng.normal(2.0, 1.5, size=(size, WIDTH)).astype(np.float32),
        "label": rng.integers(0, K, size).astype(np.int32),
        "mask": mask,
    }


def _logits(state, x):
    dense = jax.tree.map(np.asarray, state.params["Dense_0"])
    return np.asarray(x, np.float64) @ dense["kernel"] + dense["bias"]


def _cross_entropy(logits, target, mask):
    """Mean over real examples of -sum_k target log softmax, in float64."""
    logits = np.asarray(logits, np.float64)
    top = logits.max(-1, keepdims=True)
    log_p = logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))
    return (-(target * log_p).sum(-1) * mask).sum() / mask.sum()


def _average(metrics, name="loss"):
    total, weight = metrics[name]
    return float(total) / float(weight)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("masked", [False, True])
def test_training_loss_equals_numpy(masked, smoothing):
    task, batch = _task(label_smoothing=smoothing), _batch(masked=masked)
    state = task.init(np.uint32(0), batch)
    _, metrics = jax.jit(task.train_step)(state, batch)
    # Every class gets eps / k, the true one 1 - eps more (Szegedy et al. 2016).
    target = np.eye(K)[batch["label"]] * (1 - smoothing) + smoothing / K
    expected = _cross_entropy(_logits(state, batch["x"]), target, batch["mask"])
    np.testing.assert_allclose(_average(metrics), expected, rtol=1e-5)
    assert float(metrics["loss"][1]) == batch["mask"].sum()


def test_training_loss_equals_torch():
    torch = pytest.importorskip("torch", reason="PyTorch is the reference")
    task, batch = _task(label_smoothing=0.2), _batch()
    state = task.init(np.uint32(0), batch)
    _, metrics = jax.jit(task.train_step)(state, batch)
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(_logits(state, batch["x"])),
        torch.tensor(batch["label"]).long(),
        label_smoothing=0.2,
    )
    np.testing.assert_allclose(_average(metrics), expected.item(), rtol=1e-5)


def test_evaluation_never_smooths():
    smooth, plain, batch = _task(label_smoothing=0.3), _task(), _batch(masked=True)
    state = plain.init(np.uint32(0), batch)
    jax.tree.map(
        np.testing.assert_array_equal,
        smooth.eval_step(state, batch),
        plain.eval_step(state, batch),
    )


def test_soft_labels_are_used_as_they_are():
    task, batch = _task(), _batch()
    soft = np.random.default_rng(1).dirichlet(np.ones(K), 16).astype(np.float32)
    state = task.init(np.uint32(0), batch)
    mixed = batch | {"label": soft}
    _, metrics = jax.jit(task.train_step)(state, mixed)
    logits = _logits(state, batch["x"])
    expected = _cross_entropy(logits, soft, batch["mask"])
    np.testing.assert_allclose(_average(metrics), expected, rtol=1e-5)
    hit = (logits.argmax(-1) == soft.argmax(-1)).mean()
    np.testing.assert_allclose(_average(metrics, "accuracy"), hit, rtol=1e-6)


def test_one_hot_labels_equal_hard_ones():
    task, batch = _task(label_smoothing=0.1), _batch()
    state = task.init(np.uint32(0), batch)
    hot = batch | {"label": np.eye(K, dtype=np.float32)[batch["label"]]}
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6),
        task.train_step(state, batch)[1],
        task.train_step(state, hot)[1],
    )


def test_top_5_is_reported_above_5_classes_only():
    batch = _batch(masked=True)
    task = _task()
    state = task.init(np.uint32(0), batch)
    metrics = task.eval_step(state, batch)
    order = np.argsort(-_logits(state, batch["x"]), axis=-1)[:, :5]
    hit = (order == batch["label"][:, None]).any(-1) * batch["mask"]
    assert float(metrics["accuracy_top5"][0]) == hit.sum()
    few = _task(Linear(num_classes=5))
    batch["label"] %= 5
    assert "accuracy_top5" not in few.eval_step(few.init(np.uint32(0), batch), batch)


def test_predictions_are_probabilities_of_the_averaged_parameters():
    batch = _batch()
    task = _task(options=gradient.Options(ema_decay=0.9))
    state = task.init(np.uint32(0), batch)
    state, _ = jax.jit(task.train_step)(state, batch)
    probability = task.predict(state, batch)["probability"]
    averaged = state.replace(params=state.ema_params)
    logits = _logits(averaged, batch["x"])
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    np.testing.assert_allclose(probability, expected, rtol=1e-5)
    assert probability.dtype == jnp.float32
    loss = _average(task.eval_step(state, batch))
    np.testing.assert_allclose(
        loss,
        _cross_entropy(logits, np.eye(K)[batch["label"]], batch["mask"]),
        rtol=1e-5,
    )


def test_batch_statistics_follow_the_training_batches_and_rest_in_evaluation():
    batch = _batch()
    task = _task(Normed())
    state = task.init(np.uint32(0), batch)
    new, _ = jax.jit(task.train_step)(state, batch)
    statistics = new.model_state["batch_stats"]["bn"]
    x = batch["x"].astype(np.float64)
    np.testing.assert_allclose(statistics["mean"], 0.1 * x.mean(0), rtol=1e-5)
    np.testing.assert_allclose(statistics["var"], 0.9 + 0.1 * x.var(0), rtol=1e-5)
    before = jax.tree.map(np.asarray, new.model_state)
    first, second = task.eval_step(new, batch), task.eval_step(new, batch)
    jax.tree.map(np.testing.assert_array_equal, first, second)  # dropout is off
    jax.tree.map(np.testing.assert_array_equal, before, new.model_state)


def test_accumulation_passes_batch_statistics_on_from_part_to_part():
    batch = _batch()
    task = _task(Normed(), gradient.Options(accumulate=2))
    state = task.init(np.uint32(0), batch)
    new, _ = jax.jit(task.train_step)(state, batch)
    mean = np.zeros(WIDTH)
    for part in (batch["x"][0::2], batch["x"][1::2]):
        mean = 0.9 * mean + 0.1 * part.mean(0)
    statistics = new.model_state["batch_stats"]["bn"]
    np.testing.assert_allclose(statistics["mean"], mean, rtol=1e-5)


def test_bfloat16_logits_give_a_float32_loss_and_float32_parameters():
    batch = _batch()
    task = _task(Linear(dtype=jnp.bfloat16))
    state = task.init(np.uint32(0), batch)
    new, metrics = jax.jit(task.train_step)(state, batch)
    assert metrics["loss"][0].dtype == jnp.float32
    assert {x.dtype for x in jax.tree.leaves(new.params)} == {jnp.dtype("float32")}
    expected = _cross_entropy(
        _logits(state, batch["x"]), np.eye(K)[batch["label"]], batch["mask"]
    )
    np.testing.assert_allclose(_average(metrics), expected, rtol=2e-2)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_label_smoothing_out_of_range_is_refused(smoothing):
    with pytest.raises(ValueError) as error:
        _task(label_smoothing=smoothing)
    assert str(error.value) == (
        f"label_smoothing must be in [0, 1), got {smoothing}; 0.1 is usual"
    )

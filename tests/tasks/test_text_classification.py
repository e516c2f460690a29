"""Classification and scoring of text against numpy, and what models are given."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.data import source
from research.tasks import gradient, text_classification

V, T, B = 11, 6, 8


class Bag(nn.Module):
    """Logits are a linear map of the mean embedding of the real tokens."""

    num_classes: int = 3

    @nn.compact
    def __call__(self, tokens, *, mask=None, train: bool):
        x = nn.Embed(V, 5)(tokens) * mask[..., None]
        return nn.Dense(self.num_classes)(x.sum(1) / mask.sum(1, keepdims=True))


class Named(nn.Module):
    """Takes BERT's arguments and shows them."""

    @nn.compact
    def __call__(self, tokens, *, token_type_ids=None, attention_mask=None, train):
        scale = self.param("scale", nn.initializers.ones, (1,))
        seen = jnp.stack([token_type_ids.sum(1), attention_mask.sum(1)], axis=1)
        return {"pooled": seen, "logits": seen * scale[None]}


def _task(model=None, **fields):
    return text_classification.build(
        model or Bag(), optax.adam(0.05), gradient.Options(), **fields
    )


def _batch(kind=np.int32):
    rng = np.random.default_rng(0)
    length = rng.integers(1, T + 1, B).astype(np.int32)
    real = np.arange(T) < length[:, None]
    return {
        "token": (rng.integers(1, V, (B, T)) * real).astype(np.int32),
        "type": (real & (np.arange(T) > 2)).astype(np.int32),
        "length": length,
        "label": rng.integers(0, 3, B).astype(kind),
        "mask": np.array([1] * 6 + [0] * 2, np.float32),
    }


def _average(metrics, name="loss"):
    return float(metrics[name][0]) / float(metrics[name][1])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_loss_is_the_cross_entropy_of_real_examples(smoothing):
    task, batch = _task(label_smoothing=smoothing), _batch()
    state = task.init(np.uint32(0), batch)
    p = np.asarray(task.predict(state, batch)["probability"], np.float64)[:6]
    target = np.eye(3)[batch["label"][:6]] * (1 - smoothing) + smoothing / 3
    _, metrics = jax.jit(task.train_step)(state, batch)
    expected = -(target * np.log(p)).sum(1).mean()
    assert _average(metrics) == pytest.approx(expected, rel=1e-5)
    right = (p.argmax(1) == batch["label"][:6]).mean()
    assert _average(task.eval_step(state, batch), "accuracy") == pytest.approx(right)


def test_scores_are_fitted_by_the_squared_error():
    task, batch = _task(Bag(num_classes=1)), _batch(np.float32)
    state = task.init(np.uint32(0), batch)
    predicted = np.asarray(task.predict(state, batch)["score"])
    assert predicted.shape == (B,)
    metrics = task.eval_step(state, batch)
    expected = ((predicted - batch["label"])[:6] ** 2).mean()
    assert set(metrics) == {"loss"}
    assert _average(metrics) == pytest.approx(expected, rel=1e-5)


def test_padding_changes_nothing():
    task, batch = _task(), _batch()
    state = task.init(np.uint32(0), batch)
    other = dict(batch)
    real = np.arange(T) < batch["length"][:, None]
    other["token"] = np.where(real, batch["token"], 3).astype(np.int32)
    for a, b in zip(
        task.predict(state, batch).values(),
        task.predict(state, other).values(),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


def test_a_model_gets_what_its_arguments_name():
    task, batch = _task(Named()), _batch()
    state = task.init(np.uint32(0), batch)
    logits = np.log(np.asarray(task.predict(state, batch)["probability"], np.float64))
    seen = np.stack([batch["type"].sum(1), batch["length"]], axis=1)
    np.testing.assert_allclose(logits[:, 1] - logits[:, 0], seen @ [-1, 1], atol=1e-4)


def test_it_learns():
    task, batch = _task(), _batch()
    state, step = task.init(np.uint32(0), batch), jax.jit(task.train_step)
    for _ in range(60):
        state, metrics = step(state, batch)
    assert _average(metrics, "accuracy") == 1


def test_scores_of_a_split():
    task = _task()
    label = np.array([0, 1, 1, 0], np.int32)
    predictions = {"probability": np.eye(2)[[0, 1, 0, 0]]}
    found = task.score(predictions, source.Arrays({"label": label}))
    assert found == {"matthews": pytest.approx(0.5773503)}
    graded = source.Arrays({"label": np.array([0.0, 1.0, 5.0], np.float32)})
    found = task.score({"score": np.array([0.1, 0.2, 0.3])}, graded)
    assert found == {"pearson": pytest.approx(0.9449112), "spearman": pytest.approx(1)}
    assert set(text_classification.SCORES) == {"matthews", "pearson", "spearman"}


def test_a_bad_smoothing_is_one_sentence():
    with pytest.raises(ValueError) as error:
        _task(label_smoothing=1.0)
    assert (
        str(error.value) == "label_smoothing must be in [0, 1), got 1.0; 0.1 is usual"
    )

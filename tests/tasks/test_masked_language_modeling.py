"""Masked language modeling: loss, determinism of evaluation, and that it is learnt."""

import jax
import numpy as np
import optax
import pytest

from research.data import masked_text, tokenization
from research.models import bert
from research.tasks import gradient, masked_language_modeling

DOCUMENTS = [
    ["the cat sees the dog", "the dog sees the cat", "it runs"],
    ["one two three four five", "two three four five six"],
    ["a bird sings", "the bird sees a cat", "a dog sings", "it runs"],
]


@pytest.fixture(scope="module")
def examples():
    special = ("<pad>", "<unk>", "<cls>", "<sep>", "<mask>")
    words = [sentence for document in DOCUMENTS for sentence in document]
    tokenizer = tokenization.create("word", words, special=special)
    return masked_text.MaskedText(tokenizer, DOCUMENTS, length=24, pairs=True, passes=4)


def _task(examples, tx=None, **fields):
    model = bert.build(
        "debug",
        num_classes=0,
        vocab_size=examples.spec.sizes["vocab_size"],
        dropout=0.0,
        **fields.pop("model", {}),
    )
    return masked_language_modeling.build(
        model, tx or optax.adam(1e-2), gradient.Options(), **fields
    )


def _batch(examples, rows=None):
    rows = np.arange(len(examples)) if rows is None else rows
    return examples.gather(rows) | {"mask": np.ones(len(rows), np.float32)}


def _average(metrics, name="loss"):
    return float(metrics[name][0]) / float(metrics[name][1])


def test_the_loss_is_that_of_the_hidden_tokens(examples):
    task, batch = _task(examples), _batch(examples)
    state = jax.jit(task.init)(np.uint32(0), batch)
    found = jax.tree.map(np.asarray, jax.jit(task.predict)(state, batch))
    batch["mask"][3:] = 0
    metrics = jax.jit(task.eval_step)(state, batch)
    used = (found["weight"] > 0) & (batch["mask"] > 0)[:, None]
    assert float(metrics["loss"][1]) == used.sum()
    right = (found["predicted"] == found["target"])[used].mean()
    assert _average(metrics, "accuracy") == pytest.approx(right)
    assert float(metrics["nsp_loss"][1]) == 3
    assert task.derive({"loss": 2.0})["perplexity"] == pytest.approx(np.exp(2))


def test_evaluation_hides_the_same_in_any_order(examples):
    task, batch = _task(examples), _batch(examples)
    state = jax.jit(task.init)(np.uint32(0), batch)
    once = jax.jit(task.predict)(state, batch)
    turned = jax.jit(task.predict)(state, {k: v[::-1] for k, v in batch.items()})
    for name in ("token", "position", "target"):
        np.testing.assert_array_equal(once[name], np.asarray(turned[name])[::-1])


@pytest.mark.slow
def test_it_learns_and_hides_anew_in_every_step(examples):
    task, batch = _task(examples, whole_words=True), _batch(examples, np.arange(8))
    state, step = jax.jit(task.init)(np.uint32(0), batch), jax.jit(task.train_step)
    state, first = step(state, batch)
    assert _average(first, "objective") == pytest.approx(
        _average(first) + _average(first, "nsp_loss"), rel=1e-5
    )
    for _ in range(60):
        state, metrics = step(state, batch)
    assert _average(metrics) < 0.75 * _average(first)
    assert _average(metrics, "nsp_accuracy") > 0.9


def test_mistakes_are_one_sentence(examples):
    with pytest.raises(ValueError) as error:
        _task(examples, rate=0.0)
    assert str(error.value) == "task.rate must be in (0, 1), got 0.0; 0.15 is usual"
    with pytest.raises(ValueError) as error:
        _task(examples, model=dict(mlm_head=False))
    assert str(error.value) == (
        "masked language modeling needs a model with an MLM head, got BERT without; "
        "set config.model.mlm_head=True"
    )
    task, batch = _task(examples, model=dict(nsp_head=False)), _batch(examples)
    state = jax.eval_shape(task.init, np.uint32(0), batch)
    with pytest.raises(ValueError) as error:
        jax.eval_shape(task.eval_step, state, batch)
    assert str(error.value) == (
        "config.model.nsp_head=False must agree with config.data.pairs=True; change "
        "one of them"
    )

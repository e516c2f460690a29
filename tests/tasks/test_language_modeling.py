"""Language modeling against sums in numpy, and streams against the whole text."""

import dataclasses
import math
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.data import pipeline, windows
from research.models import gpt
from research.tasks import gradient, language_modeling

V, T, B, H = 7, 6, 4, 5


class Remembering(nn.Module):
    """h' = tanh(E token + U h), logits = W h: the smallest model with a carry."""

    vocab_size: int = V

    @nn.compact
    def __call__(self, token, *, carry=None, mask=None, train: bool) -> Any:
        h = self.initial_carry(len(token)) if carry is None else carry
        x = nn.Embed(self.vocab_size, H, name="embed")(token)
        u = self.param("u", nn.initializers.normal(1.0), (H, H))
        outputs = []
        for t in range(token.shape[1]):
            h = jnp.tanh(x[:, t] + h @ u)
            outputs.append(h)
        y = jnp.stack(outputs, 1)
        self.sow("intermediates", "output", y)
        self.sow("intermediates", "dropped_output", 0.5 * y)
        logits = nn.Dense(self.vocab_size, name="head")(y)
        return logits if carry is None else (logits, h)

    def initial_carry(self, batch_size, length=None):
        return jnp.zeros((batch_size, H))


def _task(options=None, tx=None, **fields):
    options = options or gradient.Options()
    tx = tx or optax.sgd(0.1)
    return language_modeling.build(Remembering(), tx, options, **fields)


def _batch(seed=0, holes=True):
    rng = np.random.default_rng(seed)
    token = rng.integers(0, V, (B, T + 1)).astype(np.int32)
    if holes:
        token[1, 4:] = -1
    mask = np.array([1, 1, 1, 0], np.float32)
    return {"token": token, "mask": mask, "start": np.zeros(B, bool)}


def _likelihoods(params, token):
    """log p of every next token of one row, in numpy."""
    p = jax.tree.map(np.asarray, params)
    h, found = np.zeros(H), []
    for now, then in zip(token[:-1], token[1:], strict=True):
        h = np.tanh(p["embed"]["embedding"][now] + h @ p["u"])
        logits = h @ p["head"]["kernel"] + p["head"]["bias"]
        found.append(logits[then] - np.log(np.exp(logits).sum()))
    return found


def test_the_loss_is_the_mean_over_real_tokens():
    task, batch = _task(), _batch()
    state = task.init(np.uint32(0), batch)
    rows = [batch["token"][0], batch["token"][1][:4], batch["token"][2]]
    found = [x for row in rows for x in _likelihoods(state.params, row)]
    for metrics in (task.eval_step(state, batch), task.train_step(state, batch)[1]):
        total, count = metrics["loss"]
        assert count == len(found) == 6 + 3 + 6
        np.testing.assert_allclose(total, -sum(found), rtol=1e-5)


def test_perplexity_and_bits_follow_from_the_loss():
    derived = _task(unit="character").derive({"loss": 2.0})
    assert derived == {
        "loss": 2.0,
        "perplexity": math.exp(2.0),
        "bits_per_character": 2.0 / math.log(2),
    }
    assert _task().derive({"loss": 1e4})["perplexity"] == math.inf


def test_a_loss_per_sequence_scales_the_gradient_by_the_tokens_of_one():
    batch = _batch(holes=False)
    made = {}
    for per in ("token", "sequence"):
        task = _task(per=per)
        state = task.init(np.uint32(0), batch)
        after, metrics = task.train_step(state, batch)
        made[per] = jax.tree.map(jnp.subtract, state.params, after.params)
        assert metrics["loss"][1] == 3 * T
    for a, b in zip(*map(jax.tree.leaves, made.values()), strict=True):
        np.testing.assert_allclose(T * a, b, rtol=1e-4, atol=1e-6)


def test_activation_and_slowness_penalties_enter_the_objective_only():
    batch = _batch(holes=False)
    task = _task(activation_penalty=2.0, slowness_penalty=3.0)
    state = task.init(np.uint32(0), batch)
    _, metrics = task.train_step(state, batch)
    _, plain = _task().train_step(state, batch)
    np.testing.assert_allclose(metrics["loss"][0], plain["loss"][0], rtol=1e-6)
    _, seen = task.model.apply(
        {"params": state.params},
        batch["token"][:, :-1],
        train=True,
        mutable="intermediates",
    )
    y = np.asarray(seen["intermediates"]["output"][0], np.float64)
    penalty = 2 * np.mean((y / 2) ** 2) + 3 * np.mean((y[:, 1:] - y[:, :-1]) ** 2)
    total, count = metrics["objective"]
    expected = plain["loss"][0] + count * penalty
    np.testing.assert_allclose(total, expected, rtol=1e-5)


def test_training_goes_on_from_the_carry_and_begins_again_where_a_stream_does():
    task = _task(carry=True, tx=optax.sgd(0.0))
    first, second = _batch(0, holes=False), _batch(1, holes=False)
    first["mask"][:] = second["mask"][:] = 1
    second["token"][:, 0] = first["token"][:, -1]
    second["start"] = np.array([False, False, True, False])
    state = task.init(np.uint32(0), first)
    state, _ = task.train_step(state, first)
    state, metrics = task.train_step(state, second)
    found = 0.0
    for row in range(B):
        own = second["token"][row]
        if second["start"][row]:
            found += sum(_likelihoods(state.params, own))
        else:
            whole = np.concatenate([first["token"][row], own[1:]])
            found += sum(_likelihoods(state.params, whole)[T:])
    np.testing.assert_allclose(metrics["loss"][0], -found, rtol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_an_evaluation_by_streams_equals_the_whole_text(size):
    text = np.random.default_rng(3).integers(0, V, 45).astype(np.int32)
    examples = windows.Windows(
        [text], length=T, fill=True, contiguous=True, vocabulary_size=V
    )
    task = _task(carry=True)
    state = task.init(np.uint32(0), _batch())
    carry, total, count = task.init_carry(size), 0.0, 0
    for batch in pipeline.eval_batches(examples, size):
        metrics, carry = task.eval_step(state, batch, carry)
        total, count = total + metrics["loss"][0], count + metrics["loss"][1]
    assert count == len(text) - 1
    share = -(-len(examples) // size) * T  # tokens asked for in one stream
    found = [
        x
        for first in range(0, len(text) - 1, share)
        for x in _likelihoods(state.params, text[first : first + share + 1])
    ]
    np.testing.assert_allclose(total, -sum(found), rtol=1e-5)


def test_it_goes_on_with_the_first_half_of_a_text():
    task, batch = _task(temperature=0.0), _batch(holes=False)
    state = task.init(np.uint32(0), batch)
    drawn = np.asarray(task.predict(state, batch)["token"])
    assert drawn.shape == (B, T + 1)
    np.testing.assert_array_equal(drawn[:, :4], batch["token"][:, :4])
    for row in drawn:  # greedy: each drawn token is the likeliest
        for t in range(4, T + 1):
            others = [_likelihoods(state.params, [*row[:t], v])[-1] for v in range(V)]
            assert row[t] == np.argmax(others)


@pytest.mark.parametrize(
    ("fields", "options", "message"),
    [
        (
            dict(per="batch"),
            {},
            "unknown task.per 'batch'; use one of token, sequence",
        ),
        (
            dict(unit="letter"),
            {},
            "unknown task.unit 'letter'; use one of token, character, byte, word",
        ),
        (
            dict(temperature=-1.0),
            {},
            "sampling needs temperature at least 0 (greedy), got -1.0; correct it",
        ),
        (
            dict(slowness_penalty=-0.5),
            {},
            "config.task.slowness_penalty must be at least 0, got -0.5; correct it",
        ),
        (
            dict(shown=0),
            {},
            "config.task.shown must be at least 1, got 0; correct it",
        ),
        (
            dict(carry=True),
            dict(accumulate=2),
            "train.accumulate=2 splits the streams that task.carry reads on in; set it "
            "to 1 or use a smaller batch",
        ),
    ],
)
def test_a_bad_choice_is_one_sentence(fields, options, message):
    with pytest.raises(ValueError) as error:
        _task(gradient.Options(**options), **fields)
    assert str(error.value) == message


def test_a_carry_needs_a_model_that_reads_on_without_end():
    with pytest.raises(ValueError) as error:
        language_modeling.build(
            gpt.build("debug", context=9),
            optax.sgd(0.1),
            gradient.Options(),
            carry=True,
        )
    assert str(error.value) == (
        "config.task.carry=True reads on without end, but GPT holds context=9 tokens "
        "at most; set it to False, or use config.model.name=rnn"
    )


class Silent(Remembering):
    """The same without telling its outputs, as a Transformer."""

    def sow(self, *_, **__):
        return False


def test_penalties_need_the_outputs_of_a_recurrent_network():
    task, batch = _task(activation_penalty=2.0), _batch()
    task = dataclasses.replace(task, model=Silent())
    state = task.init(np.uint32(0), batch)
    with pytest.raises(ValueError) as error:
        task.train_step(state, batch)
    assert str(error.value) == (
        "config.task.activation_penalty and slowness_penalty act on the outputs of a "
        "recurrent network, got Silent; set both to 0 or use config.model.name=rnn"
    )


def test_a_carry_needs_streams():
    task, batch = _task(carry=True), _batch()
    state = task.init(np.uint32(0), batch)
    del batch["start"]
    with pytest.raises(ValueError) as error:
        task.train_step(state, batch)
    assert str(error.value) == (
        "config.task.carry=True goes on from batch to batch, which needs streams of "
        "text; set config.data.contiguous=True as well"
    )

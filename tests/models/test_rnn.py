"""Recurrent networks: what they read, drop, mask and hand on."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import rnn

SENTENCE = [[3, 4, 5, 6, 7, 2], [3, 4, 5, 0, 0, 0]]


def _build(variant, **fields):
    """Builds a model that is traced quickly."""
    return rnn.build(variant, **{"kernels": "native", "widths": (5,)} | fields)


def _init(model, *inputs):
    init = jax.jit(functools.partial(model.init, train=False))
    return init(jax.random.key(0), *inputs)


def _run(model, variables, x, *, train=False, seed=0, **named):
    def run(variables, x, named):
        rngs = {"dropout": jax.random.key(seed)}
        return model.apply(variables, x, train=train, rngs=rngs, **named)

    return jax.jit(run)(variables, x, named)


def _close(a, b):
    np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


def test_a_text_may_be_read_word_by_word():
    model, token = _build("debug", embedding=5), jnp.asarray(SENTENCE)
    variables = _init(model, token)
    whole = _run(model, variables, token)
    carry, logits = model.initial_carry(2), []
    for t in range(token.shape[1]):
        step, carry = _run(model, variables, token[:, t : t + 1], carry=carry)
        logits.append(step)
    _close(jnp.concatenate(logits, axis=1), whole)


def test_prompts_may_be_padded_on_the_left():
    model, token = _build("debug", embedding=5), jnp.asarray(SENTENCE[:1])
    variables = _init(model, token)
    padded = jnp.concatenate([jnp.asarray([[9, 9]]), token], axis=1)
    mask = jnp.arange(8)[None] >= 2
    _close(
        _run(model, variables, padded, mask=mask)[:, 2:], _run(model, variables, token)
    )


def test_the_logits_are_those_of_the_embedding_when_tied():
    model, token = _build("debug", embedding=5), jnp.asarray(SENTENCE)
    params = _init(model, token)["params"]
    assert set(params) == {"embedding", "rnn", "head_bias"}
    untied = _build("debug", tied=False, embedding=5)
    table = params["embedding"]["embedding"]
    bias = params["head_bias"] + jnp.arange(11.0)
    head = {"kernel": table.T, "bias": bias}
    kept = {"embedding": params["embedding"], "rnn": params["rnn"]}
    _close(
        _run(model, {"params": kept | {"head_bias": bias}}, token),
        _run(untied, {"params": kept | {"head": head}}, token),
    )


def test_a_word_that_is_left_out_is_left_out_everywhere():
    """With the recurrence cut off, an output tells of its own word alone."""
    fields = dict(dropout=0.0, embedding_dropout=0.5, variational=True)
    model, token = (
        _build("debug", tied=False, **fields),
        jnp.tile(jnp.arange(11), (2, 2)),
    )
    variables = _init(model, token)
    layer = variables["params"]["rnn"]["layer1"]
    layer["recurrent_kernel"] = 0 * layer["recurrent_kernel"]
    layer["input"]["bias"] = layer["input"]["bias"].at[5:10].set(-50.0)  # forgets
    logits = _run(model, variables, token, train=True)
    _close(logits[0], logits[1])
    _close(logits[:, :11], logits[:, 11:])
    distinct = {round(float(logits[0, t, 0]), 5) for t in range(11)}
    assert 1 < len(distinct) < 11  # those left out are all alike


@pytest.mark.parametrize("pool", rnn.POOLS)
def test_padding_does_not_count(pool):
    model = _build("debug_classifier", pool=pool)
    token = jnp.asarray([*SENTENCE, [0] * 6])
    variables = _init(model, token)

    @jax.jit
    def run(variables):
        apply = functools.partial(model.apply, variables, train=False)
        return apply(token[1:2, :3]), apply(token), apply(token, mask=token != 0)

    alone, padded, said = run(variables)
    _close(padded[1:2, :3] if pool == "none" else padded[1:2], alone)
    _close(said, padded)
    assert np.isfinite(padded).all()


def test_steps_without_a_pool_are_dropped_once():
    """What is kept is divided by 1 - 0.5 once, and half of the units are kept."""
    model = _build("debug_classifier", pool="none", num_classes=0, dropout=0.5)
    token = jnp.tile(jnp.asarray(SENTENCE[:1]), (50, 1))
    variables = _init(model, token)
    params = variables["params"]
    # Bare biases: every output is the same with dropped and with kept inputs.
    for layer in params["rnn"].values():
        layer["recurrent_kernel"] = 0 * layer["recurrent_kernel"]
        layer["input"]["kernel"] = 0 * layer["input"]["kernel"]
        layer["input"]["bias"] = layer["input"]["bias"] + 1.0
    resting = _run(model, variables, token)
    y = np.asarray(_run(model, variables, token, train=True))
    kept = y != 0
    assert 0.45 < kept.mean() < 0.55
    np.testing.assert_allclose(y[kept], np.asarray(2 * resting)[kept], rtol=1e-5)


def test_pixels_are_read_row_by_row_or_in_one_fixed_order():
    image = jnp.arange(12.0).reshape(1, 3, 4, 1)
    assert rnn.pixels(image)[0, :, 0].tolist() == list(range(12))
    drawn = rnn.pixels(image, 3)[0, :, 0].tolist()
    assert drawn == rnn.pixels(image, 3)[0, :, 0].tolist() != list(range(12))
    assert sorted(drawn) == list(range(12))
    assert drawn != rnn.pixels(image, 4)[0, :, 0].tolist()
    model = _build("mnist_gru")
    variables = _init(model, image)
    _close(
        _run(model, variables, image), _run(model, variables, image.reshape(1, 12, 1))
    )
    other = _build("mnist_gru", permutation=3)
    assert not jnp.allclose(
        _run(model, variables, image), _run(other, variables, image)
    )


def test_unknown_words_in_training_only():
    model = _build("debug_classifier", word_dropout=0.5, dropout=0.0)
    token = jnp.asarray(SENTENCE)
    variables = _init(model, token)
    resting = _run(model, variables, token)
    assert not jnp.array_equal(resting, _run(model, variables, token, train=True))
    _close(resting, _run(model, variables, token, seed=1))


def test_a_classifier_goes_on_from_a_carry():
    model = _build("debug_classifier", bidirectional=False, pool="last")
    token = jnp.asarray(SENTENCE)
    variables = _init(model, token)
    _, carry = _run(model, variables, token[:, :2], carry=model.initial_carry(2))
    outputs, _ = _run(model, variables, token[:, 2:], carry=carry)
    _close(outputs, _run(model, variables, token))


def test_mistakes_are_one_sentence():
    with pytest.raises(ValueError) as error:
        rnn.build("awd", embedding=300)
    assert str(error.value) == (
        "a tied head needs a last layer as wide as the embedding, got widths (1150, "
        "1150, 400) and embedding=300; make them equal"
    )
    with pytest.raises(ValueError) as error:
        rnn.build("sst2", pool="first")
    assert str(error.value) == (
        "unknown pool 'first'; use one of last, mean, max, attention, none"
    )

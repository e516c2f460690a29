"""Texts written with a cache equal those written by computing everything anew."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import gpt
from research.tasks import generation, sampling
from research.tasks.sampling import Sampling


@pytest.fixture(scope="module")
def net():
    model = gpt.build("debug", context=16, tied=False, vocab_size=97)
    variables = model.init(jax.random.key(0), jnp.zeros((1, 4), jnp.int32), train=False)
    # Far from ties, and from saying one thing again and again.
    return model, jax.tree.map(
        lambda leaf: leaf * (15 if leaf.ndim > 1 else 1), variables
    )


PROMPT = jnp.asarray([[3, 1, 4, 1], [0, 0, 5, 9]])
MASK = jnp.asarray([[True] * 4, [False, False, True, True]])


def _anew(model, variables, prompt, count):
    """Greedy, one row, no cache, looking at the last half of the context once full."""
    tokens = list(prompt)
    seen = len(tokens)
    run = jax.jit(partial(model.apply, train=False))
    for _ in range(count):
        if seen > model.context:
            seen = model.context // 2
        window = tokens[-seen:] + [0] * (model.context - seen)
        logits = run(variables, jnp.asarray([window]))
        tokens.append(int(logits[0, seen - 1].argmax()))
        seen += 1
    return tokens[len(prompt) :]


@pytest.mark.parametrize(
    "count", [pytest.param(1, marks=pytest.mark.slow), 12, 40]
)  # at once, within the context, past it
def test_greedy_equals_computing_everything_anew(net, count):
    model, variables = net
    write = jax.jit(partial(generation.generate, model, max_tokens=count))
    tokens = write(variables, PROMPT, mask=MASK, key=jax.random.key(0))
    assert tokens.shape == (2, count) and tokens.dtype == jnp.int32
    assert count == 1 or len(np.unique(tokens)) > 5
    assert tokens[0].tolist() == _anew(model, variables, [3, 1, 4, 1], count)
    if count < 40:  # a row with padding fills the cache with it
        assert tokens[1].tolist() == _anew(model, variables, [5, 9], count)


@pytest.mark.slow
def test_rows_stop_alone(net):
    model, variables = net
    free = generation.generate(
        model, variables, PROMPT, mask=MASK, max_tokens=10, key=jax.random.key(0)
    )
    stop = int(free[0, 3])
    ended = generation.generate(
        model,
        variables,
        PROMPT,
        mask=MASK,
        max_tokens=10,
        stop=stop,
        key=jax.random.key(0),
    )
    for before, after in zip(free.tolist(), ended.tolist(), strict=True):
        end = before.index(stop) + 1 if stop in before else 10
        assert after == before[:end] + [stop] * (10 - end)


@pytest.mark.slow
def test_draws_depend_on_the_seed_alone_and_pieces_equal_the_whole(net):
    model, variables = net
    how = Sampling(1.0, top_k=8)

    def write(prompt, seed, mask=None):
        return generation.generate(
            model,
            variables,
            prompt,
            mask=mask,
            max_tokens=9,
            how=how,
            key=jax.random.key(seed),
        ).tolist()

    whole = write(PROMPT, 1, MASK)
    assert whole == write(PROMPT, 1, MASK) != write(PROMPT, 2, MASK)
    writing = generation.begin(
        model, variables, PROMPT, mask=MASK, more=9, key=jax.random.key(1)
    )
    pieces = []
    for count in (4, 5):
        step = jax.jit(partial(generation.go_on, model, how=how), static_argnums=2)
        piece, writing = step(variables, writing, count)
        pieces.append(piece)
    assert np.concatenate(pieces, axis=1).tolist() == whole


def test_the_prompt_is_read_once_and_no_unused_logits_are_made(net):
    """The whole program has one product with the vocabulary, of one token a row."""
    model, variables = net
    write = jax.jit(partial(generation.generate, model, max_tokens=5))
    text = write.lower(variables, PROMPT, key=jax.random.key(0)).compile().as_text()
    assert "f32[2,1,97]" in text or "f32[2,97]" in text
    assert "f32[2,3,97]" not in text and "f32[6,97]" not in text


def test_impossible_prompts_are_refused(net):
    model, variables = net

    def message(prompt):
        with pytest.raises(ValueError) as error:
            generation.generate(
                model,
                variables,
                prompt,
                max_tokens=3,
                how=sampling.GREEDY,
                key=jax.random.key(0),
            )
        return str(error.value)

    assert message(jnp.zeros((1, 0), jnp.int32)) == (
        "a prompt needs at least one token, got none; give some text, or the token "
        "that stands between texts"
    )
    assert message(jnp.zeros((1, 20), jnp.int32)) == (
        "gpt has positions for 16 tokens, got a text of 20; shorten it, or build the "
        "model with context=20"
    )

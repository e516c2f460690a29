"""Greedy and beam search against plain Python on a tiny recurrent network."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.tasks import decoding

BATCH, VOCABULARY, WIDTH, LENGTH = 3, 4, 5, 4
START, END = 0, 3


@functools.cache
def _weights():
    rng = np.random.default_rng(12)
    shapes = ((VOCABULARY, WIDTH), (WIDTH, WIDTH), (WIDTH, VOCABULARY))
    return tuple(rng.normal(0, 1.2, shape).astype(np.float32) for shape in shapes)


def _step(token, carry):
    """A recurrent network; its carry also counts, once for all rows."""
    embedding, recurrent, head = map(jnp.asarray, _weights())
    h = jnp.tanh(embedding[token] + carry["h"] @ recurrent)
    return h @ head, {"h": h, "row": carry["row"], "count": carry["count"] + 1}


def _carry():
    h = np.random.default_rng(5).normal(0, 2, (BATCH, WIDTH)).astype(np.float32)
    return {"h": jnp.asarray(h), "row": jnp.arange(BATCH), "count": jnp.int32(0)}


def _start():
    return jnp.full((BATCH,), START, jnp.int32)


def _log_p(row: int, written: tuple[int, ...]) -> np.ndarray:
    """Log probabilities of the next token of an example, in float64."""
    embedding, recurrent, head = (w.astype(np.float64) for w in _weights())
    h = np.asarray(_carry()["h"][row], np.float64)
    for token in (START, *written):
        h = np.tanh(embedding[token] + h @ recurrent)
    logits = h @ head
    return logits - np.log(np.exp(logits).sum())


def _total(row: int, tokens: tuple[int, ...]) -> float:
    return sum(_log_p(row, tokens[:i])[token] for i, token in enumerate(tokens))


def _padded(tokens) -> np.ndarray:
    return np.array([*tokens, *[decoding.PADDING] * (LENGTH - len(tokens))])


def _hypotheses(length: int):
    """Lists all that reach their end within `length` tokens or are cut off there."""
    others = [token for token in range(VOCABULARY) if token != END]
    for count in range(length):
        for tokens in itertools.product(others, repeat=count):
            yield (*tokens, END)
    yield from itertools.product(others, repeat=length)


@functools.partial(jax.jit, static_argnames=("beams", "length", "alpha"))
def _beam(carry, beams, length=LENGTH, alpha=0.0):
    return decoding.beam(
        _step, carry, _start(), end=END, length=length, beams=beams, alpha=alpha
    )


@functools.partial(jax.jit, static_argnames="length")
def _greedy(carry, length=LENGTH):
    return decoding.greedy(_step, carry, _start(), end=END, length=length)


def test_greedy_equals_python():
    tokens = np.asarray(_greedy(_carry()))
    for row in range(BATCH):
        written = ()
        while len(written) < LENGTH and END not in written:
            written += (int(_log_p(row, written).argmax()),)
        np.testing.assert_array_equal(tokens[row], _padded(written))


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_a_wide_beam_finds_what_a_search_of_everything_finds(alpha):
    tokens, score = _beam(_carry(), VOCABULARY ** (LENGTH - 1), alpha=alpha)
    lengths = set()
    for row in range(BATCH):
        values = {
            y: _total(row, y) / ((5 + len(y)) / 6) ** alpha for y in _hypotheses(LENGTH)
        }
        best = max(values, key=values.get)
        np.testing.assert_array_equal(tokens[row], _padded(best))
        np.testing.assert_allclose(score[row], values[best], rtol=1e-5)
        lengths.add(len(best))
    assert len(lengths) > 1  # the examples are not all alike


def _python_beam(row: int, k: int, alpha: float) -> tuple[int, ...]:
    """Beam search with lists; never stops before the last position."""
    open_, done = [((), 0.0)], []
    for i in range(LENGTH):
        grown = [
            ((*tokens, token), score + value)
            for tokens, score in open_
            for token, value in enumerate(_log_p(row, tokens))
        ]
        grown = sorted(grown, key=lambda pair: -pair[1])[: 2 * k]
        done += [
            (tokens, score / ((6 + i) / 6) ** alpha)
            for tokens, score in grown[:k]
            if tokens[-1] == END
        ]
        open_ = [pair for pair in grown if pair[0][-1] != END][:k]
    done += [(tokens, score / ((5 + LENGTH) / 6) ** alpha) for tokens, score in open_]
    return max(done, key=lambda pair: pair[1])[0]


@pytest.mark.parametrize("alpha", [0.0, 1.0])
@pytest.mark.parametrize("beams", [1, 2, 3])
def test_a_narrow_beam_equals_python_and_may_stop_early(beams, alpha):
    tokens, _ = _beam(_carry(), beams, alpha=alpha)
    for row in range(BATCH):
        expected = _padded(_python_beam(row, beams, alpha))
        np.testing.assert_array_equal(tokens[row], expected)


def test_one_beam_without_penalty_is_greedy_search():
    tokens, _ = _beam(_carry(), 1, length=12)
    np.testing.assert_array_equal(tokens, _greedy(_carry(), length=12))


def test_without_an_end_the_best_hypothesis_is_cut_off():
    def never_ends(token, carry):
        logits, carry = _step(token, carry)
        return logits.at[:, END].set(-jnp.inf), carry

    tokens, score = decoding.beam(
        never_ends, _carry(), _start(), end=END, length=2, beams=9
    )
    for row in range(BATCH):
        pairs = itertools.product(range(END), repeat=2)

        def total(pair, row=row):
            first, second = _log_p(row, ())[:END], _log_p(row, pair[:1])[:END]
            return sum(
                p[token] - np.log(np.exp(p).sum())
                for p, token in zip((first, second), pair, strict=True)
            )

        best = max(pairs, key=total)
        np.testing.assert_array_equal(tokens[row], best)
        np.testing.assert_allclose(score[row], total(best), rtol=1e-5)


def test_the_answer_of_an_example_does_not_depend_on_its_neighbours():
    tokens, score = _beam(_carry(), 2, length=10, alpha=1.0)
    for row in range(BATCH):
        carry = _carry()
        carry |= {name: carry[name][row : row + 1] for name in ("h", "row")}
        alone, alone_score = decoding.beam(
            _step, carry, _start()[:1], end=END, length=10, beams=2, alpha=1.0
        )
        np.testing.assert_array_equal(alone[0], tokens[row])
        np.testing.assert_allclose(alone_score[0], score[row], rtol=1e-6)

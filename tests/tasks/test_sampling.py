"""Temperature, top-k and top-p, against a reference of a few lines and transformers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.tasks import sampling
from research.tasks.sampling import Sampling


def _logits(rows=3, size=40):
    generator = np.random.default_rng(0)
    return jnp.asarray(2 * generator.normal(size=(rows, size)), jnp.float32)


def _probabilities(logits, how):
    """The distribution over all tokens, from `narrow`."""
    kept, token = sampling.narrow(logits, how)
    p = np.zeros(logits.shape)
    np.put_along_axis(p, np.asarray(token), np.asarray(jax.nn.softmax(kept)), axis=1)
    return p


@pytest.mark.parametrize(
    "how",
    [
        Sampling(0.7),
        Sampling(1.3, top_k=5),
        Sampling(top_k=100),
        Sampling(top_p=0.6),
        Sampling(0.9, top_k=7, top_p=0.8),
        Sampling(top_p=1e-6),
    ],
    ids=str,
)
def test_the_distribution_is_that_of_transformers(how):
    torch = pytest.importorskip("torch", reason="the reference needs it")
    transformers = pytest.importorskip("transformers", reason="the reference")
    logits = _logits()
    process = transformers.LogitsProcessorList()
    process.append(transformers.TemperatureLogitsWarper(how.temperature))
    if how.top_k:
        process.append(transformers.TopKLogitsWarper(how.top_k))
    if how.top_p < 1:
        process.append(transformers.TopPLogitsWarper(how.top_p))
    there = process(None, torch.from_numpy(np.array(logits))).softmax(-1).numpy()
    np.testing.assert_allclose(_probabilities(logits, how), there, atol=1e-6)


def test_draws_follow_the_distribution():
    how, logits = Sampling(0.8, top_k=6, top_p=0.9), _logits(1, 10)
    keys = jax.random.split(jax.random.key(0), 20_000)
    drawn = jax.jit(sampling.draw, static_argnums=2)(
        keys, jnp.broadcast_to(logits, (len(keys), 10)), how
    )
    share = np.bincount(drawn, minlength=10) / len(keys)
    assert drawn.dtype == jnp.int32
    np.testing.assert_allclose(share, _probabilities(logits, how)[0], atol=0.015)


def test_greedy_takes_the_likeliest_and_rows_draw_alone():
    logits, keys = _logits(), jax.random.split(jax.random.key(0), 3)
    greedy = sampling.draw(keys, logits, sampling.GREEDY)
    assert greedy.tolist() == logits.argmax(-1).tolist()
    whole = sampling.draw(keys, logits, Sampling())
    alone = [
        sampling.draw(keys[i : i + 1], logits[i : i + 1], Sampling())[0]
        for i in range(3)
    ]
    assert whole.tolist() == [int(each) for each in alone]


@pytest.mark.parametrize(
    "fields, message",
    [
        (
            dict(temperature=-1.0),
            "sampling needs temperature at least 0 (greedy), got -1.0; correct it",
        ),
        (
            dict(top_k=-2),
            "sampling needs top_k at least 0 (all tokens), got -2; correct it",
        ),
        (
            dict(top_p=0.0),
            "sampling needs top_p above 0 and at most 1 (all tokens), got 0.0; "
            "correct it",
        ),
    ],
)
def test_numbers_outside_their_range_are_refused(fields, message):
    with pytest.raises(ValueError) as error:
        Sampling(**fields)
    assert str(error.value) == message

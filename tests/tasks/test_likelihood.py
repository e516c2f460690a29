"""Perplexity, and the sentence of a share that is none; a traced one passes."""

import math

import jax
import jax.numpy as jnp
import pytest

from research.tasks import likelihood


def test_perplexity_is_the_exponential_or_infinite():
    assert likelihood.perplexity(math.log(50)) == pytest.approx(50)
    assert likelihood.perplexity(1e4) == math.inf


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_a_share_out_of_range_is_one_sentence(share):
    with pytest.raises(ValueError) as error:
        likelihood.check_smoothing(share)
    assert str(error.value) == (
        f"label_smoothing must be in [0, 1), got {share}; 0.1 is usual"
    )


def test_a_traced_share_is_not_looked_at():
    jax.jit(likelihood.check_smoothing)(jnp.float32(0.1))

"""DiT's positions, gates and errors; tests/weights compares it with PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import dit


@pytest.mark.slow
def test_a_fresh_network_predicts_zero():
    """adaLN-Zero: gates and the last layer start at zero."""
    model = dit.build("debug")
    inputs = jnp.ones((2, 4, 4, 1)), jnp.array([1.0, 900.0]), jnp.array([0, 3])
    y, variables = model.init_with_output(jax.random.key(0), *inputs, train=False)
    assert y.shape == (2, 4, 4, 1) and not y.any()
    assert not variables["params"]["block1"]["modulation"]["kernel"].any()


def test_places_on_the_grid_differ_and_columns_come_first():
    table = dit.grid(3, 5, 16)
    assert table.shape == (15, 16)
    assert len(np.unique(table.round(6), axis=0)) == 15
    # Row 0: only the half for x changes; column 0: only that for y.
    assert (table[:5, 8:] == table[0, 8:]).all()
    assert (table[::5, :8] == table[0, :8]).all()
    np.testing.assert_allclose(table[4, 0], np.sin(4.0))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            dict(heads=3),
            "dit heads=3 and 4 must divide width=16; choose another number of heads or "
            "width",
        ),
        (
            dict(patch=3),
            "dit patch=3 must divide image size 8; use one of 1, 2, 4, 8",
        ),
    ],
)
def test_a_bad_size_is_one_sentence(fields, message):
    with pytest.raises(ValueError) as error:
        model = dit.build("debug", **fields)
        inputs = jnp.zeros((1, 8, 8, 1)), jnp.zeros(1), jnp.zeros(1, jnp.int32)
        jax.eval_shape(
            lambda *a: model.init(jax.random.key(0), *a, train=False), *inputs
        )
    assert str(error.value) == message

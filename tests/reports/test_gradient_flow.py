"""Gradients over a sequence against a direct computation, and their figure."""

import math
import pathlib
import re
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.models import rnn
from research.reports import gradient_flow
from research.tasks import classification, gradient, regression


def _batch(x, **target):
    return {"x": x, "mask": jnp.ones(len(x)), **target}


def test_norms_are_those_of_the_gradient_by_each_state():
    """A linear chain: h_t = U h_{t-1} + ..., so that |dL/dh_t| is known."""
    fields = dict(cell="elman", activation="relu", widths=(3,), kernels="native")
    model = rnn.build("adding_elman", **fields)
    task = regression.build(model, optax.sgd(0.1), gradient.Options(), input="x")
    batch = _batch(jnp.ones((2, 4, 2)), target=jnp.asarray([0.5, 2.0]))
    state = jax.jit(task.init)(0, batch)
    params = jax.tree.map(lambda leaf: jnp.abs(leaf) + 0.1, state.params)
    state = state.replace(params=params)
    output = np.asarray(task.predict(state, batch)["prediction"], np.float64)
    u = np.asarray(params["rnn"]["layer1"]["recurrent_kernel"], np.float64)
    slope = np.asarray(params["head"]["kernel"], np.float64)[:, 0]
    error = np.abs(2 * (output[:, 0] - np.asarray(batch["target"]))).mean()
    expected = []
    for _ in range(4):  # h_3, h_2, h_1, h_0: all units are active
        slope = u @ slope
        expected.append(error * np.linalg.norm(slope))
    found = gradient_flow.norms(task, state, batch)
    np.testing.assert_allclose(found[::-1], expected, rtol=1e-4)


def test_images_are_read_pixel_by_pixel():
    model = rnn.build("mnist_lstm", widths=(4,), permutation=2, kernels="native")
    task = classification.build(model, optax.sgd(0.1), gradient.Options(), input="x")
    batch = _batch(jnp.ones((2, 3, 2, 1)), label=jnp.asarray([1, 2]))
    state = jax.jit(task.init)(0, batch)
    found = gradient_flow.norms(task, state, batch)
    assert found.shape == (6,) and (np.diff(found) > 0).all()


def test_the_figure_shows_each_curve_and_leaves_out_what_is_no_number():
    curve = [(d, 0.5**d) for d in range(1, 200)]
    svg = gradient_flow.draw({"a <b>": curve, "c": [(1, math.nan), (2, 1.0)]})
    assert svg.startswith("<svg xmlns=") and "a &lt;b&gt;" in svg
    lines = re.findall(r'<polyline points="([^"]*)"', svg)
    assert len(lines[0].split()) == 126  # 2^-127 is below what float32 holds
    assert len(lines[1].split()) == 1
    assert gradient_flow.draw({"empty": [(1, 0.0)]}).count("<polyline") == 1


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            rnn.build("debug"),
            "runs/a has no recurrent network that answers from its last state; give a "
            "run of a config such as lstm_adding",
        ),
        (
            rnn.build("debug_classifier"),
            "runs/a reads in both directions, so that no step is far from an end; give "
            "a run with config.model.bidirectional=False",
        ),
    ],
)
def test_other_networks_are_refused_in_one_sentence(model, message):
    built = SimpleNamespace(experiment=SimpleNamespace(model=model))
    opened = SimpleNamespace(programs=built, folder="runs/a")
    with pytest.raises(ValueError) as error:
        gradient_flow.curves(opened, None)
    assert str(error.value) == message


def test_the_figure_is_an_svg_file():
    with pytest.raises(ValueError) as error:
        gradient_flow.write([], pathlib.Path("a.png"))
    assert str(error.value) == "a figure of gradients is an .svg file, got a.png"

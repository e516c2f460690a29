"""CenterNet's decoder against PyTorch; what detectors refuse; how heads start.

RetinaNet and DETR are compared as a whole in tests/weights/.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import centernet, detr, layers, retinanet


@functools.cache
def _centernet(lateral):
    """A small network with norms and biases that count: (model, variables)."""
    model = centernet.build("debug", lateral=lateral)
    shapes = jax.eval_shape(
        lambda key: model.init(key, jnp.zeros((1, 64, 96, 3)), train=False),
        jax.random.key(0),
    )
    rng = np.random.default_rng(0)
    return model, jax.tree.map(
        lambda x: jnp.asarray(rng.uniform(0.1, 0.5, x.shape) - 0.25 * (x.ndim > 1)),
        shapes,
    )


def _maps(model, variables, x):
    trunk = layers.Trunk(
        model.stage_sizes, model.features, model.stem_features, model.block
    )
    inner = {kind: tree["backbone"] for kind, tree in variables.items()}
    return trunk.apply(inner, x, train=False)


@pytest.mark.parametrize("lateral", [pytest.param(True, marks=pytest.mark.slow), False])
def test_centernets_decoder_and_heads_equal_pytorchs(lateral):
    torch = pytest.importorskip("torch", reason="the reference is PyTorch's")
    functional = torch.nn.functional
    model, variables = _centernet(lateral)
    rng = np.random.default_rng(1)
    x = jnp.asarray(rng.normal(size=(2, 64, 96, 3)), jnp.float32)
    params, statistics = variables["params"], variables["batch_stats"]

    def tensor(a):
        return torch.from_numpy(np.array(a, np.float32))

    def conv(name, y):
        kernel = tensor(params[name]["kernel"]).permute(3, 2, 0, 1)
        bias = tensor(params[name]["bias"]) if "bias" in params[name] else None
        return functional.conv2d(y, kernel, bias, padding=kernel.shape[-1] // 2)

    def norm(name, y):
        moments = (tensor(statistics[name][k]) for k in ("mean", "var"))
        scale = (tensor(params[name][k]) for k in ("scale", "bias"))
        return functional.batch_norm(y, *moments, *scale, eps=1e-5)

    maps = [tensor(m).permute(0, 3, 1, 2) for m in _maps(model, variables, x)]
    y = maps[-1]
    for i in (1, 2, 3):
        y = torch.relu(norm(f"up{i}_norm", conv(f"up{i}_conv", y)))
        y = functional.interpolate(y, scale_factor=2, mode="nearest")
        if lateral:
            y = y + conv(f"lateral{i}", maps[-1 - i])
    here = jax.jit(lambda v, x: model.apply(v, x, train=False))(variables, x)
    names = {"logits": "heatmap", "size": "size", "offset": "offset"}
    for output, name in names.items():
        there = conv(f"{name}_out", torch.relu(conv(f"{name}_conv", y)))
        there = there.permute(0, 2, 3, 1).numpy()
        assert there.shape[1:3] == (16, 24)
        bound = 1e-5 * np.abs(there).max()
        np.testing.assert_allclose(here[output], there, rtol=0, atol=bound)


@pytest.mark.parametrize("module", [centernet, retinanet])
def test_sides_that_do_not_halve_are_refused(module):
    name = module.__name__.rpartition(".")[2]
    model = module.build("debug")
    with pytest.raises(ValueError) as error:
        jax.eval_shape(
            lambda key: model.init(key, jnp.zeros((1, 64, 80, 3)), train=False),
            jax.random.key(0),
        )
    assert str(error.value) == (
        f"{name} halves images five times, got 64 x 80 pixels; use multiples of 32 in "
        "config.data.image_size"
    )


WRONG = {
    "centernet needs three decoder widths, got 2; correct them": (
        centernet,
        {"decoder": (8, 8)},
    ),
    "centernet needs four stage_sizes and features, got 4 and 3; correct them": (
        centernet,
        {"features": (8, 8, 8)},
    ),
    "retinanet needs four stage_sizes and features, got 3 and 4; correct them": (
        retinanet,
        {"stage_sizes": (1, 1, 1)},
    ),
    "detr needs four stage_sizes and features, got 4 and 2; correct them": (
        detr,
        {"features": (8, 8)},
    ),
    "detr width=18 must be a multiple of 4 and of heads=2; choose another": (
        detr,
        {"width": 18},
    ),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_field_is_one_sentence(message):
    module, fields = WRONG[message]
    with pytest.raises(ValueError) as error:
        module.build("debug", **fields)
    assert str(error.value) == message


@pytest.mark.slow
def test_at_the_start_nearly_nothing_is_an_object():
    """The priors: 0.1 of CenterNet's heatmap, 0.01 of RetinaNet's anchors."""
    x = jnp.zeros((1, 64, 64, 3))
    for module, prior in ((centernet, 0.1), (retinanet, 0.01)):
        model = module.build("debug")
        init = functools.partial(model.init_with_output, train=False)
        told, _ = jax.jit(init)(jax.random.key(0), x)
        probability = float(jax.nn.sigmoid(told["logits"]).mean())
        assert probability == pytest.approx(prior, rel=0.05)


def test_places_are_told_by_sines_and_cosines():
    """Feature 2 i is the sine, 2 i + 1 the cosine, of one rate; y first."""
    places = np.asarray(detr.sine_positions(2, 3, 8)).reshape(2, 3, 8)
    y, x = 2 * np.pi * 2 / 2, 2 * np.pi * 1 / 3
    rate = 10_000 ** (-2 / 4)
    expected = [np.sin(y), np.cos(y), np.sin(y * rate), np.cos(y * rate)]
    expected += [np.sin(x), np.cos(x), np.sin(x * rate), np.cos(x * rate)]
    np.testing.assert_allclose(places[1, 0], expected, atol=1e-5)

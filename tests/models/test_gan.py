"""Convolutional and other games against PyTorch, and their conditions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import dcgan, gan, kernels, sngan


def _normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("mode", ["auto", "native"])
def test_a_transposed_convolution_is_pytorchs_and_so_are_its_gradients(mode):
    torch = pytest.importorskip("torch")
    x, w, up = _normal(2, 5, 4, 3), _normal(4, 4, 3, 6, seed=1), _normal(2, 10, 8, 6)
    double = kernels.conv_transpose(mode)
    y, pull = jax.vjp(double, jnp.asarray(x), jnp.asarray(w))
    a = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    b = torch.tensor(w[::-1, ::-1].transpose(2, 3, 0, 1).copy(), requires_grad=True)
    expected = torch.nn.functional.conv_transpose2d(a, b, stride=2, padding=1)
    expected.backward(torch.tensor(up.transpose(0, 3, 1, 2).copy()))
    by_x, by_w = pull(jnp.asarray(up))
    for found, reference in (
        (y, expected.detach().numpy().transpose(0, 2, 3, 1)),
        (by_x, a.grad.numpy().transpose(0, 2, 3, 1)),
        (by_w, b.grad.numpy().transpose(2, 3, 0, 1)[::-1, ::-1]),
    ):
        np.testing.assert_allclose(found, reference, atol=1e-4)


def test_dcgan_is_pytorchs_example():
    torch = pytest.importorskip("torch")
    model = dcgan.build("debug", output="tanh")
    z, x = (jnp.asarray(_normal(*shape)) for shape in ((4, 8), (4, 8, 8, 1)))
    variables = model.init(jax.random.key(0), z, x, train=False)
    (made, logits), _ = model.apply(
        variables, z, x, train=True, mutable=["batch_stats"]
    )
    p = jax.tree.map(lambda v: torch.tensor(np.asarray(v)), variables["params"])
    f = torch.nn.functional

    def norm(y, q):
        return f.batch_norm(y, None, None, q["scale"], q["bias"], training=True)

    def up(y, q):
        w = q["kernel"].flip(0, 1).permute(2, 3, 0, 1)
        return f.conv_transpose2d(y, w, stride=2, padding=1)

    g, d = p["generator"], p["discriminator"]
    y = (torch.tensor(np.asarray(z)) @ g["project"]["kernel"]).reshape(4, 2, 2, 16)
    y = torch.relu(norm(y.permute(0, 3, 1, 2), g["norm_0"]))
    y = torch.relu(norm(up(y, g["up_1"]), g["norm_1"]))
    expected = torch.tanh(up(y, g["output"])).permute(0, 2, 3, 1)
    np.testing.assert_allclose(made, expected, atol=1e-5)

    y = torch.tensor(np.asarray(x)).permute(0, 3, 1, 2)
    for i in (0, 1):
        w = d[f"conv_{i}"]["kernel"].permute(3, 2, 0, 1)
        y = f.conv2d(y, w, stride=2, padding=1)
        y = f.leaky_relu(norm(y, d["norm_1"]) if i else y, 0.2)
    flat = y.permute(0, 2, 3, 1).reshape(4, -1)
    expected = (flat @ d["output"]["kernel"])[:, 0]
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_maxout_is_the_largest_of_its_pieces():
    model = gan.build("debug", pieces=3, units=(4,))
    z, x = (jnp.asarray(_normal(*shape)) for shape in ((2, 8), (2, 2, 2, 1)))
    variables = model.init(jax.random.key(0), z, x, train=False)
    p = variables["params"]["discriminator"]
    hidden = np.asarray(x).reshape(2, 4) @ np.asarray(p["h0"]["kernel"])
    pieces = hidden.reshape(2, 4, 3).max(-1)
    expected = pieces @ np.asarray(p["y"]["kernel"])
    found = model.apply(variables, x, train=False, method="discriminate")
    np.testing.assert_allclose(found, expected[:, 0], rtol=1e-4, atol=1e-8)


@pytest.mark.slow
def test_spectral_norms_reach_one():
    model = sngan.build("debug")
    z, x = (jnp.asarray(_normal(*shape)) for shape in ((2, 8), (2, 8, 8, 1)))
    variables = model.init(jax.random.key(0), z, x, train=False)
    step = jax.jit(
        lambda v: model.apply(
            v, x, train=True, method="discriminate", mutable=["spectral"]
        )[1]
    )
    for _ in range(60):
        variables = {**variables, **step(variables)}
    kernel = variables["params"]["discriminator"]["block_1"]["conv1"]["kernel"]
    largest = np.linalg.svd(np.asarray(kernel).reshape(-1, 8), compute_uv=False)[0]
    held = variables["spectral"]["discriminator"]["block_1"]["conv1_spectral"]
    sigma = next(v for k, v in held.items() if k.endswith("sigma"))
    assert float(np.ravel(sigma)[0]) == pytest.approx(largest, rel=1e-3)


@pytest.mark.parametrize(
    "module",
    [dcgan, *(pytest.param(m, marks=pytest.mark.slow) for m in (gan, sngan))],
)
def test_a_condition_changes_both_networks(module):
    model = module.build("debug", classes=3)
    z, x = (jnp.asarray(_normal(*shape)) for shape in ((2, 8), (2, 8, 8, 1)))
    label = jnp.array([0, 1])
    variables = model.init(jax.random.key(0), z, x, label, train=False)
    # Gains and biases of classes begin alike.
    moved = jax.tree.map(
        lambda p: p + 0.1 * jax.random.normal(jax.random.key(1), p.shape),
        variables["params"],
    )
    variables = {**variables, "params": moved}
    made, logits = model.apply(variables, z, x, label, train=False)
    other = model.apply(variables, z, x, jnp.array([2, 1]), train=False)
    assert not np.allclose(made[0], other[0][0]) and logits[0] != other[1][0]
    np.testing.assert_allclose(made[1], other[0][1], atol=1e-6)


@pytest.mark.parametrize(
    ("module", "name", "scale"), [(dcgan, "dcgan", 4), (sngan, "sngan", 4)]
)
def test_sides_that_do_not_divide(module, name, scale):
    with pytest.raises(ValueError) as error:
        module.build("debug").init(
            jax.random.key(0), jnp.ones((1, 8)), jnp.ones((1, 10, 8, 1)), train=False
        )
    assert str(error.value) == (
        f"{name} with 2 model.channels needs images whose sides {scale} divides, got "
        "10x8; resize or pad them, or change model.channels"
    )


def test_a_critic_normalises_the_embedding_of_labels_too():
    model = sngan.build("debug", classes=3)
    inputs = jnp.ones((2, 8)), jnp.ones((2, 8, 8, 1)), jnp.array([0, 2])
    variables = jax.eval_shape(
        lambda *a: model.init(jax.random.key(0), *a, train=False), *inputs
    )
    assert "embedding_spectral" in variables["spectral"]["discriminator"]

"""VQ-VAE: nearest entries and both losses by numpy, the gradient's way past them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import vqvae
from research.tasks import gradient, reconstruction

SHAPE = (8, 8, 1)


@pytest.fixture(scope="module")
def made():
    model = vqvae.build("debug")
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, *SHAPE)), jnp.float32)
    variables = jax.jit(lambda x: model.init(jax.random.key(0), x, train=False))(x)
    # A book no wider than z_e(x), so that several entries are chosen.
    book = 0.1 * np.random.default_rng(1).normal(size=(16, 4)).astype(np.float32)
    params = {**variables["params"], "codebook": jnp.asarray(book)}
    return model, {"params": params}, x


def _encoded(model, variables, x):
    z = model.apply(variables, x, method=lambda module, x: module.encoder(x))
    code, sown = model.apply(
        variables, x, train=False, method="encode", mutable=["losses"]
    )
    return np.asarray(z, np.float64), np.asarray(code), sown["losses"]


def test_entries_begin_as_wide_as_the_authors_do():
    model = vqvae.build("debug", entries=4096, width=12)
    x = jnp.zeros((1, *SHAPE))
    drawn = jax.jit(lambda x: model.init(jax.random.key(0), x, train=False))(x)
    most = np.abs(drawn["params"]["codebook"]).max()
    assert 0.999 * (3 / 12) ** 0.5 < most <= (3 / 12) ** 0.5  # sqrt(3 / D)


def test_codes_are_the_nearest_entries_and_losses_their_distances(made):
    model, variables, x = made
    z, code, losses = _encoded(model, variables, x)
    book = np.asarray(variables["params"]["codebook"], np.float64)
    distance = ((z[..., None, :] - book) ** 2).sum(-1)  # b h w k
    index = distance.argmin(-1)
    assert len(np.unique(index)) > 1
    np.testing.assert_allclose(code, book[index].reshape(3, -1), atol=1e-5)
    found = model.apply(variables, jnp.asarray(code), method="indices")
    np.testing.assert_array_equal(found, index.reshape(3, -1))
    least = distance.min(-1).sum((1, 2))
    np.testing.assert_allclose(losses["codebook"], least, rtol=1e-5)
    np.testing.assert_allclose(losses["commitment"], 0.25 * least, rtol=1e-5)


@pytest.mark.slow
def test_the_gradient_of_a_code_goes_on_to_the_encoder_as_it_is(made):
    model, variables, x = made
    weight = jnp.asarray(np.random.default_rng(2).normal(size=(3, 16)), jnp.float32)

    def by(method):
        def total(params):
            value = model.apply({"params": params}, x, method=method)
            return (value.reshape(3, -1) * weight).sum()

        return jax.grad(total)(variables["params"])

    through = by(lambda module, x: module.encode(x, train=False))
    direct = by(lambda module, x: module.encoder(x))
    for a, b in zip(jax.tree.leaves(through), jax.tree.leaves(direct), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert not np.any(through["codebook"])


@pytest.mark.slow
def test_the_task_minimises_all_three_terms(made):
    model, variables, x = made
    task = reconstruction.build(model, None, gradient.Options())
    metrics, model_state = task._loss(
        variables["params"],
        {},
        {"image": x, "mask": jnp.array([1.0, 1.0, 0.0])},
        jax.random.key(0),
    )
    assert not model_state
    value = {name: float(total) for name, (total, _) in metrics.items()}
    sum_of_terms = value["loss"] + value["codebook"] + value["commitment"]
    assert value["objective"] == pytest.approx(sum_of_terms, rel=1e-6)
    assert value["commitment"] == pytest.approx(value["codebook"] / 4, rel=1e-5)


def test_perplexity_counts_the_entries_in_use():
    task = reconstruction.build(vqvae.build("debug"), None, gradient.Options())
    even = {"indices": np.array([[0, 1], [5, 7]])}
    assert task.score(even, None)["perplexity"] == pytest.approx(4)
    assert task.score({"indices": np.zeros((2, 2), int)}, None)["perplexity"] == 1


@pytest.mark.parametrize("shape", [(28, 28, 1), (7, 5, 3), (1, 1, 1)], ids=str)
def test_any_sides_come_back(shape):
    model = vqvae.build("debug")
    x = jnp.zeros((2, *shape))
    outputs = jax.eval_shape(
        lambda x: model.init_with_output(jax.random.key(0), x, train=False)[0], x
    )
    assert outputs.shape == (2, *shape)


def test_an_empty_codebook_is_refused():
    with pytest.raises(ValueError) as error:
        vqvae.build("debug", entries=0)
    assert str(error.value) == "vqvae entries=0 must be at least 1; raise it"

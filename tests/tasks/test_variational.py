"""Bounds against a model whose likelihood is known exactly, and against numpy."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.models import vae
from research.tasks import gradient, variational

D, SHAPE = 2, (5,)


class Linear(nn.Module):
    """Probabilistic PCA: z ~ N(0, 1), x = z W + b + noise, and a linear q(z|x)."""

    latent: int = D
    decoder_variance: bool = False

    def setup(self):
        self.up = nn.Dense(SHAPE[0], kernel_init=nn.initializers.normal(1.0))
        self.down = nn.Dense(D, kernel_init=nn.initializers.normal(0.3))
        self.spread = self.param("spread", nn.initializers.constant(-0.3), (D,))

    def __call__(self, x, *, train: bool):
        return self.decode(self.encode(x, train=train)[0], SHAPE, train=train)

    def encode(self, x, *, train: bool):
        mean = self.down(x)
        return mean, jnp.broadcast_to(self.spread, mean.shape)

    def decode(self, z, shape, *, train: bool):
        return self.up(z)


def _task(model=None, tx=None, **fields):
    fields = {"likelihood": "gaussian", "sigma": 0.8, "input": "x"} | fields
    return variational.build(
        model or Linear(), tx or optax.sgd(0.1), gradient.Options(), **fields
    )


def _batch(size=8, masked=0):
    x = np.random.default_rng(0).normal(size=(size, *SHAPE)).astype(np.float32)
    mask = np.ones(size, np.float32)
    mask[:masked] = 0
    return {"x": jnp.asarray(x), "mask": jnp.asarray(mask)}


def _average(pair):
    return float(pair[0]) / float(pair[1])


def _exact(state, x, sigma=0.8):
    """Returns log p(x) (b,) of the linear model."""
    kernel, bias = (np.asarray(state.params["up"][k]) for k in ("kernel", "bias"))
    covariance = kernel.T @ kernel + sigma**2 * np.eye(SHAPE[0])
    centred = np.asarray(x) - bias
    squared = np.einsum("bi,ij,bj->b", centred, np.linalg.inv(covariance), centred)
    logdet = np.linalg.slogdet(covariance)[1]
    return -0.5 * (squared + logdet + SHAPE[0] * np.log(2 * np.pi))


def test_the_estimate_reaches_the_exact_likelihood():
    batch, task = _batch(), _task(estimate_samples=20_000)
    state = task.init(np.uint32(0), batch)
    found = jax.jit(task.predict)(state, batch)["log_likelihood"]
    np.testing.assert_allclose(found, _exact(state, batch["x"]), atol=0.15)


def test_more_draws_tighten_the_bound_and_none_passes_the_likelihood():
    batch = _batch()
    bounds = []
    for bound, samples in (("elbo", 2000), ("iwae", 5), ("iwae", 500)):
        task = _task(bound=bound, samples=samples)
        state = task.init(np.uint32(0), batch)
        bounds.append(-_average(jax.jit(task.eval_step)(state, batch)["loss"]))
    exact = _exact(state, batch["x"]).mean()
    assert bounds[0] < bounds[1] < bounds[2] < exact + 0.15  # of 500 draws


@pytest.mark.parametrize("masked", [0, 3])
def test_the_parts_of_the_bound_equal_numpy(masked):
    batch, task = _batch(masked=masked), _task(samples=4000)
    state = task.init(np.uint32(0), batch)
    metrics = jax.jit(task.eval_step)(state, batch)
    params = jax.tree.map(np.asarray, state.params)
    x = np.asarray(batch["x"])[masked:]
    mean = x @ params["down"]["kernel"] + params["down"]["bias"]
    variance = np.exp(params["spread"])
    kl = 0.5 * (mean**2 + variance - params["spread"] - 1).sum(1)
    assert _average(metrics["kl"]) == pytest.approx(kl.mean(), rel=1e-5)
    # E|x - zW - b|^2 = |x - mean W - b|^2 + sum_d variance_d |W_d|^2
    kernel = params["up"]["kernel"]
    squared = ((x - mean @ kernel - params["up"]["bias"]) ** 2).sum(1)
    squared = squared + (variance * (kernel**2).sum(1)).sum()
    expected = 0.5 * (squared / 0.64 + SHAPE[0] * np.log(2 * np.pi * 0.64))
    found = _average(metrics["reconstruction"])
    assert found == pytest.approx(expected.mean(), rel=0.02)
    assert _average(metrics["loss"]) == pytest.approx(found + kl.mean(), rel=1e-5)
    bits = _average(metrics["loss"]) / (5 * np.log(2))
    assert _average(metrics["bits_per_dimension"]) == pytest.approx(bits, rel=1e-5)


def test_training_approaches_the_likelihood():
    batch, task = _batch(64), _task(tx=optax.adam(3e-2), samples=8)
    state, step = task.init(np.uint32(0), batch), jax.jit(task.train_step)
    for _ in range(300):
        state, metrics = step(state, batch)
    gap = _average(metrics["loss"]) + _exact(state, batch["x"]).mean()
    assert -0.1 < gap < 0.3  # q(z|x) of the linear model is exact


def test_beta_and_warm_up_weigh_the_divergence_in_the_objective_only():
    batch = _batch()
    task = _task(beta=4.0, warmup_steps=10)
    state, step = task.init(np.uint32(0), batch), jax.jit(task.train_step)
    for beta in (0.4, 0.8):
        state, metrics = step(state, batch)
        loss, kl = _average(metrics["loss"]), _average(metrics["kl"])
        objective = _average(metrics["objective"])
        assert objective == pytest.approx(loss + (beta - 1) * kl, rel=1e-5)
    assert "objective" not in jax.eval_shape(_task().train_step, state, batch)[1]


def test_bernoulli_likelihoods_and_binarisation():
    model = vae.build("debug", channels=(), hidden=(), latent=3)
    x = jnp.asarray(np.random.default_rng(0).uniform(size=(500, 4, 3, 1)), jnp.float32)
    batch = {"image": x, "mask": jnp.ones(500)}
    fields = dict(likelihood="bernoulli", input="image")
    task = _task(model, binarise=True, samples=200, **fields)
    state = task.init(np.uint32(0), batch)
    seen = task._seen(x, jax.random.key(1))
    assert set(np.unique(seen)) == {0.0, 1.0}
    assert abs(float((seen - x).mean())) < 0.02
    assert not jnp.array_equal(seen, task._seen(x, jax.random.key(2)))
    raw = jnp.asarray(np.random.default_rng(1).normal(size=x.shape), jnp.float32)
    p = 1 / (1 + np.exp(-np.asarray(raw)))
    expected = np.where(np.asarray(seen) == 1, np.log(p), np.log(1 - p))
    found = task._log_likelihood(raw, seen)
    np.testing.assert_allclose(found, expected.reshape(500, -1).sum(1), rtol=1e-4)
    assert np.isfinite(_average(jax.jit(task.eval_step)(state, batch)["loss"]))


def test_a_decoder_with_variance_is_a_normal_density():
    model = vae.build("debug", channels=(), hidden=(), latent=3, decoder_variance=True)
    task = _task(model)
    rng = np.random.default_rng(0)
    raw, x = rng.normal(size=(6, 4, 2)), rng.normal(size=(6, 4))
    found = task._log_likelihood(jnp.asarray(raw, jnp.float32), jnp.asarray(x))
    mean, log_variance = raw[..., 0], raw[..., 1]
    density = -0.5 * ((x - mean) ** 2 / np.exp(log_variance) + log_variance)
    expected = (density - 0.5 * np.log(2 * np.pi)).sum(1)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_predictions_have_a_row_per_example_and_walks_are_along_one_latent():
    batch, task = _batch(24), _task(estimate_samples=7)
    state = task.init(np.uint32(0), batch)
    found = jax.jit(task.predict)(state, batch)
    assert {len(value) for value in found.values()} == {24}
    bare = jax.eval_shape(task.without_estimate().predict, state, batch)
    assert "log_likelihood" not in bare
    mean = found["code"]
    divergence = jnp.tile(jnp.array([[1.0, 2.0]]), (24, 1))
    walked = variational._walk(mean, divergence)
    np.testing.assert_allclose(walked[:11, 1], np.linspace(-3, 3, 11), atol=1e-5)
    np.testing.assert_allclose(walked[:11, 0], np.repeat(mean[0, 0], 11))
    np.testing.assert_allclose(walked[11:22, 0], np.linspace(-3, 3, 11), atol=1e-5)
    scores = task.score({k: np.asarray(v) for k, v in found.items()}, None)
    assert scores["nll"] == pytest.approx(-float(found["log_likelihood"].mean()))
    assert set(scores) <= set(variational.SCORES)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            dict(likelihood="normal"),
            "unknown task.likelihood 'normal'; use one of bernoulli, gaussian",
        ),
        (dict(bound="vae"), "unknown task.bound 'vae'; use one of elbo, iwae"),
        (dict(samples=0), "task.samples must be at least 1, got 0; correct it"),
        (
            dict(binarise=True),
            "task.binarise=True needs task.likelihood=bernoulli, got gaussian; change "
            "one of them",
        ),
        (
            dict(model=Linear(decoder_variance=True), likelihood="bernoulli"),
            "model.decoder_variance=True needs task.likelihood=gaussian, got "
            "bernoulli, which has no variance of its own; change one of them",
        ),
    ],
)
def test_a_bad_field_is_one_sentence(fields, message):
    with pytest.raises(ValueError) as error:
        _task(**fields)
    assert str(error.value) == message

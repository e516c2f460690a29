"""Variational learning: a lower bound of the log likelihood of a latent variable model.

With log w_i = log p(x|z_i) + log p(z_i) - log q(z_i|x), z_i from q(z|x), i = 1..k:
  elbo  E_q[log p(x|z)] - KL(q(z|x) || p(z)), the expectation by k draws, the divergence
        exact: Eq. (10) of Kingma & Welling 2014, https://arxiv.org/abs/1312.6114
  iwae  log (1/k) sum_i w_i: Eq. (8) of Burda et al. 2016,
        https://arxiv.org/abs/1509.00519
beta weighs the divergence in what is minimised (Higgins et al. 2017), not in the loss.

Batch: the input feature (b, ...) float32, in [0, 1] for Bernoulli likelihoods; mask
(b,) float32, 0 for padding. Metrics, per example: loss (negative bound), reconstruction
(-E log p(x|z)), kl, all in nats summed over the example's numbers; bits_per_dimension,
the loss over them, in bits. Scores: nll, the negative log likelihood as `iwae` with
many draws estimates it; squared_error of decoded means; active_units, the latents whose
mean varies by more than 0.01 (Burda et al., section 5.2); and those of `comparing`.
"""

import dataclasses
import functools
import math
from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax

from research.models import kernels, layers
from research.tasks import comparing, gradient
from research.tasks.task import Task
from research.training.state import TrainState

LIKELIHOODS = ("bernoulli", "gaussian")
BOUNDS = ("elbo", "iwae")
SCORES = (
    *("nll", "nll_bits_per_dimension", "squared_error", "active_units"),
    *comparing.SCORES,
)
# Folded into the seed for the draws of evaluations: those of no training step.
_EVALUATION = 0x7FFF_FFFF
_CHUNK = 50  # draws that an estimate holds at once
WALK = 11  # steps of a walk along one latent, from -3 to 3


@dataclass(frozen=True)
class Variational(Task):
    """The task's pure functions, over one model and one optimizer."""

    model: nn.Module
    tx: optax.GradientTransformation
    options: gradient.Options
    likelihood: str
    sigma: float
    bound: str
    samples: int
    beta: float
    warmup_steps: int
    binarise: bool
    estimate_samples: int
    quantile: float
    input: str

    def init(self, seed: jax.Array, batch) -> TrainState:
        """Draws the initial state; `batch` gives shapes only."""
        variables = self.model.init(kernels.key(seed), batch[self.input], train=False)
        return gradient.init_state(variables["params"], {}, self.tx, seed, self.options)

    def train_step(self, state: TrainState, batch):
        """Makes one update; returns (state, metrics)."""
        loss = functools.partial(self._loss, self._beta(state.step))
        step = gradient.make_train_step(loss, self.tx, self.options)
        return step(state, batch)

    def eval_step(self, state: TrainState, batch) -> gradient.Metrics:
        """Measures a batch with the averaged parameters; draws are the same always."""
        key = jax.random.fold_in(kernels.key(state.seed), _EVALUATION)
        return self._metrics(state.eval_params(), batch, key)

    def predict(self, state: TrainState, batch) -> dict[str, jax.Array]:
        """Encodes and decodes, estimates, and draws.

        Returns:
          code (b, d), the mean of q(z|x); reconstruction (b, ...), decoded from it;
          squared_error (b,) of that; error (b,), the negative bound at that code, of
          values that are not binarised; sample (b, ...), decoded from p(z); traversal
          (b, ...): WALK at a time, one latent of the first example's code goes from -3
          to 3, the latents by falling divergence; with `estimate_samples`
          log_likelihood (b,).
        """
        x, params = batch[self.input], state.eval_params()
        key = jax.random.fold_in(kernels.key(state.seed), _EVALUATION)
        mean, log_variance = self._encode(params, x)
        decode = functools.partial(self._decoded, params, shape=x.shape[1:])
        raw, kl = self._decode(params, mean, x.shape[1:]), _kl(mean, log_variance)
        reconstruction = self._mean(raw)
        prior = jax.random.normal(jax.random.fold_in(key, 1), mean.shape)
        predicted = {
            "code": mean,
            "reconstruction": reconstruction,
            "squared_error": _sum((reconstruction - x) ** 2),
            "error": kl.sum(-1) - self._log_likelihood(raw, x),
            "sample": decode(prior),
            "traversal": decode(_walk(mean, kl)),
        }
        if self.estimate_samples:
            seen = self._seen(x, key)
            predicted["log_likelihood"] = self._estimate(params, seen, key)
        return predicted

    def decode(self, state: TrainState, code, shape: tuple[int, ...]) -> jax.Array:
        """Decodes codes (n, d) to means (n, *shape) of p(x|z)."""
        return self._decoded(state.eval_params(), code, shape=shape)

    def score(self, predictions, examples) -> dict[str, float]:
        """Averages what `predict` found; see the module's docstring."""
        scores = {
            "squared_error": float(predictions["squared_error"].mean()),
            "active_units": int((predictions["code"].var(0) > 1e-2).sum()),
        }
        if "log_likelihood" in predictions:
            nats = -float(predictions["log_likelihood"].mean())
            size = predictions["reconstruction"][0].size
            bits = nats / (size * math.log(2))
            scores |= {"nll": nats, "nll_bits_per_dimension": bits}
        return scores

    def compare(self, measured, others) -> dict[str, float]:
        """Measures baselines and anomalies; see `Task.compare` and `comparing`."""
        return comparing.scores(measured, others, self.input, self.quantile)

    def without_estimate(self) -> "Variational":
        """Returns the same task, whose `predict` estimates no likelihood."""
        return dataclasses.replace(self, estimate_samples=0)

    def _beta(self, step):
        if not self.warmup_steps:
            return self.beta
        return self.beta * jnp.minimum(1.0, (step + 1) / self.warmup_steps)

    def _loss(self, beta, params, model_state, batch, rng):
        metrics = self._metrics(params, batch, rng)
        plain = isinstance(beta, (int, float)) and beta == 1
        if not plain:
            # beta = 1 leaves the bound as it is, whichever of the two it is.
            (loss, weight), (kl, _) = metrics["loss"], metrics["kl"]
            metrics["objective"] = loss + (beta - 1) * kl, weight
        return metrics, model_state

    def _metrics(self, params, batch, key) -> gradient.Metrics:
        x, mask = self._seen(batch[self.input], key), batch["mask"]
        mean, log_variance = self._encode(params, x)
        kl = _kl(mean, log_variance).sum(-1)
        log_p, log_ratio = self._draw(
            params, x, mean, log_variance, jax.random.fold_in(key, 1), self.samples
        )
        reconstruction = -log_p.mean(0)
        bound = kl + reconstruction
        if self.bound == "iwae":
            bound = math.log(self.samples) - jax.nn.logsumexp(log_p + log_ratio, axis=0)
        values = {"loss": bound, "reconstruction": reconstruction, "kl": kl}
        values["bits_per_dimension"] = bound / (x[0].size * math.log(2))
        return {k: ((v * mask).sum(), mask.sum()) for k, v in values.items()}

    def _draw(self, params, x, mean, log_variance, key, count: int):
        """Draws z; returns log p(x|z) and log p(z) - log q(z|x), (count, b) each."""
        noise = jax.random.normal(key, (count, *mean.shape))
        z = jax.vmap(lambda e: mean + jnp.exp(0.5 * log_variance) * e)(noise)
        raw = self._decode(params, z.reshape(-1, z.shape[-1]), x.shape[1:])
        log_p = jax.vmap(self._log_likelihood, (0, None))(
            raw.reshape(count, len(x), *raw.shape[1:]), x
        )
        # The terms with log(2 pi) cancel.
        log_ratio = 0.5 * (noise**2 - z**2 + log_variance[None]).sum(-1)
        return log_p, log_ratio

    def _estimate(self, params, x, key) -> jax.Array:
        """Estimates log p(x) (b,) by `estimate_samples` draws, a chunk at a time."""
        mean, log_variance = self._encode(params, x)
        chunks = -(-self.estimate_samples // _CHUNK)
        size = -(-self.estimate_samples // chunks)

        def add(total, number):
            log_p, log_ratio = self._draw(
                params, x, mean, log_variance, jax.random.fold_in(key, number), size
            )
            chunk = jax.nn.logsumexp(log_p + log_ratio, axis=0)
            return jnp.logaddexp(total, chunk), None

        nothing = jnp.full((len(x),), -jnp.inf)
        total, _ = jax.lax.scan(add, nothing, 2 + jnp.arange(chunks))
        return total - math.log(chunks * size)

    def _seen(self, x, key):
        """Binarises: each value is the probability of a 1, drawn anew in every step."""
        if not self.binarise:
            return x
        return jax.random.bernoulli(key, x).astype(x.dtype)

    def _encode(self, params, x):
        return self.model.apply({"params": params}, x, train=False, method="encode")

    def _decode(self, params, z, shape):
        return self.model.apply(
            {"params": params}, z, shape, train=False, method="decode"
        )

    def _decoded(self, params, z, shape):
        return self._mean(self._decode(params, z, shape))

    def _mean(self, raw):
        """Returns the mean of p(x|z)."""
        if self.likelihood == "bernoulli":
            return jax.nn.sigmoid(raw)
        return raw[..., 0] if self.model.decoder_variance else raw

    def _log_likelihood(self, raw, x):
        """Returns log p(x|z) (b,) in nats."""
        # Flat first: XLA's CPU sums over a last axis of size 1 take ten times as long.
        if self.likelihood == "bernoulli":
            raw, x = _flat(raw), _flat(x)
            return _sum(x * raw - jax.nn.softplus(raw))
        mean, log_variance = raw, 2 * math.log(self.sigma)
        if self.model.decoder_variance:
            # A constant column would have an infinite density.
            mean, log_variance = raw[..., 0], jnp.clip(raw[..., 1], -8, 8)
        squared = (x - mean) ** 2 / jnp.exp(log_variance)
        return -0.5 * _sum(squared + log_variance + math.log(2 * math.pi))


def _kl(mean, log_variance):
    """Returns KL(q(z|x) || N(0, 1)) of each latent, (b, d): appendix B."""
    return 0.5 * (mean**2 + jnp.exp(log_variance) - log_variance - 1)


def _walk(mean, kl):
    """Returns codes (b, d): row r walks along the latent of rank r // WALK."""
    size, latents = mean.shape
    order = jnp.argsort(-kl.mean(0))
    row = jnp.arange(size)
    latent = order[(row // WALK) % latents]
    value = -3 + 6 * (row % WALK) / (WALK - 1)
    walked = jax.nn.one_hot(latent, latents)
    return jnp.where(walked == 1, value[:, None], mean[:1])


def _sum(values: jax.Array) -> jax.Array:
    return _flat(values).sum(-1)


def _flat(values: jax.Array) -> jax.Array:
    return values.reshape(values.shape[0], -1)


def build(
    model: nn.Module,
    tx: optax.GradientTransformation,
    options: gradient.Options,
    *,
    likelihood: str = "bernoulli",
    sigma: float = 1.0,
    bound: str = "elbo",
    samples: int = 1,
    beta: float = 1.0,
    warmup_steps: int = 0,
    binarise: bool = False,
    estimate_samples: int = 0,
    quantile: float = 0.95,
    input: str = "image",
) -> Variational:
    """Builds the task.

    Args:
      model: has `encode(x, *, train)` -> mean and log variance, and
        `decode(z, shape, *, train)`.
      tx: the optimizer.
      options: switches of the gradient step.
      likelihood: "bernoulli", of values in [0, 1], or "gaussian".
      sigma: standard deviation of Gaussian likelihoods, where the decoder has none.
      bound: "elbo" or "iwae".
      samples: k, draws of z per example.
      beta: weight of the divergence in what is minimised, >= 0.
      warmup_steps: updates over which it grows from 0; 0: at once.
      binarise: draw each value as 0 or 1, anew in every step (dynamic binarisation).
      estimate_samples: draws that estimate the log likelihood of an evaluation's
        examples, such as 5,000; 0: none is estimated.
      quantile: share of the validation split's errors below the threshold of an
        anomaly, in (0, 1).
      input: name of the batch's feature.

    Raises:
      ValueError: a choice is unknown, or a number out of range.
    """
    _check(likelihood, bound, binarise)
    _check_numbers(
        model, likelihood, sigma, samples, beta, warmup_steps, estimate_samples
    )
    comparing.check_quantile(quantile)
    kind = (likelihood, sigma, bound, samples, beta, warmup_steps, binarise)
    return Variational(model, tx, options, *kind, estimate_samples, quantile, input)


def _check_numbers(
    model, likelihood, sigma, samples, beta, warmup_steps, estimate_samples
) -> None:
    least = {
        "sigma": (sigma, 1e-6),
        "samples": (samples, 1),
        "beta": (beta, 0),
        "warmup_steps": (warmup_steps, 0),
        "estimate_samples": (estimate_samples, 0),
    }
    for name, (value, bottom) in least.items():
        if value < bottom:
            raise ValueError(
                f"task.{name} must be at least {bottom}, got {value}; correct it"
            )
    if likelihood == "bernoulli" and model.decoder_variance:
        raise ValueError(
            "model.decoder_variance=True needs task.likelihood=gaussian, got "
            "bernoulli, which has no variance of its own; change one of them"
        )


def _check(likelihood: str, bound: str, binarise: bool) -> None:
    layers.check_choice("task.likelihood", likelihood, LIKELIHOODS)
    layers.check_choice("task.bound", bound, BOUNDS)
    if binarise and likelihood != "bernoulli":
        raise ValueError(
            f"task.binarise=True needs task.likelihood=bernoulli, got {likelihood}; "
            "change one of them"
        )

"""One game of a generator against a discriminator: what each of them minimises."""

from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp

from research.tasks import adversaries, health, penalties

PRIORS = ("normal", "uniform")
_DRAWS = (
    *("z", "generate", "real", "made", "slope", "between", "real_noise"),
    *("made_noise", "fooling", "fooling_noise"),
)


@dataclass(frozen=True)
class Game:
    """The losses of both networks, as functions of their parameters.

    Attributes:
      model: of two networks, see `adversarial.build`.
      loss: a key of adversaries.LOSSES.
      prior: of z, of PRIORS.
      stability: what keeps it stable.
      input: name of the batch's feature.
    """

    model: nn.Module
    loss: str
    prior: str
    stability: penalties.Stability
    input: str

    def noise(self, key: jax.Array, count: int, start: int = 0) -> jax.Array:
        """Draws z number `start` and on of the prior, (count, latent)."""
        keys = jax.vmap(jax.random.fold_in, (None, 0))(key, start + jnp.arange(count))
        shape = (self.model.latent,)
        if self.prior == "normal":
            return jax.vmap(lambda k: jax.random.normal(k, shape))(keys)
        return jax.vmap(lambda k: jax.random.uniform(k, shape, minval=-1.0))(keys)

    def run(self, method, params, model_state, *args, key=None):
        """Runs one network, in training where a key is given: (output, model state)."""
        train, rngs = key is not None, {}
        if train:
            names = ("dropout", "noise", "mixing")
            rngs = dict(zip(names, jax.random.split(key, len(names)), strict=True))
        held = {k: v for k, v in model_state.items() if k != "path_length"}
        output, moved = self.model.apply(
            {"params": params, **held},
            *args,
            train=train,
            rngs=rngs,
            mutable=list(held) if train else [],
            method=method,
        )
        return output, {**model_state, **moved}

    def discriminator_loss(self, step, generator, params, model_state, batch, rng):
        """Judges a batch; the generator's parameters stay.

        Returns:
          (metrics with the objective; model state)
        """
        x, label, mask = batch[self.input], batch.get("label"), batch["mask"]
        keys, held = named(rng), self.stability
        made, _ = self._made({"generator": generator}, model_state, batch, keys)
        made = jax.lax.stop_gradient(made)
        distances = health.distances(x, made, mask)  # of images without noise
        x = self._blur(step, keys["real_noise"], x)
        made = self._blur(step, keys["made_noise"], made)

        def judge(y, model_state, key):
            key = keys[key]
            return self.run("discriminate", params, model_state, y, label, key=key)

        real, model_state = judge(x, model_state, "real")
        fake, model_state = judge(made, model_state, "made")
        loss = adversaries.LOSSES[self.loss].discriminator(real, fake)
        values = {"loss": loss, "objective": loss}
        values["accuracy"] = (real > fake).astype(jnp.float32)

        def at(y):
            return judge(y, model_state, "slope")[0]

        if held.gradient_penalty:
            penalty = penalties.gradient_penalty(at, keys["between"], x, made)
            values["gradient_penalty"] = held.gradient_penalty * penalty
            values["objective"] += values["gradient_penalty"]
        if held.r1 and not held.r1_apart:
            values["r1"] = held.r1 * penalties.r1(at, x)
            values["objective"] += values["r1"]
        return _pairs(values, mask) | distances, model_state

    def r1_loss(self, step, params, model_state, batch, rng):
        """Weighs R1 for an update of its own: (metrics with the objective; state)."""
        keys, held = named(rng), self.stability
        x = self._blur(step, keys["real_noise"], batch[self.input])

        def at(y):
            args = params, model_state, y, batch.get("label")
            return self.run("discriminate", *args, key=keys["slope"])[0]

        penalty = held.r1 * penalties.r1(at, x)
        values = {"r1": penalty, "objective": held.r1_every * penalty}
        return _pairs(values, batch["mask"]), model_state

    def generator_loss(self, step, discriminator, params, model_state, batch, rng):
        """Has images judged; the discriminator's parameters stay.

        Returns:
          (metrics with the objective; model state)
        """
        keys, judged_by = named(rng), {"discriminator": discriminator}
        made, model_state = self._made(params, model_state, batch, keys)
        seen = self._blur(step, keys["fooling_noise"], made)
        args = judged_by, model_state, seen, batch.get("label")
        fake, _ = self.run("discriminate", *args, key=keys["fooling"])
        loss = adversaries.LOSSES[self.loss].generator(fake)
        values = {"generator_loss": loss, "objective": loss}
        return _pairs(values, batch["mask"]), model_state

    def path_loss(self, params, model_state, batch, rng):
        """Weighs path lengths for an update: (metrics with the objective; state)."""
        x, keys, held = batch[self.input], named(rng), self.stability
        z, shape = self.noise(keys["z"], len(x)), x.shape[1:]

        def run(method, *args):
            return self.run(method, params, model_state, *args, key=keys["generate"])[0]

        styles = run("styles", z, shape, batch.get("label"))
        penalty, mean = penalties.path_length(
            lambda styles: run("synthesise", styles, shape),
            keys["between"],
            styles,
            model_state["path_length"]["mean"],
        )
        penalty = held.path_length * penalty
        values = {"path_length": penalty, "objective": held.path_every * penalty}
        model_state = {**model_state, "path_length": {"mean": mean}}
        return _pairs(values, batch["mask"]), model_state

    def _made(self, params, model_state, batch, keys):
        """Makes as many images as the batch has: (images; model state)."""
        x = batch[self.input]
        z, label = self.noise(keys["z"], len(x)), batch.get("label")
        args = params, model_state, z, x.shape[1:], label
        return self.run("generate", *args, key=keys["generate"])

    def _blur(self, step, key, x):
        """Adds the noise that hides from the discriminator what is too easy to see."""
        if not self.stability.instance_noise:
            return x
        left = jnp.maximum(0.0, 1 - step / self.stability.noise_steps)
        sigma = self.stability.instance_noise * left
        return x + sigma * jax.random.normal(key, x.shape, x.dtype)


def named(rng: jax.Array) -> dict[str, jax.Array]:
    """Splits a key into one for each random draw of a loss."""
    return dict(zip(_DRAWS, jax.random.split(rng, len(_DRAWS)), strict=True))


def _pairs(values, mask):
    return {k: ((v * mask).sum(), mask.sum()) for k, v in values.items()}

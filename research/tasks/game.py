"""One game of a generator against a discriminator: what each of them minimises."""

from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp

from research.tasks import adversaries, health, penalties

PRIORS = ("normal", "uniform")


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
        keys = dict(zip("zgrfp", jax.random.split(rng, 5), strict=True))
        z, made_by = self.noise(keys["z"], len(x)), {"generator": generator}
        made, _ = self.run(
            "generate", made_by, model_state, z, x.shape[1:], label, key=keys["g"]
        )
        made = jax.lax.stop_gradient(made)
        x, made = (self._blur(step, keys[k], y) for k, y in (("r", x), ("f", made)))

        def judge(y, model_state, key):
            return self.run("discriminate", params, model_state, y, label, key=key)

        real, model_state = judge(x, model_state, keys["r"])
        fake, model_state = judge(made, model_state, keys["f"])
        loss = adversaries.LOSSES[self.loss].discriminator(real, fake)
        values = {"loss": loss, "accuracy": (real > fake).astype(jnp.float32)}
        penalty = penalties.of_discriminator(
            self.stability,
            step,
            lambda y: judge(y, model_state, keys["p"])[0],
            keys["p"],
            x,
            made,
        )
        if penalty is not None:
            values["penalty"] = penalty
        values["objective"] = loss if penalty is None else loss + penalty
        metrics = {k: ((v * mask).sum(), mask.sum()) for k, v in values.items()}
        return metrics | health.distances(x, made, mask), model_state

    def generator_loss(self, step, discriminator, params, model_state, batch, rng):
        """Has new images judged; the discriminator's parameters stay.

        Returns:
          (metrics with the objective; model state)
        """
        shape, label, mask = batch[self.input].shape, batch.get("label"), batch["mask"]
        keys = dict(zip("zgnfp", jax.random.split(rng, 5), strict=True))
        z = self.noise(keys["z"], shape[0])
        made, model_state = self.run(
            "generate", params, model_state, z, shape[1:], label, key=keys["g"]
        )
        seen = self._blur(step, keys["n"], made)
        judged_by = {"discriminator": discriminator}
        fake, _ = self.run(
            "discriminate", judged_by, model_state, seen, label, key=keys["f"]
        )
        loss = adversaries.LOSSES[self.loss].generator(fake)
        values = {"generator_loss": loss, "objective": loss}
        if self.stability.path_length:
            held = model_state
            styles, _ = self.run(
                "styles", params, held, z, shape[1:], label, key=keys["g"]
            )
            penalty, model_state["path_length"] = penalties.of_generator(
                self.stability,
                step,
                lambda w: self.run(
                    "synthesise", params, held, w, shape[1:], key=keys["g"]
                )[0],
                keys["p"],
                styles,
                model_state["path_length"],
            )
            values["path_length"] = penalty
            values["objective"] = loss + penalty
        metrics = {k: ((v * mask).sum(), mask.sum()) for k, v in values.items()}
        return metrics, model_state

    def _blur(self, step, key, x):
        """Adds the noise that hides from the discriminator what is too easy to see."""
        if not self.stability.instance_noise:
            return x
        left = jnp.maximum(0.0, 1 - step / self.stability.noise_steps)
        sigma = self.stability.instance_noise * left
        return x + sigma * jax.random.normal(key, x.shape, x.dtype)

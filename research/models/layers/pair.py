"""What the networks of adversarial games share: a generator beside a discriminator."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from research.models.layers import checks, plain

# Behind the generator's last layer.
OUTPUTS: dict[str, Callable] = {
    "sigmoid": jax.nn.sigmoid,
    "tanh": jnp.tanh,
    "linear": lambda x: x,
}


class Pair(nn.Module):
    """A generator and a discriminator, submodules of these names.

    A subclass has the fields `latent`, size of z, and `classes`, labels that both
    networks read (0: none), and the methods

      generate(z, shape, label=None, *, train, truncation=1.0) -> images (b, *shape)
      discriminate(x, label=None, *, train) -> logits (b,), high where x seems data

    float32 both. z (b, latent) are draws of the prior; shape is that of one image,
    (h, w, c); label (b,) int32 is read where there are classes; train switches dropout
    and the batch's statistics on. Truncation, in [0, 1], gives up variety for images
    nearer to the mean's: as a scale of z, or by styles where there are some.
    """

    def __call__(
        self,
        z: Float[Array, "b d"],
        x: Float[Array, "b h w c"],
        label: Int[Array, " b"] | None = None,
        *,
        train: bool,
    ) -> tuple[Float[Array, "b h w c"], Float[Array, " b"]]:
        """Runs both networks: (images of z, logits of x)."""
        images = self.generate(z, x.shape[1:], label, train=train)
        return images, self.discriminate(x, label, train=train)


def beside(x: jax.Array, label: Int[Array, " b"] | None, classes: int) -> jax.Array:
    """Puts the label, one-hot, behind the last axis of x (b, ..., c), at every place.

    Conditioning of Mirza & Osindero 2014, https://arxiv.org/abs/1411.1784; without
    classes x stays as it is.
    """
    if not classes:
        return x
    code = jax.nn.one_hot(label, classes, dtype=x.dtype)
    code = code.reshape(len(x), *[1] * (x.ndim - 2), classes)
    return jnp.concatenate(
        [x, jnp.broadcast_to(code, (*x.shape[:-1], classes))], axis=-1
    )


def check_sides(
    name: str, channels: Sequence[int], shape: tuple[int, ...], scale: int
) -> None:
    """Checks that the sides of images (h, w, c) can be doubled from whole ones.

    Raises:
      ValueError: `scale` does not divide them.
    """
    if shape[0] % scale or shape[1] % scale:
        raise ValueError(
            f"{name} with {len(channels)} model.channels needs images whose sides "
            f"{scale} divides, got {shape[0]}x{shape[1]}; resize or pad them, or "
            "change model.channels"
        )


def build_pair(
    module: type[Pair],
    variants: Mapping[str, Mapping[str, Any]],
    variant: str,
    overrides: Mapping[str, Any],
) -> Pair:
    """Builds a pair with the field `output`; otherwise as `build`.

    Raises:
      ValueError: the variant, a field or the output is unknown.
    """
    model = plain.build(module, variants, variant, overrides)
    checks.check_choice("output", model.output, OUTPUTS)
    return model

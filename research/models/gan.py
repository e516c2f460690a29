"""Generative adversarial network of perceptrons (Goodfellow et al.: Generative
Adversarial Nets, 2014, https://arxiv.org/abs/1406.2661).

"mnist" is the authors' network for MNIST (https://github.com/goodfeli/adversarial,
mnist.yaml): a generator 100-1200-1200-784 of rectifiers with sigmoid outputs, and a
discriminator of two maxout layers (Goodfellow et al.: Maxout Networks, 2013,
https://arxiv.org/abs/1302.4389) with dropout before each of its layers.

Axes: b batch, d latent. With `classes` both networks also read the label, as a one-hot
vector beside their input (Mirza & Osindero 2014, https://arxiv.org/abs/1411.1784).
Differences from the paper: outputs start at 0.5 instead of the pixels' means.
"""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from research.models import layers

# Parameters with 28x28x1 images: 2,503,984 of the generator, 1,231,441 of the other.
VARIANTS = {
    "mnist": dict(
        latent=100,
        hidden=(1200, 1200),
        units=(240, 240),
        input_dropout=0.2,
        dropout=0.5,
    ),
    "debug": dict(latent=8, hidden=(64,), units=(32,), output="linear"),
}


class Generator(nn.Module):
    """Maps z to an image.

    Attributes:
      hidden: width of each hidden layer.
      dense: a dense layer with its shared fields bound.
    """

    hidden: Sequence[int]
    dense: Any

    @nn.compact
    def __call__(self, z: Float[Array, "b d"], numbers: int) -> Float[Array, "b n"]:
        dense = partial(self.dense, kernel_init=layers.symmetric(0.05))
        for i, width in enumerate(self.hidden):
            z = nn.relu(dense(width, name=f"h{i}")(z))
        return dense(numbers, name="y")(z)


class Discriminator(nn.Module):
    """Maps an image to one logit.

    Attributes:
      units: of each maxout layer.
      pieces: linear pieces of each unit.
      input_dropout: share of the image's numbers set to zero.
      dropout: share of each hidden layer's.
      dense: a dense layer with its shared fields bound.
    """

    units: Sequence[int]
    pieces: int
    input_dropout: float
    dropout: float
    dense: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b n"], train: bool) -> Float[Array, " b"]:
        dense = partial(self.dense, kernel_init=layers.symmetric(0.005))
        rate = self.input_dropout
        for i, units in enumerate(self.units):
            x = layers.Dropout(rate, deterministic=not train)(x)
            x = dense(units * self.pieces, name=f"h{i}")(x)
            x = x.reshape(*x.shape[:-1], units, self.pieces).max(-1)  # maxout, Eq. (2)
            rate = self.dropout
        x = layers.Dropout(rate, deterministic=not train)(x)
        return dense(1, name="y")(x)[..., 0]


class GAN(layers.Pair):
    """A generator and a discriminator.

    Attributes:
      latent: size of z.
      hidden: widths of the generator's hidden layers.
      units: of the discriminator's maxout layers.
      pieces: of each of these units.
      input_dropout: share of an image's numbers that the discriminator does not see.
      dropout: share of each of its hidden layers' units.
      output: of the generator, a key of layers.OUTPUTS.
      classes: labels that both are conditioned on; 0: none.
      dtype: of the computation; images and logits are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    latent: int
    hidden: Sequence[int]
    units: Sequence[int]
    pieces: int = 5
    input_dropout: float = 0.0
    dropout: float = 0.0
    output: str = "sigmoid"
    classes: int = 0
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    def setup(self):
        dense = layers.dense(
            self.kernels, dtype=self.dtype, param_dtype=self.param_dtype
        )
        self.generator = Generator(self.hidden, dense)
        self.discriminator = Discriminator(
            self.units, self.pieces, self.input_dropout, self.dropout, dense
        )

    def generate(
        self,
        z: Float[Array, "b d"],
        shape: tuple[int, ...],
        label: Int[Array, " b"] | None = None,
        *,
        train: bool,
        truncation: float = 1.0,
    ) -> Float[Array, "b h w c"]:
        """Makes images, as `layers.Pair` says; `train` changes nothing."""
        z = layers.beside(truncation * z, label, self.classes)
        y = self.generator(z, math.prod(shape)).astype(jnp.float32)
        return layers.OUTPUTS[self.output](y).reshape(-1, *shape)

    def discriminate(
        self,
        x: Float[Array, "b h w c"],
        label: Int[Array, " b"] | None = None,
        *,
        train: bool,
    ) -> Float[Array, " b"]:
        """Returns a logit per image."""
        x = layers.beside(x.reshape(len(x), -1), label, self.classes)
        return self.discriminator(x, train).astype(jnp.float32)


def build(variant: str, **overrides: Any) -> GAN:
    """Builds a variant of VARIANTS, with any field of GAN overridden.

    Raises:
      ValueError: the variant, a field or the output is unknown.
    """
    return layers.build_pair(GAN, VARIANTS, variant, overrides)

"""Variational autoencoder (Kingma & Welling: Auto-Encoding Variational Bayes, 2014,
https://arxiv.org/abs/1312.6114).

"200-200-50" is the net of Burda, Grosse & Salakhutdinov: Importance Weighted
Autoencoders (2016, https://arxiv.org/abs/1509.00519), section 5, one stochastic layer;
"400-20" is that of PyTorch's example (https://github.com/pytorch/examples, vae);
"conv-20" convolves, in two or one dimensions.

Axes: b batch, d latent. q(z|x) is a Gaussian with diagonal covariance; p(x|z) is what a
task makes of the decoder's outputs. The call takes the mean of q(z|x) for z: drawing z
is the task's, which needs several draws of one example.
Differences from the papers: Burda et al. start the output's biases at the data's mean.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float

from research.models import layers

# Widths of the encoder's hidden layers and of z; parameters with 28x28x1 inputs.
VARIANTS = {
    "200-200-50": dict(hidden=(200, 200), latent=50, activation="tanh"),  # 425,284
    "400-20": dict(hidden=(400,), latent=20),  # 652,824
    "conv-20": dict(channels=(16, 32), latent=20),  # 105,257
    "debug": dict(channels=(16,), hidden=(64,), latent=16, activation="tanh"),
}

ACTIVATIONS: dict[str, Callable] = {"relu": jax.nn.relu, "tanh": jnp.tanh}


class Encoder(nn.Module):
    """Computes mean and log variance of q(z|x).

    Attributes:
      channels: of each 3x3 (or 3) convolution of stride 2.
      hidden: width of each hidden layer behind them.
      latent: size of z.
      activation: a key of ACTIVATIONS.
      dense: a dense layer with its shared fields bound.
      conv: likewise.
    """

    channels: Sequence[int]
    hidden: Sequence[int]
    latent: int
    activation: str
    dense: Any
    conv: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b ..."]
    ) -> tuple[Float[Array, "b d"], Float[Array, "b d"]]:
        act = ACTIVATIONS[self.activation]
        kernel, stride = (3,) * (x.ndim - 2), (2,) * (x.ndim - 2)
        for i, width in enumerate(self.channels):
            x = act(self.conv(width, kernel, strides=stride, name=f"conv_{i}")(x))
        x = rearrange(x, "b ... -> b (...)")
        for i, width in enumerate(self.hidden):
            x = act(self.dense(width, name=f"hidden_{i}")(x))
        mean = self.dense(self.latent, name="mean")(x)
        return mean, self.dense(self.latent, name="log_variance")(x)


class Decoder(nn.Module):
    """The encoder's mirror image: each convolution doubles the sides before it.

    Attributes:
      channels, hidden, activation, dense, conv: of the encoder, in its order.
      numbers: outputs per number of the input.
    """

    channels: Sequence[int]
    hidden: Sequence[int]
    activation: str
    numbers: int
    dense: Any
    conv: Any

    @nn.compact
    def __call__(
        self, z: Float[Array, "b d"], shape: tuple[int, ...]
    ) -> Float[Array, "b ..."]:
        act = ACTIVATIONS[self.activation]
        for i, width in enumerate(reversed(self.hidden)):
            z = act(self.dense(width, name=f"hidden_{i}")(z))
        if not self.channels:
            return self.dense(math.prod(shape) * self.numbers, name="output")(z)
        sides = [shape[:-1]]
        for _ in self.channels:  # as strides of 2 shorten them
            sides.append(tuple(-(-side // 2) for side in sides[-1]))
        first = (*sides.pop(), self.channels[-1])
        y = act(self.dense(math.prod(first), name="unfold")(z)).reshape(-1, *first)
        kernel = (3,) * (len(shape) - 1)
        widths = (shape[-1] * self.numbers, *self.channels[:-1])
        for i, width in enumerate(reversed(widths)):
            y = self.conv(width, kernel, sides=sides.pop(), name=f"conv_{i}")(y)
            y = act(y) if sides else y
        return y


class VAE(nn.Module):
    """Encoder and decoder of a variational autoencoder.

    Attributes:
      latent: size of z.
      hidden: widths of the encoder's hidden layers; the decoder has them reversed.
      channels: of the convolutions before them; each halves the sides. Without any the
        input is flattened.
      activation: of hidden layers and convolutions, a key of ACTIVATIONS.
      decoder_variance: the decoder has two outputs per number of the input, mean and
        log variance, for Gaussian likelihoods (appendix C.2); else one.
      dtype: of the computation; outputs are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    latent: int
    hidden: Sequence[int] = ()
    channels: Sequence[int] = ()
    activation: str = "relu"
    decoder_variance: bool = False
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    def setup(self):
        shared = dict(
            dtype=self.dtype,
            param_dtype=self.param_dtype,
            kernel_init=nn.initializers.glorot_uniform(),
        )
        same = dict(
            channels=self.channels,
            hidden=self.hidden,
            activation=self.activation,
            dense=layers.dense(self.kernels, **shared),
        )
        conv = layers.conv(self.kernels, **shared)
        self.encoder = Encoder(latent=self.latent, conv=conv, **same)
        conv = layers.resize_conv(self.kernels, **shared)
        self.decoder = Decoder(numbers=1 + self.decoder_variance, conv=conv, **same)

    def __call__(self, x: Float[Array, "b ..."], *, train: bool):
        """Decodes the mean of q(z|x).

        Returns:
          (outputs as `decode` gives them; mean and log variance (b, d) of q(z|x))
        """
        mean, log_variance = self.encode(x, train=train)
        return self.decode(mean, x.shape[1:], train=train), mean, log_variance

    def encode(
        self, x: Float[Array, "b ..."], *, train: bool
    ) -> tuple[Float[Array, "b d"], Float[Array, "b d"]]:
        """Computes mean and log variance of q(z|x)."""
        mean, log_variance = self.encoder(x)
        return mean.astype(jnp.float32), log_variance.astype(jnp.float32)

    def decode(
        self, z: Float[Array, "b d"], shape: tuple[int, ...], *, train: bool
    ) -> Float[Array, "b ..."]:
        """Computes the outputs of codes.

        Args:
          z: the codes.
          shape: of one example.
          train: not used.

        Returns:
          (b, *shape): logits or means; with `decoder_variance` (b, *shape, 2): means
          and log variances.
        """
        pair = (2,) if self.decoder_variance else ()
        return self.decoder(z, shape).astype(jnp.float32).reshape(-1, *shape, *pair)


def build(variant: str, **overrides: Any) -> VAE:
    """Builds a variant of VARIANTS, with any field of VAE overridden.

    Raises:
      ValueError: the variant, a field or the activation is unknown.
    """
    model = layers.build(VAE, VARIANTS, variant, overrides)
    layers.check_choice("activation", model.activation, ACTIVATIONS)
    if model.latent < 1:
        raise ValueError(
            f"vae latent={model.latent} must be at least 1; choose the size of z"
        )
    return model

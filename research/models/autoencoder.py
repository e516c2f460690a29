"""Autoencoders: an encoder to a short code and its mirror image as decoder.

"hinton" is the deep autoencoder of Hinton & Salakhutdinov: Reducing the Dimensionality
of Data with Neural Networks (2006, https://doi.org/10.1126/science.1127647), Fig. 1;
"64" and "32" have one hidden layer, the code: the autoencoders of TensorFlow's tutorial
(https://www.tensorflow.org/tutorials/generative/autoencoder) and of Chollet: Building
Autoencoders in Keras (2016, https://blog.keras.io). "32-16-8" is that tutorial's net
for electrocardiograms of 140 samples. "conv-64" convolves, in two or one dimensions.

Axes: b batch, y x pixels, t time, c channels, d width. Any shape of example will do;
without convolutions it is flattened.
Differences from the sources: "hinton" has leaky ReLU units from a Glorot-uniform start,
which need no pre-training, where the paper's are logistic and pre-trained as Boltzmann
machines. The outputs are what a logistic unit would squash, if the task has one.
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

# Widths of the hidden layers, size of the code; parameters with 784 inputs (28x28x1).
VARIANTS = {
    "64": dict(code=64),  # 101,200
    "32": dict(code=32, code_activation="relu"),  # 50,992
    "hinton": dict(  # 2,837,314
        hidden=(1000, 500, 250), code=30, activation="leaky_relu"
    ),
    "32-16-8": dict(hidden=(32, 16), code=8, code_activation="relu"),  # 52,344
    "conv-64": dict(channels=(16, 32), code=64),  # 211,905
    "debug": dict(channels=(16,), hidden=(64,), code=16, activation="tanh"),
}

ACTIVATIONS: dict[str, Callable] = {
    "linear": lambda a: a,
    "relu": jax.nn.relu,
    "leaky_relu": jax.nn.leaky_relu,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
}


class Encoder(nn.Module):
    """Strided convolutions, if any, then hidden layers, then the code.

    Attributes:
      channels: of each 3x3 (or 3) convolution of stride 2.
      hidden: width of each hidden layer.
      code: size of the code.
      activation: of all layers but the code.
      code_activation: of the code.
      dense: a dense layer with its shared fields bound.
      conv: likewise.
    """

    channels: Sequence[int]
    hidden: Sequence[int]
    code: int
    activation: str
    code_activation: str
    dense: Any
    conv: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b ..."]) -> Float[Array, "b {self.code}"]:
        act = ACTIVATIONS[self.activation]
        kernel, stride = (3,) * (x.ndim - 2), (2,) * (x.ndim - 2)
        for i, width in enumerate(self.channels):
            x = act(self.conv(width, kernel, strides=stride, name=f"conv_{i}")(x))
        x = rearrange(x, "b ... -> b (...)")
        for i, width in enumerate(self.hidden):
            x = act(self.dense(width, name=f"hidden_{i}")(x))
        return ACTIVATIONS[self.code_activation](self.dense(self.code, name="code")(x))


class Decoder(nn.Module):
    """The encoder's mirror image: each convolution doubles the sides before it.

    Attributes:
      channels, hidden, activation, dense, conv: of the encoder, in its order.
    """

    channels: Sequence[int]
    hidden: Sequence[int]
    activation: str
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
            y = self.dense(math.prod(shape), name="output")(z)
            return y.reshape(-1, *shape)
        sides = [shape[:-1]]
        for _ in self.channels:  # as strides of 2 shorten them
            sides.append(tuple(-(-side // 2) for side in sides[-1]))
        first = (*sides.pop(), self.channels[-1])
        y = act(self.dense(math.prod(first), name="unfold")(z)).reshape(-1, *first)
        kernel = (3,) * (len(shape) - 1)
        for i, width in enumerate(reversed((shape[-1], *self.channels[:-1]))):
            y = layers.upsample(y, sides.pop())
            y = self.conv(width, kernel, name=f"conv_{i}")(y)
            y = act(y) if sides else y
        return y


class Autoencoder(nn.Module):
    """Encoder and decoder; the call reconstructs its input.

    Attributes:
      code: size of the code.
      hidden: widths of the encoder's hidden layers; the decoder has them reversed.
      channels: of the convolutions before them; each halves the sides. Without any the
        input is flattened.
      activation: of hidden layers and convolutions, a key of ACTIVATIONS.
      code_activation: of the code.
      dtype: of the computation; code and outputs are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    code: int
    hidden: Sequence[int] = ()
    channels: Sequence[int] = ()
    activation: str = "relu"
    code_activation: str = "linear"
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    def setup(self):
        shared = dict(
            dtype=self.dtype,
            param_dtype=self.param_dtype,
            kernel_init=nn.initializers.glorot_uniform(),
        )
        dense = layers.dense(self.kernels, **shared)
        conv = layers.conv(self.kernels, padding="SAME", **shared)
        same = dict(
            channels=self.channels,
            hidden=self.hidden,
            activation=self.activation,
            dense=dense,
            conv=conv,
        )
        self.encoder = Encoder(
            code=self.code, code_activation=self.code_activation, **same
        )
        self.decoder = Decoder(**same)

    def __call__(
        self, x: Float[Array, "b ..."], *, train: bool
    ) -> Float[Array, "b ..."]:
        """Reconstructs examples of any shape."""
        return self.decode(self.encode(x, train=train), x.shape[1:], train=train)

    def encode(
        self, x: Float[Array, "b ..."], *, train: bool
    ) -> Float[Array, "b {self.code}"]:
        """Computes codes."""
        return self.encoder(x).astype(jnp.float32)

    def decode(
        self, z: Float[Array, "b d"], shape: tuple[int, ...], *, train: bool
    ) -> Float[Array, "b ..."]:
        """Computes outputs (b, *shape) from codes; `shape` is that of one example."""
        return self.decoder(z, shape).astype(jnp.float32)


def build(variant: str, **overrides: Any) -> Autoencoder:
    """Builds a variant of VARIANTS, with any field of Autoencoder overridden.

    Raises:
      ValueError: the variant, a field or an activation is unknown.
    """
    model = layers.build(Autoencoder, VARIANTS, variant, overrides)
    for field in ("activation", "code_activation"):
        layers.check_choice(field, getattr(model, field), ACTIVATIONS)
    if model.code < 1:
        raise ValueError(
            f"autoencoder code={model.code} must be at least 1; choose the size of "
            "the code"
        )
    return model

"""Multilayer perceptron: fully connected layers on the flattened input.

Variants: "512-512" is the MNIST example of Keras (Chollet et al., 2015,
https://github.com/keras-team/keras, examples/mnist_mlp.py); "300" is the net with one
hidden layer of LeCun, Bottou, Bengio, Haffner: Gradient-Based Learning Applied to
Document Recognition (1998, https://doi.org/10.1109/5.726791), section III.C; and
"256-128-64" is the MLP among the Fashion-MNIST benchmarks (Xiao et al., 2017,
https://arxiv.org/abs/1708.07747).

Axes: b batch, d width, k classes.
Differences from the sources: Glorot-uniform initialisation, as in Keras, for every
variant; "300" ends in a softmax, where the paper trains with squared error.
"""

from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float

from research.models import layers

# Hidden widths; parameters with 784 inputs and 10 classes.
VARIANTS = {
    "512-512": dict(features=(512, 512), dropout=0.2),  # 669,706
    "300": dict(features=(300,), activation="scaled_tanh"),  # 238,510
    "256-128-64": dict(features=(256, 128, 64)),  # 242,762
    "debug": dict(features=(16, 16), dropout=0.2),
}


def scaled_tanh(a: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Squashes activations as LeCun et al. (1998) do, Eq. (6) and appendix A."""
    return 1.7159 * jnp.tanh(a * (2 / 3))


ACTIVATIONS: dict[str, Callable] = {"relu": jax.nn.relu, "scaled_tanh": scaled_tanh}


class MLP(nn.Module):
    """Hidden layers of the given widths, each with dropout, and a linear head.

    Attributes:
      features: width of each hidden layer.
      num_classes: width of the head.
      activation: "relu" or "scaled_tanh".
      dropout: share of hidden units set to zero in training, in [0, 1).
      dtype: of the computation; the logits are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    features: Sequence[int]
    num_classes: int = 10
    activation: str = "relu"
    dropout: layers.Rate = 0.0
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self, x: Float[Array, "b ..."], *, train: bool
    ) -> Float[Array, "b {self.num_classes}"]:
        """Computes logits; dropout draws from the rng "dropout" when training."""
        dense = layers.dense(
            self.kernels,
            dtype=self.dtype,
            param_dtype=self.param_dtype,
            kernel_init=nn.initializers.glorot_uniform(),
        )
        x = rearrange(x, "b ... -> b (...)")
        for i, width in enumerate(self.features):
            x = ACTIVATIONS[self.activation](dense(width, name=f"hidden_{i}")(x))
            x = layers.Dropout(self.dropout, deterministic=not train)(x)
        return dense(self.num_classes, name="head")(x).astype(jnp.float32)


def build(variant: str, **overrides: Any) -> MLP:
    """Builds a variant of VARIANTS, with any field of `MLP` overridden.

    Raises:
      ValueError: the variant, a field's name or the activation is unknown.
    """
    model = layers.build(MLP, VARIANTS, variant, overrides)
    layers.check_choice("activation", model.activation, ACTIVATIONS)
    return model

"""Deep convolutional GAN (Radford, Metz & Chintala: Unsupervised Representation
Learning with Deep Convolutional Generative Adversarial Networks, 2016,
https://arxiv.org/abs/1511.06434).

The generator projects z to a small map and doubles its sides by transposed convolutions
(Fig. 1); the discriminator halves them by convolutions. Batch norm everywhere but at
the generator's output and the discriminator's input; rectifiers, and leaky ones of
slope 0.2; all weights from N(0, 0.02) (section 4).

Axes: b batch, d latent, h w pixels, c channels. The images' size follows the data: its
sides must divide by 2 to the number of `channels`. With `classes` both networks also
read the label, as a one-hot vector beside z and as constant maps beside the image
(Mirza & Osindero 2014, https://arxiv.org/abs/1411.1784).
Differences from the paper: 4x4 kernels with symmetric padding instead of 5x5 ones, and
no biases beside norms, as in PyTorch's example (https://github.com/pytorch/examples).
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float, Int

from research.models import layers

# Channels of the generator's maps, the smallest first; the discriminator mirrors them.
# Parameters of generator and discriminator.
VARIANTS = {
    # 64x64x3: 3,576,704 and 2,765,568, Fig. 1 at half its widths
    "64": dict(latent=100, channels=(512, 256, 128, 64)),
    # 32x32x3: 1,068,928 and 663,296
    "32": dict(latent=100, channels=(256, 128, 64)),
    # 28x28x1: 759,680 and 138,624
    "28": dict(latent=100, channels=(128, 64)),
    "debug": dict(latent=8, channels=(16, 8), output="linear"),
}

_SLOPE = 0.2


class Generator(nn.Module):
    """Maps z to an image, Fig. 1.

    Attributes:
      channels: of each map, the smallest first.
      dense, up, norm: layers with their shared fields bound.
    """

    channels: Sequence[int]
    dense: Any
    up: Any
    norm: Any

    @nn.compact
    def __call__(
        self, z: Float[Array, "b d"], shape: tuple[int, ...], train: bool
    ) -> Float[Array, "b h w c"]:
        scale = 2 ** len(self.channels)
        rows, columns = shape[0] // scale, shape[1] // scale
        y = self.dense(rows * columns * self.channels[0], name="project")(z)
        y = y.reshape(-1, rows, columns, self.channels[0])
        y = nn.relu(self.norm(use_running_average=not train, name="norm_0")(y))
        for i, width in enumerate(self.channels[1:], 1):
            y = self.up(width, name=f"up_{i}")(y)
            y = nn.relu(self.norm(use_running_average=not train, name=f"norm_{i}")(y))
        return self.up(shape[-1], name="output")(y)


class Discriminator(nn.Module):
    """Maps an image to one logit.

    Attributes:
      channels: of each map, the largest map first.
      dense, conv, norm: layers with their shared fields bound.
    """

    channels: Sequence[int]
    dense: Any
    conv: Any
    norm: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"], train: bool) -> Float[Array, " b"]:
        for i, width in enumerate(self.channels):
            x = self.conv(width, name=f"conv_{i}")(x)
            if i:
                x = self.norm(use_running_average=not train, name=f"norm_{i}")(x)
            x = nn.leaky_relu(x, _SLOPE)
        return self.dense(1, name="output")(rearrange(x, "b h w c -> b (h w c)"))[:, 0]


class DCGAN(layers.Pair):
    """A generator and a discriminator.

    Attributes:
      latent: size of z.
      channels: of the generator's maps, the smallest first.
      output: of the generator, a key of layers.OUTPUTS.
      classes: labels that both are conditioned on; 0: none.
      dtype: of the computation; images and logits are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    latent: int
    channels: Sequence[int]
    output: str = "tanh"
    classes: int = 0
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    def setup(self):
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        linear = dict(
            use_bias=False, kernel_init=nn.initializers.normal(0.02), **shared
        )
        dense = layers.dense(self.kernels, **linear)
        norm = layers.batch_norm(
            self.kernels, momentum=0.9, epsilon=1e-5, scale_init=_near_one, **shared
        )
        self.generator = Generator(
            self.channels, dense, layers.conv_transpose(self.kernels, **linear), norm
        )
        halve = dict(kernel_size=(4, 4), strides=(2, 2), padding=((1, 1), (1, 1)))
        self.discriminator = Discriminator(
            tuple(reversed(self.channels)),
            dense,
            layers.conv(self.kernels, **halve, **linear),
            norm,
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
        """Makes images, as `layers.Pair` says.

        Raises:
          ValueError: the sides do not divide by 2 to the number of `channels`.
        """
        layers.check_sides("dcgan", self.channels, shape, 2 ** len(self.channels))
        z = layers.beside(truncation * z, label, self.classes)
        y = self.generator(z, shape, train).astype(jnp.float32)
        return layers.OUTPUTS[self.output](y)

    def discriminate(
        self,
        x: Float[Array, "b h w c"],
        label: Int[Array, " b"] | None = None,
        *,
        train: bool,
    ) -> Float[Array, " b"]:
        """Returns a logit per image."""
        x = layers.beside(x, label, self.classes)
        return self.discriminator(x, train).astype(jnp.float32)


def _near_one(key, shape, dtype=jnp.float32):
    return 1 + 0.02 * jax.random.normal(key, shape, dtype)


def build(variant: str, **overrides: Any) -> DCGAN:
    """Builds a variant of VARIANTS, with any field of DCGAN overridden.

    Raises:
      ValueError: the variant, a field or the output is unknown.
    """
    return layers.build_pair(DCGAN, VARIANTS, variant, overrides)

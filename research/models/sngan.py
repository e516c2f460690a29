"""Residual generator and critic of SNGAN and WGAN-GP.

Miyato, Kataoka, Koyama & Yoshida: Spectral Normalization for Generative Adversarial
Networks, 2018, https://arxiv.org/abs/1802.05957, Table 4 (b): "sngan"; Gulrajani et
al.: Improved Training of Wasserstein GANs, 2017, https://arxiv.org/abs/1704.00028,
appendix C: "wgan_gp". Both have blocks of two 3x3 convolutions beside a 1x1 one that
double or halve the sides. "sngan" divides each of the critic's weights by its largest
singular value, W / sigma(W), Eq. (8), which one power iteration per call follows; its
vectors are in the collection "spectral".

Axes: b batch, d latent, h w pixels, c channels. The images' sides must divide by 2 to
the number of `channels` of the generator. With `classes` the generator's norms have a
gain and a bias per class (de Vries et al. 2017, https://arxiv.org/abs/1707.00683), and
the critic adds the product of its features with an embedding of the label: Eq. (3) of
Miyato & Koyama 2018, https://arxiv.org/abs/1802.05637.
Differences from the papers: with classes the norms start at the gain 1, not near it.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from research.models import layers

# Parameters with 32x32x3 images, of the generator and of the critic.
VARIANTS = {
    # 4,276,739 and 1,053,824
    "sngan": dict(
        latent=128, channels=(256,) * 3, critic=(128,) * 4, spectral=True, pool="sum"
    ),
    # 1,204,483 and 1,053,825
    "wgan_gp": dict(
        latent=128, channels=(128,) * 3, critic=(128,) * 4, spectral=False, pool="mean"
    ),
    "debug": dict(
        latent=8, channels=(8, 8), critic=(8, 8, 8), spectral=True, output="linear"
    ),
}

POOLS: dict[str, Callable] = {"sum": jnp.sum, "mean": jnp.mean}
_HALVINGS = 2  # of the critic's first blocks

_XAVIER = nn.initializers.glorot_uniform()
_RESIDUAL = nn.initializers.variance_scaling(2.0, "fan_avg", "uniform")  # x sqrt(2)


class Norm(nn.Module):
    """Batch norm, with a gain and a bias per class where there are classes.

    Attributes:
      classes: 0: one gain and one bias.
      norm: a batch norm with its shared fields bound.
      param_dtype: of the parameters.
    """

    classes: int
    norm: Any
    param_dtype: Any

    @nn.compact
    def __call__(self, x, label, train: bool):
        rests = not train
        if not self.classes:
            return self.norm(use_running_average=rests, name="batch")(x)
        x = self.norm(
            use_running_average=rests, use_scale=False, use_bias=False, name="batch"
        )(x)
        shape = (self.classes, x.shape[-1])
        gain = self.param("gain", nn.initializers.ones, shape, self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros, shape, self.param_dtype)
        gain, bias = (p[label][:, None, None].astype(x.dtype) for p in (gain, bias))
        return gain * x + bias


class Grow(nn.Module):
    """A block of the generator: norm, ReLU, doubling, convolution, twice."""

    features: int
    conv: Any
    double: Any
    norm: Any

    @nn.compact
    def __call__(self, x, label, train: bool):
        y = nn.relu(self.norm(name="norm1")(x, label, train))
        y = self.double(self.features, (3, 3), kernel_init=_RESIDUAL, name="conv1")(y)
        y = nn.relu(self.norm(name="norm2")(y, label, train))
        y = self.conv(self.features, (3, 3), kernel_init=_RESIDUAL, name="conv2")(y)
        # A 1x1 convolution commutes with doubling, and is cheaper before it.
        x = self.conv(self.features, (1, 1), name="shortcut")(x)
        return y + layers.upsample(x)


class Generator(nn.Module):
    """Maps z to an image, Table 4 (a).

    Attributes:
      channels: of each block.
      dense, conv, double, norm: layers with their shared fields bound; `double` is a
        convolution of a map that is upsampled first.
    """

    channels: Sequence[int]
    dense: Any
    conv: Any
    double: Any
    norm: Any

    @nn.compact
    def __call__(self, z, shape: tuple[int, ...], label, train: bool):
        scale = 2 ** len(self.channels)
        rows, columns = shape[0] // scale, shape[1] // scale
        x = self.dense(rows * columns * self.channels[0], name="project")(z)
        x = x.reshape(-1, rows, columns, self.channels[0])
        for i, width in enumerate(self.channels):
            block = Grow(width, self.conv, self.double, self.norm, name=f"block_{i}")
            x = block(x, label, train)
        x = nn.relu(self.norm(name="norm")(x, label, train))
        return self.conv(shape[-1], (3, 3), name="output")(x)


class Shrink(nn.Module):
    """A block of the critic; the first one sees the image itself, without a ReLU.

    Attributes:
      features: channels of its output.
      halve: average over 2x2 pixels at its end.
      first: the block is the critic's first.
      spectral: divide weights by their largest singular value.
      conv: a convolution with its shared fields bound.
    """

    features: int
    halve: bool
    first: bool
    spectral: bool
    conv: Any

    @nn.compact
    def __call__(self, x, train: bool):
        def conv(features, side, name, **fields):
            layer = self.conv(features, (side, side), name=name, **fields)
            return _normalised(layer, self.spectral, train)

        residual = dict(kernel_init=_RESIDUAL)
        y = x if self.first else nn.relu(x)
        y = nn.relu(conv(self.features, 3, "conv1", **residual)(y))
        y = conv(self.features, 3, "conv2", **residual)(y)
        if self.halve:  # pooling and a 1x1 convolution commute
            x, y = _halved(x), _halved(y)
        if self.halve or x.shape[-1] != self.features:
            x = conv(self.features, 1, "shortcut")(x)
        return x + y


class Discriminator(nn.Module):
    """Maps an image to one logit, Table 4 (b): a critic.

    Attributes:
      channels: of each block.
      classes: labels of the projection; 0: none.
      spectral: divide weights by their largest singular value.
      pool: a key of POOLS, of the last map.
      dense, conv, embed: layers with their shared fields bound.
    """

    channels: Sequence[int]
    classes: int
    spectral: bool
    pool: str
    dense: Any
    conv: Any
    embed: Any

    @nn.compact
    def __call__(self, x, label, train: bool):
        for i, width in enumerate(self.channels):
            halve, first = i < _HALVINGS, i == 0
            x = Shrink(
                width, halve, first, self.spectral, self.conv, name=f"block_{i}"
            )(x, train)
        features = POOLS[self.pool](nn.relu(x), axis=(1, 2))
        head = self.dense(1, use_bias=not self.spectral, name="output")
        logit = _normalised(head, self.spectral, train)(features)[:, 0]
        if not self.classes:
            return logit
        embed = self.embed(self.classes, features.shape[-1], name="embedding")
        code = _normalised(embed, self.spectral, train)(label)
        return logit + (code * features).sum(-1)


class SNGAN(layers.Pair):
    """A residual generator and critic.

    Attributes:
      latent: size of z.
      channels: of each of the generator's blocks, which double the sides.
      critic: of each of the critic's, of which the first two halve them.
      spectral: divide the critic's weights by their largest singular value.
      pool: of the critic's last map, a key of POOLS.
      output: of the generator, a key of layers.OUTPUTS.
      classes: labels that both are conditioned on; 0: none.
      dtype: of the computation; images and logits are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    latent: int
    channels: Sequence[int]
    critic: Sequence[int]
    spectral: bool = True
    pool: str = "sum"
    output: str = "tanh"
    classes: int = 0
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    def setup(self):
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        drawn = dict(kernel_init=_XAVIER, **shared)
        dense = layers.dense(self.kernels, **drawn)
        conv = layers.conv(self.kernels, **drawn)
        double = layers.resize_conv(self.kernels, **drawn)
        batch = layers.batch_norm(self.kernels, momentum=0.9, epsilon=1e-5, **shared)

        def norm(name):
            return Norm(self.classes, batch, self.param_dtype, name=name)

        self.generator = Generator(self.channels, dense, conv, double, norm)
        embed = layers.embed(self.kernels, embedding_init=_XAVIER, **shared)
        self.discriminator = Discriminator(
            *(self.critic, self.classes, self.spectral, self.pool, dense, conv, embed)
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
        scale = math.lcm(2 ** len(self.channels), 2**_HALVINGS)
        layers.check_sides("sngan", self.channels, shape, scale)
        y = self.generator(truncation * z, shape, label, train)
        return layers.OUTPUTS[self.output](y.astype(jnp.float32))

    def discriminate(
        self,
        x: Float[Array, "b h w c"],
        label: Int[Array, " b"] | None = None,
        *,
        train: bool,
    ) -> Float[Array, " b"]:
        """Returns a logit per image."""
        return self.discriminator(x, label, train).astype(jnp.float32)


def _normalised(layer: nn.Module, spectral: bool, train: bool) -> Callable:
    """Divides a layer's weights by their largest singular value, Eq. (8), if asked."""
    if not spectral:
        return layer
    name = f"{layer.name}_spectral"
    wrapped = nn.SpectralNorm(
        layer, collection_name="spectral", dtype=layer.param_dtype, name=name
    )
    return lambda x: wrapped(x, update_stats=train)


def _halved(x: Float[Array, "b h w c"]) -> Float[Array, "b h2 w2 c"]:
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).mean((2, 4))


def build(variant: str, **overrides: Any) -> SNGAN:
    """Builds a variant of VARIANTS, with any field of SNGAN overridden.

    Raises:
      ValueError: the variant, a field, the output or the pooling is unknown.
    """
    model = layers.build_pair(SNGAN, VARIANTS, variant, overrides)
    layers.check_choice("pool", model.pool, POOLS)
    return model

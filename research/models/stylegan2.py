"""StyleGAN2 (Karras, Laine, Aittala, Hellsten, Lehtinen & Aila: Analyzing and Improving
the Image Quality of StyleGAN, 2020, https://arxiv.org/abs/1912.04958), config F.

A mapping network turns z into w; every convolution of the synthesis network is
modulated by a style, an affine function of w, and demodulated (section 2.2). Skips sum
the generator's images over resolutions; the discriminator is residual (section 4.1).
Weights are drawn from N(0, 1) and scaled at run time (equalised learning rate).

Axes: b batch, d latent, l layers of the synthesis network, h w pixels, c channels.
Images are square, their side a power of two, which follows the data. With `classes` the
label's embedding stands beside z, and the logit is its product with a mapped label
(Karras et al. 2020, https://arxiv.org/abs/2006.06676).
Differences: the mean of w, which truncation pulls to, is that of 4,096 draws instead of
a moving average; `rngs` "noise" and "mixing" switch the random parts on: without
"noise" each layer adds fixed noise of its own.
"""

import math
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from research.models import layers
from research.models.layers import equalised, resample

# Parameters with images of 1024x1024x3 ("f"), 32x32x1 ("small").
VARIANTS = {
    "f": dict(latent=512, depth=8, base=32_768, most=512),  # 30,370,060 + 29,012,513
    "small": dict(latent=128, depth=4, base=2_048, most=128),
    "debug": dict(latent=8, depth=2, base=64, most=8, rate=1.0),
}

_GAIN = math.sqrt(2)  # keeps the variance behind a leaky rectifier
_SLOPE = 0.2
_GROUP = 4  # images whose deviation the discriminator sees
_DRAWS = 4096  # whose mean is the mean of w


class Mapping(nn.Module):
    """Maps z to w, section 2: z to the sphere, then dense layers."""

    latent: int
    depth: int
    classes: int
    linear: Any
    rate: float

    @nn.compact
    def __call__(self, z, label) -> Float[Array, "b d"]:
        z = _normalised(z)
        if self.classes:
            code = self.linear(self.latent, name="label")(
                jax.nn.one_hot(label, self.classes)
            )
            z = jnp.concatenate([z, _normalised(code)], axis=-1)
        for i in range(self.depth):
            z = _activated(
                self.linear(self.latent, rate=self.rate, name=f"dense_{i}")(z)
            )
        return z


class Synthesis(nn.Module):
    """Makes images of styles, Fig. 7 (b): each resolution adds to the image before."""

    channels: Callable
    linear: Any
    conv: Any
    param_dtype: Any

    @nn.compact
    def __call__(self, styles: Float[Array, "b l d"], side: int, colours: int):
        first = (1, 4, 4, self.channels(4))
        init = nn.initializers.normal(1.0)
        x = self.param("constant", init, first, self.param_dtype)
        x = jnp.broadcast_to(x, (len(styles), *first[1:]))
        image, layer = None, 0

        def modulated(x, width, name, resample="none"):
            style = self.linear(x.shape[-1], start=1.0, name=f"{name}_style")
            rows = x.shape[1] * (2 if resample == "up" else 1)
            y = self.conv(width, resample=resample, name=name)(
                x, style(styles[:, layer]), self._noise(len(x), rows, layer)
            )
            return _activated(y)

        for rows in _sides(side):
            width = self.channels(rows)
            if rows > 4:
                x = modulated(x, width, f"up_{rows}", "up")
                layer += 1
            x = modulated(x, width, f"conv_{rows}")
            layer += 1
            style = self.linear(width, start=1.0, name=f"image_{rows}_style")
            added = self.conv(colours, side=1, demodulate=False, name=f"image_{rows}")(
                x, style(styles[:, layer])
            )
            image = added if image is None else resample.double(image) + added
        return image

    def _noise(self, size: int, rows: int, layer: int):
        if self.has_rng("noise"):
            return jax.random.normal(self.make_rng("noise"), (size, rows, rows, 1))
        return jax.random.normal(jax.random.key(layer), (1, rows, rows, 1))


class Generator(nn.Module):
    """The mapping and the synthesis network."""

    mapping: nn.Module
    synthesis: nn.Module

    def __call__(self, z, label, side: int, colours: int):
        w = self.mapping(z, label)
        styles = jnp.repeat(w[:, None], _layers(side), axis=1)
        return self.synthesis(styles, side, colours)


class Discriminator(nn.Module):
    """Maps an image to one logit, Fig. 7 (c): residual blocks, halving."""

    channels: Callable
    latent: int
    classes: int
    linear: Any
    conv: Any

    @nn.compact
    def __call__(self, x, label) -> Float[Array, " b"]:
        side = x.shape[1]
        x = _activated(self.conv(self.channels(side), side=1, name="image")(x))
        for rows in reversed(_sides(side)[1:]):
            width, after = self.channels(rows), self.channels(rows // 2)
            y = _activated(self.conv(width, name=f"conv_{rows}")(x))
            y = self.conv(after, resample="down", name=f"down_{rows}")(y)
            skip = self.conv(
                after, side=1, resample="down", use_bias=False, name=f"skip_{rows}"
            )(x)
            x = (_activated(y) + skip) / _GAIN
        x = with_deviation(x)
        x = _activated(self.conv(self.channels(4), name="conv_4")(x))
        x = x.reshape(len(x), -1)
        x = _activated(self.linear(self.channels(4), name="dense")(x))
        if not self.classes:
            return self.linear(1, name="output")(x)[:, 0]
        code = self.linear(self.latent, name="label")(
            jax.nn.one_hot(label, self.classes)
        )
        mapped = self.linear(self.latent, name="output")(x)
        return (mapped * _normalised(code)).sum(-1) / math.sqrt(self.latent)


class StyleGAN2(layers.Pair):
    """A generator by styles and a residual discriminator.

    Attributes:
      latent: size of z and of w.
      depth: layers of the mapping network.
      base: channels of a map times its side, up to `most`.
      most: channels of a map at most.
      rate: factor of the mapping network's learning rate.
      mixing: share of training images whose layers take two styles; needs the rng
        "mixing".
      classes: labels that both are conditioned on; 0: none.
      dtype: of the computation; images and logits are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    latent: int
    depth: int
    base: int
    most: int
    rate: float = 0.01
    mixing: float = 0.9
    classes: int = 0
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    def setup(self):
        shared = dict(
            dtype=self.dtype, param_dtype=self.param_dtype, kernels=self.kernels
        )

        def linear(features, **fields):
            return equalised.Linear(features, **fields, **shared)

        def conv(features, **fields):
            return equalised.Conv(features, **fields, **shared)

        def channels(side: int) -> int:
            return min(self.most, self.base // side)

        self.generator = Generator(
            Mapping(self.latent, self.depth, self.classes, linear, self.rate),
            Synthesis(channels, linear, conv, self.param_dtype),
        )
        self.discriminator = Discriminator(
            channels, self.latent, self.classes, linear, conv
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
        """Makes images, as `layers.Pair` says, of z that is normal.

        In training styles are mixed, if there is the rng "mixing". Truncation is psi,
        how far w is from its mean.

        Raises:
          ValueError: the images are not square, or no power of two.
        """
        styles = self.styles(z, shape, label, train=train)
        return self.synthesise(self._near(styles, truncation), shape, train=train)

    def mix(
        self,
        z: Float[Array, "n d"],
        shape: tuple[int, ...],
        label: Int[Array, " n"] | None = None,
        truncation: float = 1.0,
    ) -> Float[Array, "m h w c"]:
        """Makes an image of each pair, its first half of layers of the first of them.

        Returns:
          n * n images, row by row: number i n + j is coarse as z_i and fine as z_j.
        """
        styles = self._near(self.styles(z, shape, label, train=False), truncation)
        half = styles.shape[1] // 2
        coarse = jnp.repeat(styles[:, :half], len(z), axis=0)
        fine = jnp.tile(styles[:, half:], (len(z), 1, 1))
        both = jnp.concatenate([coarse, fine], axis=1)
        return self.synthesise(both, shape, train=False)

    def styles(
        self,
        z: Float[Array, "b d"],
        shape: tuple[int, ...],
        label: Int[Array, " b"] | None = None,
        *,
        train: bool,
    ) -> Float[Array, "b l d"]:
        """Maps z to w for every layer of the synthesis network.

        In training, with the rng "mixing", a share of the images takes w of another
        draw from a random layer on (style mixing, section 3.1 of StyleGAN).
        """
        count = _layers(check(shape))
        w = self.generator.mapping(z, label)
        styles = jnp.repeat(w[:, None], count, axis=1)
        if not (train and self.mixing and self.has_rng("mixing")):
            return styles
        keys = jax.random.split(self.make_rng("mixing"), 3)
        other = self.generator.mapping(jax.random.normal(keys[0], z.shape), label)
        start = jax.random.randint(keys[1], (len(z),), 1, count)
        mixed = jax.random.bernoulli(keys[2], self.mixing, (len(z),))
        start = jnp.where(mixed, start, count)
        late = jnp.arange(count)[None] >= start[:, None]
        return jnp.where(late[..., None], other[:, None], styles)

    def synthesise(
        self, styles: Float[Array, "b l d"], shape: tuple[int, ...], *, train: bool
    ) -> Float[Array, "b h w c"]:
        """Makes images of styles; random noise needs the rng "noise"."""
        made = self.generator.synthesis(styles, check(shape), shape[-1])
        return made.astype(jnp.float32)

    def discriminate(
        self,
        x: Float[Array, "b h w c"],
        label: Int[Array, " b"] | None = None,
        *,
        train: bool,
    ) -> Float[Array, " b"]:
        """Returns a logit per image."""
        check(x.shape[1:])
        return self.discriminator(x, label).astype(jnp.float32)

    def _near(self, styles, truncation):
        """Pulls styles to their mean: Fig. 8 of StyleGAN."""
        if isinstance(truncation, float) and truncation == 1:
            return styles
        mean = self._mean()[None, None]
        return mean + truncation * (styles - mean)

    def _mean(self) -> Float[Array, " d"]:
        """Returns the mean of w over draws of the prior, and over the classes."""
        z = jax.random.normal(jax.random.key(0), (_DRAWS, self.latent))
        label = jnp.arange(_DRAWS) % max(1, self.classes)
        return self.generator.mapping(z, label).mean(0)


def check(shape: tuple[int, ...]) -> int:
    """Returns the side of the images (h, w, c) that a network can make.

    Raises:
      ValueError: they are not square, or their side is no power of two.
    """
    rows, columns = shape[:2]
    if rows != columns or rows < 8 or rows & (rows - 1):
        near = 2 ** max(3, round(math.log2(max(1, min(rows, columns)))))
        raise ValueError(
            "stylegan2 makes square images whose side is a power of two of at least "
            f"8, got {rows}x{columns}; set data.image_size={near}"
        )
    return rows


def with_deviation(x: Float[Array, "b h w c"]) -> Float[Array, "b h w c1"]:
    """Adds a map with the standard deviation over a group of images.

    Every n-th image is of one group of up to four (Karras et al. 2018,
    https://arxiv.org/abs/1710.10196, section 3).
    """
    size = math.gcd(len(x), _GROUP)
    y = x.astype(jnp.float32).reshape(size, -1, *x.shape[1:])
    deviation = jnp.sqrt(((y - y.mean(0, keepdims=True)) ** 2).mean(0) + 1e-8)
    value = jnp.tile(deviation.mean((1, 2, 3)), size).astype(x.dtype)
    maps = jnp.broadcast_to(value[:, None, None, None], (*x.shape[:3], 1))
    return jnp.concatenate([x, maps], axis=-1)


def _sides(side: int) -> list[int]:
    """Lists the resolutions from 4 to the image's."""
    return [2**k for k in range(2, side.bit_length())]


def _layers(side: int) -> int:
    """Counts the layers with a style of their own, the last image's one included."""
    return 2 * len(_sides(side))


def _normalised(z):
    """Scales each vector to mean square 1."""
    return z * jax.lax.rsqrt((z**2).mean(-1, keepdims=True) + 1e-8)


def _activated(x):
    return nn.leaky_relu(x, _SLOPE) * jnp.asarray(_GAIN, x.dtype)


def build(variant: str, **overrides: Any) -> StyleGAN2:
    """Builds a variant of VARIANTS, with any field of StyleGAN2 overridden.

    Raises:
      ValueError: the variant or a field is unknown.
    """
    return layers.build(StyleGAN2, VARIANTS, variant, overrides)

"""VQ-VAE (van den Oord, Vinyals & Kavukcuoglu: Neural Discrete Representation Learning,
2017, https://arxiv.org/abs/1711.00937): an autoencoder whose code is a grid of entries
of a learned codebook.

"128" is the net of its authors' example
(https://github.com/google-deepmind/sonnet, examples/vqvae_example.ipynb).

Axes: b batch, y x pixels, h w the grid (a quarter of them each, rounded up), d width of
a codebook entry, k entries.
The call sows two losses of each example, sums over grid and width, into the collection
"losses": the second and third term of Eq. (3).
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float, Int

from research.models import layers

# Widths of convolutions, of the residual blocks inside, and of a codebook entry;
# parameters with 3 channels (mnist: 1).
VARIANTS = {
    # 695,491
    "128": dict(hidden=128, residual_hidden=32, blocks=2, entries=512, width=64),
    # 40,169
    "mnist": dict(hidden=32, residual_hidden=16, blocks=1, entries=128, width=8),
    "debug": dict(hidden=16, residual_hidden=8, blocks=1, entries=16, width=4),
}


class ResidualStack(nn.Module):
    """Blocks of x + W_1x1 ReLU(W_3x3 ReLU(x)), and a ReLU behind the last.

    Attributes:
      hidden: channels of x.
      residual_hidden: between the two convolutions.
      blocks: how many.
      conv: a convolution with its shared fields bound.
    """

    hidden: int
    residual_hidden: int
    blocks: int
    conv: Any

    @nn.compact
    def __call__(self, x: Float[Array, "b h w {self.hidden}"]) -> Float[Array, "..."]:
        for i in range(self.blocks):
            y = jax.nn.relu(x)
            y = self.conv(self.residual_hidden, (3, 3), name=f"conv3_{i}")(y)
            y = jax.nn.relu(y)
            x = x + self.conv(self.hidden, (1, 1), name=f"conv1_{i}")(y)
        return jax.nn.relu(x)


class Encoder(nn.Module):
    """Computes z_e(x); attributes as `ResidualStack`, and `width`, that of an entry."""

    hidden: int
    residual_hidden: int
    blocks: int
    width: int
    conv: Any

    @nn.compact
    def __call__(
        self, x: Float[Array, "b y x c"]
    ) -> Float[Array, "b h w {self.width}"]:
        x = jax.nn.relu(self.conv(self.hidden // 2, (4, 4), 2, name="conv_0")(x))
        x = jax.nn.relu(self.conv(self.hidden, (4, 4), 2, name="conv_1")(x))
        x = jax.nn.relu(self.conv(self.hidden, (3, 3), name="conv_2")(x))
        x = ResidualStack(
            self.hidden, self.residual_hidden, self.blocks, self.conv, name="residual"
        )(x)
        return self.conv(self.width, (1, 1), name="to_code")(x)


class Decoder(nn.Module):
    """Computes an image from a grid; attributes as `ResidualStack`."""

    hidden: int
    residual_hidden: int
    blocks: int
    conv: Any
    transposed: Any

    @nn.compact
    def __call__(
        self, z: Float[Array, "b h w d"], channels: int
    ) -> Float[Array, "b y x c"]:
        z = self.conv(self.hidden, (3, 3), name="conv_0")(z)
        z = ResidualStack(
            self.hidden, self.residual_hidden, self.blocks, self.conv, name="residual"
        )(z)
        z = self.transposed(self.hidden // 2, name="conv_1")(z)
        return self.transposed(channels, name="conv_2")(jax.nn.relu(z))


class VQVAE(nn.Module):
    """Encoder, codebook and decoder.

    Attributes:
      hidden: channels of the convolutions.
      residual_hidden: inside the residual blocks.
      blocks: residual blocks of encoder and decoder.
      entries: K of the codebook.
      width: D, size of an entry.
      commitment: beta of Eq. (3).
      dtype: of the computation; codes and outputs are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    hidden: int
    residual_hidden: int
    blocks: int
    entries: int
    width: int
    commitment: float = 0.25
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    def setup(self):
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        conv = layers.conv(self.kernels, padding="SAME", **shared)
        same = dict(
            hidden=self.hidden,
            residual_hidden=self.residual_hidden,
            blocks=self.blocks,
            conv=conv,
        )
        self.encoder = Encoder(width=self.width, **same)
        transposed = layers.conv_transpose(self.kernels, **shared)
        self.decoder = Decoder(transposed=transposed, **same)
        # Uniform within +- sqrt(3 / D), as in the authors' example.
        init = nn.initializers.variance_scaling(
            1.0, "fan_in", "uniform", in_axis=1, out_axis=0
        )
        shape = (self.entries, self.width)
        self.codebook = self.param("codebook", init, shape, self.param_dtype)

    def __call__(
        self, x: Float[Array, "b y x c"], *, train: bool
    ) -> Float[Array, "b y x c"]:
        """Reconstructs images."""
        return self.decode(self.encode(x, train=train), x.shape[1:], train=train)

    def encode(self, x: Float[Array, "b y x c"], *, train: bool) -> Float[Array, "b n"]:
        """Computes codes: the chosen entries, h * w * d numbers of each image.

        The gradient of a code goes on to z_e(x) as it is (section 3.2).
        """
        z = self.encoder(x).astype(jnp.float32)
        chosen = self._entry(self._nearest(z))
        fixed = jax.lax.stop_gradient
        self._sow("codebook", _sum((fixed(z) - chosen) ** 2))  # Eq. (3), second term
        commitment = _sum((z - fixed(chosen)) ** 2)  # and third
        self._sow("commitment", self.commitment * commitment)
        return rearrange(z + fixed(chosen - z), "b h w d -> b (h w d)")

    def indices(self, code: Float[Array, "b n"]) -> Int[Array, "b m"]:
        """Finds the codebook's entries, h * w numbers in [0, k), of codes."""
        grid = rearrange(code, "b (m d) -> b m d", d=self.width)
        return self._nearest(grid)

    def decode(
        self, code: Float[Array, "b n"], shape: tuple[int, ...], *, train: bool
    ) -> Float[Array, "b y x c"]:
        """Computes outputs (b, *shape) of codes; numbers snap to no entry here."""
        height, width = (-(-side // 4) for side in shape[:2])
        grid = rearrange(code, "b (h w d) -> b h w d", h=height, w=width)
        y = self.decoder(grid.astype(self.dtype), shape[-1])
        return y[:, : shape[0], : shape[1]].astype(jnp.float32)

    def _nearest(self, z) -> Int[Array, "..."]:
        """Chooses argmin_j ||z - e_j||: Eq. (1)."""
        book = self.codebook.astype(jnp.float32)
        product = jnp.einsum("...d,kd->...k", z, book)
        distance = jnp.square(book).sum(-1)
        distance = jnp.expand_dims(distance, tuple(range(z.ndim - 1))) - 2 * product
        return distance.argmin(-1)

    def _entry(self, index):
        return self.codebook[index].astype(jnp.float32)

    def _sow(self, name: str, value: Float[Array, " b"]) -> None:
        self.sow("losses", name, value, reduce_fn=lambda _, new: new)


def build(variant: str, **overrides: Any) -> VQVAE:
    """Builds a variant of VARIANTS, with any field of VQVAE overridden.

    Raises:
      ValueError: the variant or a field is unknown, or a size is below 1.
    """
    model = layers.build(VQVAE, VARIANTS, variant, overrides)
    for name in ("entries", "width", "hidden", "residual_hidden"):
        if getattr(model, name) < 1:
            raise ValueError(
                f"vqvae {name}={getattr(model, name)} must be at least 1; raise it"
            )
    return model


def _sum(values: jax.Array) -> jax.Array:
    return values.reshape(values.shape[0], -1).sum(-1)

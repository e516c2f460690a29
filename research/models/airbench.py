"""The CIFAR-10 speed-run network of airbench (Jordan: 94% on CIFAR-10 in 3.29 Seconds
on a Single GPU, 2024, https://arxiv.org/abs/2404.00498;
https://github.com/KellerJordan/cifar10-airbench).

Axes: b batch, h w pixels, c channels, k classes. A frozen 2x2 convolution whitens
patches, section 3.2; three groups of two convolutions follow, max-pooling behind their
first. GELU, batch norm without scale, Dirac initial weights (section 3.3), logits times
1/9.

Variants: "94", 1,971,352 trained parameters (1,972,792 with the 288 weights of the
whitening and the 1,152 constant scales, which are not stored here).

Differences from the paper: the whitening is computed in the first training step from
that batch, where the paper takes 5,000 training images beforehand; its bias is trained
throughout, where the paper stops after 3 epochs; no lookahead averaging and no
evaluation over six views, which are not part of the model.
"""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from einops import rearrange
from jax import lax
from jaxtyping import Array, Float

from research.models import kernels as forms
from research.models import layers

_EPSILON = 5e-4  # added to the eigenvalues, section 3.2


def dirac(key, shape, dtype):
    """Draws uniform weights, the first inputs passed on unchanged (section 3.3)."""
    h, w, inputs, outputs = shape
    bound = (h * w * inputs) ** -0.5
    kernel = jax.random.uniform(key, shape, dtype, -bound, bound)
    same = min(inputs, outputs)
    identity = jnp.zeros((h, w, inputs, same), dtype)
    identity = identity.at[h // 2, w // 2].set(jnp.eye(inputs, same, dtype=dtype))
    return kernel.at[..., :same].set(identity)


def whitening(x: Float[Array, "b h w c"]) -> Float[Array, "2 2 c k"]:
    """Computes the filters that whiten the 2x2 patches of x, and their negatives."""
    h, w = x.shape[1] - 1, x.shape[2] - 1
    patches = [x[:, i : h + i, j : w + j] for i in range(2) for j in range(2)]
    patches = rearrange(jnp.stack(patches, -2), "b h w p c -> (b h w) (p c)")
    covariance = patches.T @ patches / patches.shape[0]
    values, vectors = jnp.linalg.eigh(covariance)
    filters = vectors / jnp.sqrt(values + _EPSILON)[None]
    filters = jnp.concatenate([filters, -filters], axis=1)
    return rearrange(filters, "(p q c) k -> p q c k", p=2, q=2)


class Whiten(nn.Module):
    """A 2x2 convolution with fixed whitening filters and a trained bias.

    The filters live in the collection "whitening" and are set by the first training
    batch; until then they are zero.
    """

    dtype: Any
    param_dtype: Any
    kernels: str

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool
    ) -> Float[Array, "b h-1 w-1 k"]:
        shape = (2, 2, x.shape[-1], 8 * x.shape[-1])
        kernel = self.variable("whitening", "kernel", jnp.zeros, shape, jnp.float32)
        known = self.variable("whitening", "known", jnp.zeros, (), jnp.bool_)
        filters = kernel.value
        if train:
            seen = lax.stop_gradient(x.astype(jnp.float32))
            filters = lax.cond(known.value, lambda x: kernel.value, whitening, seen)
            kernel.value, known.value = filters, jnp.ones((), jnp.bool_)
        bias = self.param("bias", nn.initializers.zeros, shape[-1:], self.param_dtype)
        y = forms.conv_general_dilated(self.kernels)(
            x.astype(self.dtype),
            filters.astype(self.dtype),
            (1, 1),
            "VALID",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
        return y + rearrange(bias.astype(self.dtype), "k -> 1 1 1 k")


class Airbench(nn.Module):
    """Whitening and three groups of two convolutions, for 32x32 images.

    Attributes:
      features: channels of each group.
      logit_scale: what the logits are multiplied by.
      num_classes: width of the head.
      dtype: of the computation; logits are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    features: tuple[int, ...] = (64, 256, 256)
    logit_scale: float = 1 / 9
    num_classes: int = 10
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self, x: Float[Array, "b h w c"], *, train: bool
    ) -> Float[Array, "b k"]:
        """Computes logits; the whitening and the batch statistics move in training.

        Args:
          x: images, normalised per channel, 32x32 as published.
          train: normalise by the batch instead of the running statistics.

        Raises:
          ValueError: the images are too small to be halved once per group.
        """
        least = 2 ** len(self.features) + 1
        if min(x.shape[1:3]) < least:
            raise ValueError(
                f"airbench halves images {len(self.features)} times and needs at least "
                f"{least}x{least}, got {x.shape[1:3]}; resize them"
            )
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        conv = layers.conv(self.kernels, use_bias=False, kernel_init=dirac, **shared)
        norm = layers.batch_norm(
            self.kernels,
            use_running_average=not train,
            use_scale=False,
            momentum=0.6,
            epsilon=1e-12,
            **shared,
        )
        gelu, pool = layers.gelu(self.kernels), layers.max_pool(self.kernels)

        x = gelu(Whiten(name="whiten", kernels=self.kernels, **shared)(x, train=train))
        for i, features in enumerate(self.features, 1):
            x = conv(features, (3, 3), name=f"group{i}_conv1")(x)
            x = gelu(norm(name=f"group{i}_norm1")(pool(x, (2, 2), (2, 2))))
            x = conv(features, (3, 3), name=f"group{i}_conv2")(x)
            x = gelu(norm(name=f"group{i}_norm2")(x))
        x = jnp.max(x, axis=(1, 2))  # 3x3, at 32x32
        dense = layers.dense(self.kernels, use_bias=False, **shared)
        x = dense(self.num_classes, name="head")(x).astype(jnp.float32)
        return x * self.logit_scale


# Section 3, and trained parameters.
VARIANTS = {
    "94": dict(features=(64, 256, 256)),  # 1,971,352
    "debug": dict(features=(8, 16)),
}


def build(variant: str, **overrides: Any) -> Airbench:
    """Builds a variant of VARIANTS, with any field of Airbench overridden.

    Raises:
      ValueError: the variant or a field is unknown.
    """
    return layers.build(Airbench, VARIANTS, variant, overrides)

"""M5: a convolutional network on raw waveforms.

Dai, Dai, Qu, Li, Das (2017), Very Deep Convolutional Neural Networks for Raw Waveforms,
https://arxiv.org/abs/1610.00087, Table 1. A long first filter with a stride learns the
filter bank; pooling by 4 after each convolution shortens the wave quickly; an average
over time replaces hidden dense layers.

"tutorial" is the narrower net of PyTorch's tutorial on Speech Commands,
https://docs.pytorch.org/tutorials/intermediate/speech_command_classification_with_torchaudio_tutorial.html

Differences from the paper: convolutions have biases and pad nothing, as in the
tutorial; "128-128-256-512" is otherwise the paper's M5.

Axes: b batch, t samples, c channels, k classes.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from research.models import layers

# Channels of the convolutions, stride of the first; parameters with 35 classes
# (tutorial), 10 classes (paper).
VARIANTS = {
    "128-128-256-512": dict(features=(128, 128, 256, 512), stride=4),  # 559,114
    "tutorial": dict(features=(32, 32, 64, 64), stride=16, num_classes=35),  # 26,915
    "debug": dict(features=(8, 8), stride=4, first=16),
}
_POOL = 4


class M5(nn.Module):
    """Convolution, batch norm, ReLU and pooling, four times; an average; a head.

    Attributes:
      features: channels of each convolution.
      stride: of the first convolution, in samples.
      first: length of its filters, in samples.
      width: length of all other filters.
      num_classes: width of the head.
      dtype: of the computation; the logits are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    features: Sequence[int]
    stride: int
    first: int = 80
    width: int = 3
    num_classes: int = 10
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self, x: Float[Array, "b t"], *, train: bool
    ) -> Float[Array, "b {self.num_classes}"]:
        """Computes logits.

        Raises:
          ValueError: the waveform is too short for the pooling.
        """
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        conv = layers.conv(self.kernels, padding="VALID", **shared)
        norm = layers.batch_norm(
            self.kernels, use_running_average=not train, momentum=0.9, **shared
        )
        pool = layers.max_pool(self.kernels)
        self._check(x.shape[1])
        x = x[..., None].astype(self.dtype)
        for i, channels in enumerate(self.features):
            size, stride = (self.first, self.stride) if i == 0 else (self.width, 1)
            x = conv(channels, (size,), strides=(stride,), name=f"conv{i + 1}")(x)
            x = nn.relu(norm(name=f"norm{i + 1}")(x))
            x = pool(x[:, None], (1, _POOL), (1, _POOL))[:, 0]
        x = x.mean(axis=1)
        head = layers.dense(self.kernels, **shared)
        return head(self.num_classes, name="head")(x).astype(jnp.float32)

    def _check(self, length: int) -> None:
        shortest = 1
        for i in reversed(range(len(self.features))):
            size, stride = (self.first, self.stride) if i == 0 else (self.width, 1)
            shortest = (_POOL * shortest - 1) * stride + size
        if length < shortest:
            raise ValueError(
                f"m5 needs waveforms of at least {shortest} samples, got {length}; "
                "make config.data.seconds longer"
            )


def build(variant: str, **overrides: Any) -> M5:
    """Builds a variant of VARIANTS, with any field of `M5` overridden.

    Raises:
      ValueError: the variant or a field's name is unknown.
    """
    return layers.build(M5, VARIANTS, variant, overrides)

"""Small convolutional network on log-mel spectrograms of a waveform.

Its parts are those of the networks of Kong et al. (2020), PANNs: Large-Scale Pretrained
Audio Neural Networks for Audio Pattern Recognition, https://arxiv.org/abs/1912.10211:
log-mel bands normalised over the batch, blocks of 3x3 convolution, batch normalisation,
ReLU and 2x2 pooling, an average over time, SpecAugment in training.

Differences from the paper: a convolution per block instead of two, fewer channels;
the bands that the pooling leaves are kept apart up to the head, instead of averaged,
because what is said depends on where its energy lies.

Axes: b batch, t samples, n frames, m mel bands, c channels, k classes.
"""

from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float

from research.models import layers

# Channels of the blocks; parameters with 10 classes and 40 mel bands.
VARIANTS = {
    "16-32-64-64": dict(features=(16, 32, 64, 64)),  # 61,690
    "debug": dict(
        features=(8, 8), mels=16, time_width=2, frequency_width=2, dropout=0.1
    ),
}


class AudioCNN(nn.Module):
    """Log-mel bands, blocks of convolution and pooling, a linear head.

    Attributes:
      features: channels of each block.
      num_classes: width of the head.
      sample_rate: of the waveform, in samples per second.
      window: length of a frame, in seconds.
      hop: from one frame to the next, in seconds.
      mels: number of mel bands.
      mel_scale: "slaney" or "htk".
      frequency_masks, frequency_width: SpecAugment's bands per example, and the widest
        of them in mel bands.
      time_masks, time_width: its spans per example, and the widest in frames.
      dropout: share of the pooled features set to zero in training, in [0, 1).
      dtype: of the convolutions; spectrogram and logits are float32 always.
      param_dtype: of the parameters.
      kernels: "auto" or "native".
    """

    features: Sequence[int]
    num_classes: int = 10
    sample_rate: int = 8_000
    window: float = 0.032
    hop: float = 0.016
    mels: int = 40
    mel_scale: str = "slaney"
    frequency_masks: int = 2
    frequency_width: int = 6
    time_masks: int = 2
    time_width: int = 8
    dropout: layers.Rate = 0.2
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @nn.compact
    def __call__(
        self, x: Float[Array, "b t"], *, train: bool
    ) -> Float[Array, "b {self.num_classes}"]:
        """Computes logits; randomness comes from the rng "dropout" when training.

        Raises:
          ValueError: the pooling would leave no frame or no band.
        """
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        conv = layers.conv(self.kernels, use_bias=False, **shared)
        norm = layers.batch_norm(
            self.kernels, use_running_average=not train, momentum=0.9, **shared
        )
        x = layers.log_mel(
            x,
            sample_rate=self.sample_rate,
            window=round(self.window * self.sample_rate),
            hop=round(self.hop * self.sample_rate),
            mels=self.mels,
            scale=self.mel_scale,
        )
        self._check(*x.shape[1:])
        # Without a learned scale, so that 0 is a band's mean, which SpecAugment sets.
        bands = dict(dtype=jnp.float32, use_scale=False, use_bias=False, name="bands")
        x = norm(**bands)(x)
        x = layers.SpecAugment(
            self.frequency_masks, self.frequency_width, self.time_masks, self.time_width
        )(x, train=train)
        x = rearrange(x, "b n m -> b n m 1").astype(self.dtype)
        for i, channels in enumerate(self.features):
            x = conv(channels, (3, 3), name=f"conv_{i}")(x)
            x = nn.relu(norm(name=f"norm_{i}")(x))
            x = layers.max_pool(self.kernels)(x, (2, 2), (2, 2))
        x = rearrange(x.mean(axis=1), "b m c -> b (m c)")
        x = layers.Dropout(self.dropout, deterministic=not train)(x)
        head = layers.dense(self.kernels, **shared)
        return head(self.num_classes, name="head")(x).astype(jnp.float32)

    def _check(self, frames: int, mels: int) -> None:
        least = 2 ** len(self.features)
        if min(frames, mels) < least:
            raise ValueError(
                f"audio_cnn halves frames and bands {len(self.features)} times and "
                f"needs at least {least} of each, got {frames} frames and {mels} mel "
                "bands; make config.data.seconds longer, or use fewer features"
            )


def build(variant: str, **overrides: Any) -> AudioCNN:
    """Builds a variant of VARIANTS, with any field of `AudioCNN` overridden.

    Raises:
      ValueError: the variant or a field's name is unknown.
    """
    return layers.build(AudioCNN, VARIANTS, variant, overrides)

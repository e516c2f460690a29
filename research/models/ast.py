"""AST: Audio Spectrogram Transformer (Gong, Chung, Glass: 2021,
https://arxiv.org/abs/2104.01778).

A waveform's Kaldi filter bank, normalised, is cut into overlapping patches of 16x16
(section 2.1) that a Vision Transformer with DeiT's two tokens reads; its blocks are
those of `layers/encoder.py`. Code and sizes: https://github.com/YuanGongND/ast.

Differences from the paper: the filter bank is computed here, from the waveform, and
padded or cut to `frames`; what SpecAugment hides becomes the mean of the training data,
where the paper sets it to 0 before normalisation; by default nothing is hidden.

Axes: b batch, t samples, n frames or tokens, m mel bands, d width, k classes.
"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from einops import rearrange
from jaxtyping import Array, Float

from research.models import layers


class AST(nn.Module):
    """A Transformer encoder on the patches of a waveform's filter bank.

    Attributes:
      frames: of the filter bank, 10 ms each; others are padded or cut to so many.
      mels: number of mel bands.
      mean, std: of the filter bank over the training data; it is normalised to mean 0
        and standard deviation 0.5.
      patch: side of a patch in frames and bands.
      stride: from one patch to the next, in both.
      width: D of a token.
      depth: blocks.
      heads: of each attention; divides the width.
      mlp_dim: inner width of each MLP.
      dropout: in [0, 1), behind the embedding, each attention and each layer of an MLP.
      qkv_bias: query, key and value have biases.
      norm_epsilon: of every layer norm.
      frequency_masks, frequency_width: SpecAugment's bands per example, and the widest
        of them in mel bands.
      time_masks, time_width: its spans per example, and the widest in frames.
      num_classes: width of the head; 0: no head, the call returns what it would read.
      sample_rate: of the waveform, in samples per second.
      dtype: of the computation; filter bank and logits are float32 always.
      param_dtype: of the parameters.
      kernels: "auto", "native" or "flash".
    """

    frames: int = 1024
    mels: int = 128
    mean: float = -4.2677393
    std: float = 4.5689974
    patch: int = 16
    stride: int = 10
    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp_dim: int = 3072
    dropout: layers.Rate = 0.0
    qkv_bias: bool = True
    norm_epsilon: float = 1e-12
    frequency_masks: int = 0
    frequency_width: int = 0
    time_masks: int = 0
    time_width: int = 0
    num_classes: int = 527
    sample_rate: int = 16_000
    dtype: Any = jnp.float32
    param_dtype: Any = jnp.float32
    kernels: str = "auto"

    @property
    def samples(self) -> int:
        """The shortest waveform that fills the frames."""
        return layers.fbank_samples(self.frames, self.sample_rate)

    @nn.compact
    def __call__(self, x: Float[Array, "b t"], *, train: bool) -> Float[Array, "b k"]:
        """Computes logits; randomness comes from the rng "dropout" when training.

        Args:
          x: waveforms in [-1, 1] at `sample_rate`, of any length.
          train: hide bands and apply dropout.
        """
        shared = dict(dtype=self.dtype, param_dtype=self.param_dtype)
        norm = layers.layer_norm(self.kernels, epsilon=self.norm_epsilon, **shared)
        # DeiT's initialisation.
        drawn = nn.initializers.truncated_normal(0.02)
        dense = layers.dense(self.kernels, kernel_init=drawn, **shared)

        z = self._patches(self._filter_bank(x, train), shared)
        names = ("class_token", "distillation_token")
        tokens = [self._table(name, drawn, 1) for name in names]
        tokens = jnp.concatenate(tokens, axis=1)
        tokens = jnp.broadcast_to(tokens, (len(z), 2, self.width))
        z = jnp.concatenate([tokens, z], axis=1)
        z = z + self._table("position_embedding", drawn, z.shape[1])
        z = layers.Dropout(self.dropout, deterministic=not train)(z)
        for i in range(self.depth):
            z = layers.EncoderBlock(
                self.heads,
                self.mlp_dim,
                self.dropout,
                self.qkv_bias,
                norm=norm,
                dense=dense,
                kernels=self.kernels,
                name=f"block{i + 1}",
            )(z, train=train)
        y = norm(name="norm")(z[:, :2]).mean(axis=1)
        if not self.num_classes:
            return y.astype(jnp.float32)
        y = norm(name="head_norm")(y)
        return dense(self.num_classes, name="head")(y).astype(jnp.float32)

    def _filter_bank(self, x, train: bool) -> Float[Array, "b n m"]:
        """Computes (fbank - mean) / (2 std) of `frames` frames."""
        z = layers.fbank(x, sample_rate=self.sample_rate, mels=self.mels)
        missing = self.frames - z.shape[1]
        z = jnp.pad(z, ((0, 0), (0, max(missing, 0)), (0, 0)))[:, : self.frames]
        z = (z - self.mean) / (2 * self.std)
        bands = self.frequency_masks, self.frequency_width
        return layers.SpecAugment(*bands, self.time_masks, self.time_width)(
            z, train=train
        )

    def _patches(self, z, shared) -> Float[Array, "b n d"]:
        """Embeds the patches, those of the lowest bands first."""
        z = rearrange(z, "b n m -> b m n 1").astype(self.dtype)
        side, step = (self.patch,) * 2, (self.stride,) * 2
        conv = layers.conv(self.kernels, strides=step, padding="VALID", **shared)
        z = conv(self.width, side, name="patch_embedding")(z)
        return rearrange(z, "b m n d -> b (m n) d")

    def _table(self, name, init, count: int) -> Float[Array, "1 n d"]:
        table = self.param(name, init, (1, count, self.width), self.param_dtype)
        return table.astype(self.dtype)


# Section 2.1; parameters. Mean and standard deviation are those of the repository.
VARIANTS = {
    "audioset": dict(),  # 86,594,063
    "speech_commands": dict(
        frames=128, mean=-6.845978, std=5.5654526, num_classes=35
    ),  # 85,395,491
    "debug": dict(
        frames=32, mels=16, patch=8, stride=6, width=16, depth=2, heads=2, mlp_dim=32,
        num_classes=10, dropout=0.1,
    ),
}  # fmt: skip


def build(variant: str, **overrides: Any) -> AST:
    """Builds a variant of VARIANTS, with any field of AST overridden.

    Raises:
      ValueError: the variant or a field is unknown, the heads do not divide the width,
        or a patch does not fit into the filter bank.
    """
    model = layers.build(AST, VARIANTS, variant, overrides)
    layers.check_heads("ast", model.width, model.heads)
    if model.patch > min(model.frames, model.mels):
        raise ValueError(
            f"ast patch={model.patch} must fit into {model.frames} frames of "
            f"{model.mels} mel bands; use a smaller patch or more frames"
        )
    return model

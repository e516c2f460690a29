"""What model files share: plain Flax layers with the chosen kernels, and `build`.

One kind of layer per module; a model imports this package and nothing else of its
siblings. A block of one paper stays in that paper's file.
"""

from research.models.kernels import upsample
from research.models.layers.attention import (
    Attention,
    Cache,
    Memory,
    empty_cache,
    token_positions,
)
from research.models.layers.checks import check_choice, check_heads, check_patches
from research.models.layers.encoder import EncoderBlock
from research.models.layers.kaldi import fbank
from research.models.layers.kaldi import samples as fbank_samples
from research.models.layers.pair import OUTPUTS, Pair, beside, build_pair, check_sides
from research.models.layers.plain import (
    Dropout,
    Rate,
    attention,
    avg_pool,
    batch_norm,
    build,
    conv,
    dense,
    embed,
    gelu,
    group_norm,
    held,
    layer_norm,
    max_pool,
    resize_conv,
    symmetric,
)
from research.models.layers.pyramid import Pyramid
from research.models.layers.residual import (
    Trunk,
    backbone,
    check_backbone,
    check_halves,
)
from research.models.layers.spec_augment import SpecAugment
from research.models.layers.spectrogram import log_mel
from research.models.layers.transposed import conv_transpose

__all__ = [
    "Attention",
    "Cache",
    "Dropout",
    "EncoderBlock",
    "Memory",
    "OUTPUTS",
    "Pair",
    "Pyramid",
    "Rate",
    "SpecAugment",
    "Trunk",
    "attention",
    "avg_pool",
    "backbone",
    "batch_norm",
    "beside",
    "build",
    "build_pair",
    "check_backbone",
    "check_choice",
    "check_halves",
    "check_heads",
    "check_patches",
    "check_sides",
    "conv",
    "conv_transpose",
    "dense",
    "embed",
    "empty_cache",
    "fbank",
    "fbank_samples",
    "gelu",
    "group_norm",
    "held",
    "layer_norm",
    "log_mel",
    "max_pool",
    "resize_conv",
    "symmetric",
    "token_positions",
    "upsample",
]

"""What model files share: plain Flax layers with the chosen kernels, and `build`.

One kind of layer per module; a model imports this package and nothing else of its
siblings. A block of one paper stays in that paper's file.
"""

from research.models.layers.attention import (
    Attention,
    Cache,
    Memory,
    empty_cache,
    token_positions,
)
from research.models.layers.kaldi import fbank
from research.models.layers.kaldi import samples as fbank_samples
from research.models.layers.plain import (
    Dropout,
    Rate,
    attention,
    avg_pool,
    batch_norm,
    build,
    check_choice,
    conv,
    dense,
    embed,
    gelu,
    group_norm,
    held,
    layer_norm,
    max_pool,
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
    "Memory",
    "Pyramid",
    "Rate",
    "SpecAugment",
    "Trunk",
    "attention",
    "avg_pool",
    "backbone",
    "batch_norm",
    "build",
    "check_backbone",
    "check_choice",
    "check_halves",
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
    "token_positions",
]

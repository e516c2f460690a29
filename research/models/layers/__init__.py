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
    layer_norm,
    max_pool,
)

__all__ = [
    "Attention",
    "Cache",
    "Dropout",
    "Memory",
    "Rate",
    "attention",
    "avg_pool",
    "batch_norm",
    "build",
    "check_choice",
    "conv",
    "dense",
    "embed",
    "empty_cache",
    "gelu",
    "group_norm",
    "layer_norm",
    "max_pool",
    "token_positions",
]

"""Forms of standard operations that XLA runs faster on one platform, equal in value.

Each function here chooses between "native", the operation of JAX or Flax itself, and
"auto", a form of the same signature. `lax.platform_dependent` makes the choice when a
program is lowered: no branch is left at run time, exported programs serve every
platform, and GPU and TPU keep the native operation. Where a form does not cover an
argument (dilation, groups, other shapes, ...), "auto" is native as well.

One operation per module; each says which facts about XLA:CPU decide its form.
"""

from research.models.kernels.activation import gelu
from research.models.kernels.attention import attention
from research.models.kernels.choice import held
from research.models.kernels.convolution import conv_general_dilated
from research.models.kernels.embedding import embed
from research.models.kernels.normalisation import batch_norm, group_norm, layer_norm
from research.models.kernels.pooling import avg_pool, max_pool
from research.models.kernels.product import dot_general
from research.models.kernels.random import key
from research.models.kernels.recurrence import (
    ELMAN_RELU,
    ELMAN_TANH,
    GRU,
    LSTM,
    Cell,
    recurrence,
)
from research.models.kernels.resize import resize_conv, upsample
from research.models.kernels.transposed import conv_transpose

__all__ = [
    "ELMAN_RELU",
    "ELMAN_TANH",
    "GRU",
    "LSTM",
    "Cell",
    "attention",
    "avg_pool",
    "batch_norm",
    "conv_general_dilated",
    "conv_transpose",
    "dot_general",
    "embed",
    "gelu",
    "group_norm",
    "held",
    "key",
    "layer_norm",
    "max_pool",
    "recurrence",
    "resize_conv",
    "upsample",
]

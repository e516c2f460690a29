"""Tensors that lie in a file, each read only when it is asked for."""

import dataclasses
from collections.abc import Callable

import numpy as np


@dataclasses.dataclass(frozen=True)
class Stored:
    """One tensor of a weight file.

    Attributes:
      shape: of the tensor.
      dtype: numpy's name of it; "bfloat16" as ml_dtypes has it.
      read: fetches the values, shape and dtype as above; nothing is kept.
    """

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray]

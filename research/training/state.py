"""The training state: everything that decides how training goes on."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import flax.struct
import jax
import numpy as np

from research.models import kernels


@flax.struct.dataclass
class TrainState:
    """All that a step reads and writes; nothing else may influence training.

    Attributes:
      step: () int32, updates made so far.
      params: pytree of parameters, of one network or of several.
      model_state: the networks' other collections (batch statistics, carries).
      opt_state: of the optimizer, or of several.
      ema_params: running average of `params`, or None where it is switched off.
      seed: () uint32; step n draws from `fold_in(key(seed), n)`.
      trigger: what starts the average, see research/tasks/averaging.py, or None.
    """

    step: jax.Array
    params: Any
    model_state: Any
    opt_state: Any
    ema_params: Any
    seed: jax.Array
    trigger: Any = None

    def rng(self) -> jax.Array:
        """Returns the key of this step: resuming replays the same draws."""
        return jax.random.fold_in(kernels.key(self.seed), self.step)

    def eval_params(self) -> Any:
        """Returns the parameters to evaluate: the average where there is one."""
        return self.params if self.ema_params is None else self.ema_params


def path_name(path) -> str:
    """Writes a key path of `jax.tree_util` as "C1/kernel"."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def named_leaves(tree: Any) -> list[tuple[str, Any]]:
    """Lists (path, leaf) with paths like "params/C1/kernel"."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [(path_name(path), leaf) for path, leaf in leaves]


def matches(name: str, patterns: Sequence[str]) -> bool:
    """Says whether any regular expression is found in the path of a leaf."""
    return any(re.search(pattern, name) for pattern in patterns)


def digest(tree: Any) -> str:
    """Hashes every leaf's path, dtype, shape and bits (SHA-256, hexadecimal)."""
    sha = hashlib.sha256()
    for path, leaf in named_leaves(tree):
        array = np.asarray(leaf)
        sha.update(f"{path} {array.dtype} {array.shape}\n".encode())
        sha.update(array.tobytes())
    return sha.hexdigest()


def nonfinite_leaves(tree: Any) -> list[str]:
    """Lists the paths of floating-point leaves that hold NaN or infinity."""
    return [
        path
        for path, leaf in named_leaves(tree)
        if np.issubdtype(leaf.dtype, np.floating) and not np.isfinite(leaf).all()
    ]

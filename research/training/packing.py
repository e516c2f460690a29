"""Packs a tree's many small leaves into one array per dtype, for storage.

Writing a leaf costs about 2 ms of a core whatever its size: a LeNet has 24 leaves of a
few kB. Which leaves are packed depends on their shapes alone, never on the mesh, so
that a checkpoint restores on any.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from research.training import state as states

# Elements from which on a leaf is stored by itself.
_WHOLE = 2**16


def pack(tree) -> dict:
    """Returns {"packed": {dtype: flat array}, "whole": {name: leaf}} of a tree."""
    small, whole = _divide(tree)
    packed = {
        dtype: jax.jit(_concatenate)([leaf for _, leaf in leaves])
        for dtype, leaves in small.items()
    }
    return {"packed": packed, "whole": whole}


def abstract(abstract_tree) -> dict:
    """Returns shapes, dtypes and shardings of what `pack` returns for such a tree."""
    small, whole = _divide(abstract_tree)
    packed = {}
    for dtype, leaves in small.items():
        size = sum(leaf.size for _, leaf in leaves)
        sharding = _replicated([leaf for _, leaf in leaves])
        packed[dtype] = jax.ShapeDtypeStruct((size,), dtype, sharding=sharding)
    return {"packed": packed, "whole": whole}


def unpack(stored: dict, abstract_tree):
    """Undoes `pack`; each leaf gets the sharding of the abstract one."""
    small, _ = _divide(abstract_tree)
    found = dict(stored["whole"])
    for dtype, leaves in small.items():
        ends = np.cumsum([leaf.size for _, leaf in leaves])[:-1]
        parts = jax.jit(jnp.split, static_argnums=1)(
            stored["packed"][dtype], tuple(int(end) for end in ends)
        )
        for (name, leaf), part in zip(leaves, parts, strict=True):
            found[name] = _placed(part.reshape(leaf.shape), leaf)
    treedef = jax.tree.structure(abstract_tree)
    return jax.tree.unflatten(treedef, [found[name] for name in _names(treedef)])


def index(tree) -> dict[str, list]:
    """Describes the packed leaves: dtype -> [[name, shape], …] in their order."""
    small, _ = _divide(tree)
    return {
        dtype: [[name, list(leaf.shape)] for name, leaf in leaves]
        for dtype, leaves in small.items()
    }


def _divide(tree) -> tuple[dict[str, list], dict]:
    leaves, treedef = jax.tree.flatten(tree)
    small, whole = {}, {}
    for name, leaf in zip(_names(treedef), leaves, strict=True):
        packable = leaf.size < _WHOLE and isinstance(leaf.dtype, np.dtype)
        if packable:
            small.setdefault(leaf.dtype.name, []).append((name, leaf))
        else:
            whole[name] = leaf
    return small, whole


@functools.lru_cache(maxsize=8)
def _names(treedef) -> list[str]:
    """Names the leaves; costs more than all else here, and is the same every time."""
    tree = jax.tree.unflatten(treedef, range(treedef.num_leaves))
    # A slash would be a folder of the storage.
    return [path.replace("/", ".") for path, _ in states.named_leaves(tree)]


def _concatenate(leaves):
    return jnp.concatenate([leaf.ravel() for leaf in leaves])


def _replicated(leaves):
    sharding = getattr(leaves[0], "sharding", None)
    if not isinstance(sharding, NamedSharding):
        return sharding
    return NamedSharding(sharding.mesh, PartitionSpec())


def _placed(part, leaf):
    sharding = getattr(leaf, "sharding", None)
    if sharding is None:
        return part
    return jax.jit(lambda x: x, out_shardings=sharding)(part)

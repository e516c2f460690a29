"""Packs a tree's many small leaves into one array of bytes, for storage.

Writing a leaf costs about 2 ms of a core whatever its size: a LeNet has 24 leaves of a
few kB. Packed are the smallest leaves, up to a limit of all together. Which these are
depends on their shapes alone, never on the mesh, so that a checkpoint restores on any.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from research.training import state as states

# Bytes that are packed at most; the larger leaves are stored by themselves.
_LIMIT = 2**24


def pack(tree) -> dict:
    """Returns {"packed": (bytes,) uint8, "whole": {name: leaf}} of a tree."""
    small, whole = _divide(tree)
    packed = _concatenate([leaf for _, leaf in small])
    if jax.process_count() == 1:
        packed = np.asarray(packed)  # costs less to store than a device's array
    return {"packed": packed, "whole": whole}


def abstract(abstract_tree) -> dict:
    """Returns shapes, dtypes and shardings of what `pack` returns for such a tree."""
    small, whole = _divide(abstract_tree)
    sharding = getattr(small[0][1], "sharding", None)
    if isinstance(sharding, NamedSharding):
        sharding = NamedSharding(sharding.mesh, PartitionSpec())
    size = sum(_nbytes(leaf) for _, leaf in small)
    packed = jax.ShapeDtypeStruct((size,), jnp.uint8, sharding=sharding)
    return {"packed": packed, "whole": whole}


def unpack(stored: dict, abstract_tree):
    """Undoes `pack`; each leaf gets the sharding of the abstract one."""
    small, _ = _divide(abstract_tree)
    ends = np.cumsum([_nbytes(leaf) for _, leaf in small])[:-1]
    parts = jax.jit(jnp.split, static_argnums=1)(
        stored["packed"], tuple(int(end) for end in ends)
    )
    found = dict(stored["whole"])
    for (name, leaf), part in zip(small, parts, strict=True):
        found[name] = jax.jit(
            functools.partial(_from_bytes, shape=leaf.shape, dtype=leaf.dtype),
            out_shardings=getattr(leaf, "sharding", None),
        )(part)
    treedef = jax.tree.structure(abstract_tree)
    return jax.tree.unflatten(treedef, [found[name] for name in _names(treedef)])


def index(tree) -> list[list]:
    """Lists [name, dtype, shape] of the packed leaves, in their order."""
    small, _ = _divide(tree)
    return [[name, leaf.dtype.name, list(leaf.shape)] for name, leaf in small]


def _divide(tree) -> tuple[list, dict]:
    leaves, treedef = jax.tree.flatten(tree)
    packable = [leaf for leaf in leaves if isinstance(leaf.dtype, np.dtype)]
    sizes = np.sort([_nbytes(leaf) for leaf in packable])
    fitting = sizes[np.cumsum(sizes) <= _LIMIT]
    largest = fitting[-1] if len(fitting) else -1
    if len(fitting) < len(sizes) and sizes[len(fitting)] == largest:
        largest -= 1  # of equal sizes all are packed, or none
    small, whole = [], {}
    for name, leaf in zip(_names(treedef), leaves, strict=True):
        if isinstance(leaf.dtype, np.dtype) and _nbytes(leaf) <= largest:
            small.append((name, leaf))
        else:
            whole[name] = leaf
    return small, whole


@functools.lru_cache(maxsize=8)
def _names(treedef) -> list[str]:
    """Names the leaves; costs more than all else here, and is the same every time."""
    tree = jax.tree.unflatten(treedef, range(treedef.num_leaves))
    # A slash would be a folder of the storage.
    return [path.replace("/", ".") for path, _ in states.named_leaves(tree)]


def _nbytes(leaf) -> int:
    return leaf.size * leaf.dtype.itemsize


@jax.jit
def _concatenate(leaves):
    return jnp.concatenate([_to_bytes(leaf) for leaf in leaves])


def _to_bytes(leaf):
    if leaf.dtype == jnp.bool_:
        leaf = leaf.astype(jnp.uint8)
    return jax.lax.bitcast_convert_type(leaf, jnp.uint8).ravel()


def _from_bytes(part, *, shape, dtype):
    if dtype == jnp.bool_:
        return part.astype(jnp.bool_).reshape(shape)
    # Bytes of one element are the last axis, but for elements of one byte.
    grouped = (-1, dtype.itemsize) if dtype.itemsize > 1 else (-1,)
    return jax.lax.bitcast_convert_type(part.reshape(grouped), dtype).reshape(shape)

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


def pack(tree) -> tuple[np.ndarray, dict]:
    """Returns ((bytes,) uint8 in host memory, {name: leaf} of the larger leaves)."""
    small, whole = _divide(tree)
    leaves = [leaf for _, leaf in small]
    together = None
    if jax.process_count() > 1:  # this process may hold a share of them only
        together = NamedSharding(leaves[0].sharding.mesh, PartitionSpec())
    packed = _concatenation(together)(leaves)
    return np.asarray(packed), whole


def whole(abstract_tree) -> dict:
    """Returns {name: leaf} of the leaves that are stored by themselves."""
    return _divide(abstract_tree)[1]


def unpack(packed: np.ndarray, whole: dict, abstract_tree):
    """Undoes `pack`; each leaf gets the sharding of the abstract one."""
    small, _ = _divide(abstract_tree)
    found, first = dict(whole), 0
    for name, leaf in small:
        last = first + _nbytes(leaf)
        value = packed[first:last].view(leaf.dtype).reshape(leaf.shape)
        found[name] = _placed(value, getattr(leaf, "sharding", None))
        first = last
    treedef = jax.tree.structure(abstract_tree)
    return jax.tree.unflatten(treedef, [found[name] for name in _names(treedef)])


def _placed(value: np.ndarray, sharding):
    value = value.copy()  # aligned, and not a part of the whole file
    if sharding is None:
        return jnp.asarray(value)
    return jax.make_array_from_callback(value.shape, sharding, lambda at: value[at])


def index(tree) -> list[list]:
    """Lists [name, dtype, shape] of the packed leaves, in their order."""
    small, _ = _divide(tree)
    return [[name, leaf.dtype.name, list(leaf.shape)] for name, leaf in small]


def whole_index(tree) -> list[list]:
    """Lists [name, dtype, shape] of the leaves that are stored by themselves."""
    return [[n, str(x.dtype), list(x.shape)] for n, x in _divide(tree)[1].items()]


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


@functools.lru_cache(maxsize=2)
def _concatenation(sharding):
    return jax.jit(
        lambda leaves: jnp.concatenate([_to_bytes(leaf) for leaf in leaves]),
        out_shardings=sharding,
    )


def _to_bytes(leaf):
    if leaf.dtype == jnp.bool_:
        leaf = leaf.astype(jnp.uint8)
    return jax.lax.bitcast_convert_type(leaf, jnp.uint8).ravel()

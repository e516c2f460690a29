"""Places state and batches on a mesh of devices.

One Auto mesh with the axes `data`, `fsdp` and `tensor`. A batch is split over `data`
and `fsdp`; a parameter goes by the first rule whose regex finds its path, else its
largest axis that `fsdp` divides is split over `fsdp`. Optimizer moments and averages
carry the parameter's path at the end of their own, hence follow it.
"""

import math
import re

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from research.data import pipeline
from research.training import state as state_lib

AXES = ("data", "fsdp", "tensor")
# Smaller leaves cost more to gather than they save.
_MIN_SPLIT_SIZE = 2**12


def make_mesh(sizes: dict[str, int]) -> Mesh:
    """Builds the mesh over all devices of all processes.

    Args:
      sizes: devices per axis of AXES; one may be -1 and takes the rest.

    Raises:
      ValueError: the product is not the number of devices.
    """
    count = jax.device_count()
    shape = [sizes[axis] for axis in AXES]
    known = math.prod(size for size in shape if size != -1)
    if shape.count(-1) == 1 and known > 0 and count % known == 0:
        shape[shape.index(-1)] = count // known
    if min(shape) < 1 or math.prod(shape) != count:
        asked = " x ".join(f"{axis} {sizes[axis]}" for axis in AXES)
        raise ValueError(
            f"config.mesh must multiply to the {count} devices here, got {asked}; "
            "set one axis to -1 to take the rest"
        )
    return jax.make_mesh(shape, AXES, axis_types=(AxisType.Auto,) * len(AXES))


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of values that every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharding(mesh: Mesh, leading: int = 0) -> NamedSharding:
    """Returns the sharding of a batch whose axis number `leading` counts examples."""
    return NamedSharding(mesh, PartitionSpec(*[None] * leading, ("data", "fsdp")))


def process_rows(mesh: Mesh, batch_size: int) -> np.ndarray:
    """Returns the rows of a global batch that this process feeds, ascending.

    They need not be contiguous on a TPU, whose meshes follow its wiring, and processes
    that differ along `tensor` only feed the same rows.
    """
    blocks = mesh.devices.reshape(-1, mesh.shape["tensor"])
    every, here = np.arange(batch_size), jax.process_index()
    rows = [
        every[pipeline.process_slice(batch_size, number, len(blocks))]
        for number, devices in enumerate(blocks)
        if any(device.process_index == here for device in devices)
    ]
    return np.concatenate(rows)


def state_sharding(abstract_state, mesh: Mesh, rules=()):
    """Chooses a sharding for every leaf of a state.

    Args:
      abstract_state: pytree of jax.ShapeDtypeStruct.
      mesh: from `make_mesh`.
      rules: ((regex, (axis name or None per dimension)), …); the first match wins.

    Returns:
      The same pytree of NamedSharding.

    Raises:
      ValueError: a rule matches nothing, names an unknown axis or one twice, or does
        not fit a leaf that it matches.
    """
    paths = [path for path, _ in state_lib.named_leaves(abstract_state)]
    for pattern, _ in rules:
        _check_pattern(pattern, paths)
    leaves, treedef = jax.tree.flatten(abstract_state)
    specs = [_spec(p, x.shape, mesh, rules) for p, x in zip(paths, leaves, strict=True)]
    return treedef.unflatten([NamedSharding(mesh, spec) for spec in specs])


def _spec(path: str, shape: tuple[int, ...], mesh: Mesh, rules) -> PartitionSpec:
    for pattern, axes in rules:
        if shape and re.search(pattern, path):
            _check_rule(pattern, tuple(axes), path, shape, mesh)
            return PartitionSpec(*axes)
    size = mesh.shape["fsdp"]
    fitting = [i for i, length in enumerate(shape) if length % size == 0]
    if size == 1 or math.prod(shape) < _MIN_SPLIT_SIZE or not fitting:
        return PartitionSpec()
    widest = max(fitting, key=lambda i: shape[i])
    return PartitionSpec(*["fsdp" if i == widest else None for i in range(len(shape))])


def _check_pattern(pattern: str, paths: list[str]) -> None:
    try:
        found = any(re.search(pattern, path) for path in paths)
    except re.error as error:
        raise ValueError(
            f"config.mesh.rules: {pattern!r} is no regular expression ({error}); "
            "correct it"
        ) from error
    if not found:
        raise ValueError(
            f"config.mesh.rules: {pattern!r} matches no parameter; correct it, or use "
            "a path such as params/C1/kernel"
        )


def _check_rule(pattern, axes, path, shape, mesh) -> None:
    unknown = [axis for axis in axes if axis is not None and axis not in AXES]
    if unknown:
        raise ValueError(
            f"config.mesh.rules: {pattern!r} names axis {unknown[0]!r}; "
            f"use {', '.join(AXES)} or None"
        )
    named = [axis for axis in axes if axis is not None]
    twice = [axis for axis in AXES if named.count(axis) > 1]
    if twice:
        raise ValueError(
            f"config.mesh.rules: {pattern!r} names axis {twice[0]!r} twice; split one "
            "dimension by it"
        )
    fits = len(axes) == len(shape) and all(
        axis is None or length % mesh.shape[axis] == 0
        for axis, length in zip(axes, shape, strict=True)
    )
    if not fits:
        raise ValueError(
            f"config.mesh.rules: {pattern!r} -> {axes} does not fit {path} of shape "
            f"{shape} on {dict(mesh.shape)}; give one axis per dimension that divides "
            "it"
        )

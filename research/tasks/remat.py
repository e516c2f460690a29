"""Rematerialisation of any function: trades computation for memory.

`jax.checkpoint` around a whole loss saves nothing: its backward pass would begin by
computing, and keeping, everything again. So the function's equations are cut into about
sqrt(n) segments of equal activation memory, n counting its matrix products and
convolutions, and each segment is checkpointed (Chen et al. 2016, "Training Deep Nets
with Sublinear Memory Cost", https://arxiv.org/abs/1604.06174, section 4.2).
XLA:CPU moves the recomputation forward again and so saves little memory.
"""

import math
from collections.abc import Callable

import jax
import numpy as np
from jax.extend import core

_HEAVY = ("dot_general", "conv_general_dilated")  # and what begins so, its directions


def _save_products(primitive, *_, **__) -> bool:
    return primitive.name.startswith(_HEAVY)


# What the backward pass finds stored beside the segments' inputs.
POLICIES = {
    "none": None,
    "dots": _save_products,
    "full": jax.checkpoint_policies.nothing_saveable,
}


def segmented(function: Callable, policy: Callable) -> Callable:
    """Returns the function with its equations checkpointed in segments.

    Args:
      function: of pytrees of arrays, returning a pytree of arrays; traced once a call.
      policy: says which values inside a segment are stored; see `jax.checkpoint`.
    """

    def wrapped(*args):
        leaves, treedef = jax.tree.flatten(args)
        closed, shapes = jax.make_jaxpr(
            lambda *flat: function(*treedef.unflatten(flat)), return_shape=True
        )(*leaves)
        jaxpr = closed.jaxpr
        values = dict(zip(jaxpr.constvars, closed.consts, strict=True))
        values |= zip(jaxpr.invars, leaves, strict=True)
        groups = _groups(jaxpr.eqns)
        used_later = set(_variables(jaxpr.outvars))
        needs = []  # of the values that each group makes, those used after it
        for group in reversed(groups):
            needs.append(set(used_later))
            used_later |= {v for each in group for v in _variables(each.invars)}
        for group, later in zip(groups, reversed(needs), strict=True):
            values |= _run(jaxpr, group, later, values, policy)
        outs = [v.val if _is_literal(v) else values[v] for v in jaxpr.outvars]
        return jax.tree.unflatten(jax.tree.structure(shapes), outs)

    return wrapped


def _run(jaxpr, group, later: set, values: dict, policy) -> dict:
    """Evaluates the equations of one segment; returns the values used later."""
    made = dict.fromkeys(v for each in group for v in each.outvars)
    read = dict.fromkeys(v for each in group for v in _variables(each.invars))
    inputs = [v for v in read if v not in made]
    outputs = [v for v in made if v in later]
    part = jaxpr.replace(constvars=[], invars=inputs, outvars=outputs, eqns=group)
    segment = core.jaxpr_as_fun(core.ClosedJaxpr(part, ()))
    out = jax.checkpoint(segment, policy=policy)(*[values[v] for v in inputs])
    return dict(zip(outputs, out, strict=True))


def _groups(equations) -> list[list]:
    """Cuts equations into segments whose results take about equal memory."""
    heavy = sum(any(name in str(each) for name in _HEAVY) for each in equations)
    count = max(1, round(math.sqrt(heavy)))
    ends = np.cumsum([sum(map(_bytes, each.outvars)) for each in equations])
    numbers = np.minimum(ends * count // max(1, ends[-1]), count - 1)
    groups = [[] for _ in range(count)]
    for number, each in zip(numbers, equations, strict=True):
        groups[number].append(each)
    return [group for group in groups if group]


def _bytes(variable) -> int:
    # Random keys have no item size, and take next to nothing.
    item = getattr(variable.aval.dtype, "itemsize", 0)
    return math.prod(variable.aval.shape) * item


def _variables(atoms) -> list:
    return [atom for atom in atoms if not _is_literal(atom)]


def _is_literal(atom) -> bool:
    return isinstance(atom, core.Literal)

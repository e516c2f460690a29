"""Orders a network's modules from input to output, for layer-wise learning rates."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp


def layers(init: Callable) -> tuple[tuple[str, ...], ...]:
    """Groups the top-level modules of a network by layer, in the order of their calls.

    A module that holds vectors only (a norm) belongs to the layer before it. So the
    layers of a Vision Transformer are its embedding, its blocks, and its head.

    Args:
      init: seed -> TrainState; it is traced, nothing is computed.
    """
    called = []

    def note(call, args, kwargs, context):
        path = context.module.path
        if path and path[0] not in called:
            called.append(path[0])
        return call(*args, **kwargs)

    with nn.intercept_methods(note):
        params = jax.eval_shape(init, jnp.uint32(0)).params
    grouped = []
    for name in called:
        if name not in params:
            continue  # without parameters
        matrices = any(leaf.ndim >= 2 for leaf in jax.tree.leaves(params[name]))
        if matrices or not grouped:
            grouped.append([name])
        else:
            grouped[-1].append(name)
    return tuple(map(tuple, grouped))

"""Optimizers by name, over optax.

Weight decay is decoupled from the gradient's scale for adamw, lamb, lion and muon
(Loshchilov & Hutter 2019) and is an L2 term added to the gradient for the others, as
in the recipes that use them (He et al. 2016). It never touches what `decay_mask`
leaves out.

Fine-tuning: `multipliers` and `layer_decay` scale the whole update of a parameter, its
weight decay too; what `freeze` names stays as it is and takes no optimizer state.
"""

from collections.abc import Sequence

import jax
import optax
from optax import contrib

from research import lookup
from research.training import state as states

# "matrices" spares biases and norm parameters, as most recipes since 2017 do.
DECAY_MASKS = {
    "matrices": lambda params: jax.tree.map(lambda p: p.ndim >= 2, params),
    "all": None,
}

# name -> (learning rate, settings, decay) -> optax transformation
_DECOUPLED = {
    "adamw": lambda lr, c, decay: optax.adamw(lr, c.b1, c.b2, c.eps, **decay),
    "lamb": lambda lr, c, decay: optax.lamb(lr, c.b1, c.b2, c.eps, **decay),
    "lion": lambda lr, c, decay: optax.lion(lr, c.b1, c.b2, **decay),
    # Matrices by Newton-Schulz momentum; the other leaves by its inner Adam. Rate -1
    # gives its direction, and what `decay` names decays wherever it went.
    "muon": lambda lr, c, decay: optax.chain(
        contrib.muon(-1.0, beta=c.momentum, eps=c.eps, adam_b1=c.b1, adam_b2=c.b2),
        optax.add_decayed_weights(**decay),
        optax.scale_by_learning_rate(lr),
    ),
}
_COUPLED = {
    "sgd": lambda lr, c: optax.sgd(lr),
    "momentum": lambda lr, c: optax.sgd(lr, momentum=c.momentum),
    "nesterov": lambda lr, c: optax.sgd(lr, momentum=c.momentum, nesterov=True),
    "adam": lambda lr, c: optax.adam(lr, c.b1, c.b2, c.eps),
    "adagrad": lambda lr, c: optax.adagrad(lr, eps=c.eps),
    "rmsprop": lambda lr, c: optax.rmsprop(
        lr, c.b2, c.eps, eps_in_sqrt=False, momentum=c.momentum
    ),
}
NAMES = (*_COUPLED, *_DECOUPLED)


def make(
    config, learning_rate, layers: Sequence[Sequence[str]] = ()
) -> optax.GradientTransformation:
    """Builds the optimizer.

    Args:
      config: the group `config.optimizer` (configs/base.py says what each key means).
      learning_rate: schedule or number; a number may be traced.
      layers: the network's modules from input to output, as `depth.layers` gives them;
        needed where `layer_decay` is not 1.

    Raises:
      ValueError: unknown optimizer or decay mask.
    """
    if config.name not in NAMES:
        raise ValueError(lookup.unknown("optimizer", config.name, NAMES))
    if config.decay_mask not in DECAY_MASKS:
        raise ValueError(
            lookup.unknown("optimizer.decay_mask", config.decay_mask, DECAY_MASKS)
        )
    decay = {
        "weight_decay": config.weight_decay,
        "mask": DECAY_MASKS[config.decay_mask],
    }
    parts = []
    if _is_on(config.clip_norm):
        parts.append(optax.clip_by_global_norm(config.clip_norm))
    if config.name in _DECOUPLED:
        parts.append(_DECOUPLED[config.name](learning_rate, config, decay))
    else:
        if _is_on(config.weight_decay):
            parts.append(optax.add_decayed_weights(**decay))
        parts.append(_COUPLED[config.name](learning_rate, config))
    if config.multipliers or config.layer_decay != 1.0:
        parts.append(_scale_each(config, layers))
    tx = optax.chain(*parts)
    if not config.freeze:
        return tx
    return optax.partition(
        {"learn": tx, "keep": optax.set_to_zero()},
        lambda params: _by_name(
            lambda name: "keep" if states.matches(name, config.freeze) else "learn",
            params,
        ),
    )


def _is_on(value) -> bool:
    """Whether a value switches something on; a traced one always does."""
    return isinstance(value, jax.Array) or bool(value)


def _scale_each(config, layers) -> optax.GradientTransformation:
    """Multiplies each parameter's update by its own factor."""
    place = {name: i for i, names in enumerate(layers) for name in names}

    def factor(name: str) -> float:
        product = 1.0
        for pattern, value in config.multipliers:
            if states.matches(name, (pattern,)):
                product *= value
        if config.layer_decay != 1.0:  # a parameter outside all modules is an input's
            above = len(layers) - 1 - place.get(name.split("/")[0], 0)
            product *= config.layer_decay**above
        return product

    def update(updates, state, params=None):
        del params
        factors = _by_name(factor, updates)
        return jax.tree.map(lambda u, f: u * f, updates, factors), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def _by_name(function, tree):
    """Maps every leaf to function(its path)."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: function(states.path_name(path)), tree
    )

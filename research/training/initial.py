"""Starts a run from parameters that exist already: another run's, or published ones."""

import logging
import pathlib

import jax
import numpy as np

from research import weights
from research.training import run
from research.training import state as states

# The lines of a table of differences that are shown.
_SHOWN = 20


def state(programs):
    """Makes the TrainState that a run starts from: drawn, or of `init.weights`."""
    experiment = programs.experiment
    drawn = programs.init(experiment.config.seed)
    return replace(drawn, experiment, programs.state_sharding)


def replace(state, experiment, sharding):
    """Replaces drawn parameters by those that `config.init.weights` names.

    Args:
      state: the TrainState as drawn; without `init.weights` it is returned as it is.
      experiment: what is trained.
      sharding: of the state.

    Returns:
      The state with every parameter but those of `init.fresh`, and every other
      collection of the model (batch statistics, …), taken from there. A carry
      stays as it is: it belongs to a batch, not to the network.

    Raises:
      ValueError: a parameter is missing there, is too many or has another shape.
    """
    asked = experiment.config.init
    if not asked.weights:
        return state
    given = _read(asked.weights, experiment)
    drawn = {"params": state.params, **state.model_state}
    carry = {"carry": drawn.pop("carry")} if "carry" in drawn else {}
    given.pop("carry", None)
    chosen, fresh = _merge(drawn, given, asked)
    logging.info(
        "%d parameters from %s; drawn anew: %s",
        sum(leaf.size for _, leaf in states.named_leaves(chosen["params"])),
        asked.weights,
        ", ".join(fresh) or "none",
    )
    params = jax.device_put(chosen.pop("params"), sharding.params)
    averaged = None
    if state.ema_params is not None:
        averaged = jax.device_put(jax.tree.map(np.asarray, params), sharding.ema_params)
    return state.replace(
        params=params,
        model_state=jax.device_put(chosen | carry, sharding.model_state),
        ema_params=averaged,
    )


def _read(name: str, experiment) -> dict:
    """Reads the variables of a run directory or of published weights.

    Those of the network that the model's trunk is become its trunk's.
    """
    trunk, folder = getattr(experiment.model, "trunk", None), pathlib.Path(name)
    if (folder / "data.json").is_file():
        config = run.read_config(folder)
        config.mesh = experiment.config.mesh  # its devices may have been others
        state = run.open_run(folder, config).state
        given = {"params": state.eval_params(), **state.model_state}
        return _as_trunk(given) if config.model.name == trunk else given
    found = weights.describe(name)
    if found.architecture == trunk:
        return _as_trunk(weights.read(found, found.build(num_classes=0)))
    return weights.read(found, experiment.model, experiment.image_size())


def _as_trunk(given: dict) -> dict:
    """Moves a classifier's variables to where a detector has its trunk."""
    return {
        kind: {
            "backbone": {name: leaf for name, leaf in tree.items() if name != "head"}
        }
        for kind, tree in given.items()
    }


def _merge(drawn: dict, given: dict, asked) -> tuple[dict, list[str]]:
    """Fills the tree of `drawn` from `given`.

    Returns:
      (variables, the paths that stay as drawn)
    """
    found = dict(states.named_leaves(given))
    problems, fresh = [], []

    def choose(path, leaf):
        name = states.path_name(path)
        kind, _, inner = name.partition("/")
        other = found.pop(name, None)
        if states.matches(inner, asked.fresh) and (kind == "params" or other is None):
            if kind == "params":
                fresh.append(inner)
            return leaf
        if other is None:
            problems.append(f"  {name}: missing")
        elif other.shape != leaf.shape:
            problems.append(f"  {name}: {other.shape} there, {leaf.shape} here")
        else:
            return np.asarray(other, leaf.dtype)
        return leaf

    merged = jax.tree_util.tree_map_with_path(choose, drawn)
    for name, leaf in found.items():
        if not states.matches(name.removeprefix("params/"), asked.fresh):
            problems.append(f"  {name}: {leaf.shape} there, absent here")
    if problems:
        shown = problems[:_SHOWN]
        more = len(problems) - len(shown)
        raise ValueError(
            f"config.init.weights={asked.weights} does not fit this model; set "
            "config.model to what it was trained with, or name parameters to draw "
            "anew in config.init.fresh:\n"
            + "\n".join(shown)
            + (f"\n  and {more} more" if more else "")
        )
    return merged, fresh

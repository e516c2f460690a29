"""The fields that a config's open groups take beside the framework's own keys."""

import inspect
import typing
from collections import abc

import jax

from research import lookup

# Keys of the open groups that the framework itself reads (configs/base.py); all others
# are fields of what `name` names.
FRAMEWORK_KEYS = {
    "model": {"name", "variant", "dtype", "kernels"},
    "task": {"name"},
    "data": {
        "name", "path", "batch_size", "eval_batch_size", "holdout", "pad", "mean",
        "std", "placement", "cache", "cache_limit", "workers", "sort_pool",
    },
}  # fmt: skip


# Numbers that one compiled program can take as arguments. They enter sums and products
# only; whether one is zero may decide what is computed.
TRACEABLE = (
    "optimizer.learning_rate",
    "optimizer.weight_decay",
    "optimizer.momentum",
    "optimizer.b1",
    "optimizer.b2",
    "optimizer.eps",
    "optimizer.clip_norm",
    "schedule.end_factor",
    "schedule.factor",
    "task.label_smoothing",
    "model.dropout",
)


def of_function(function) -> dict:
    """Lists what a task's `build` or a source's `load` takes: name -> type."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.annotation for p in parameters if p.kind is p.KEYWORD_ONLY}


def own(group, title: str, known: dict) -> dict:
    """Returns the keys of a group that are not the framework's, checked.

    Raises:
      ValueError: a key that is neither, or a value of another type.
    """
    framework = FRAMEWORK_KEYS[title]
    fields = {k: v for k, v in group.to_dict().items() if k not in framework}
    for name, value in fields.items():
        if name not in known:
            what = f"key in config.{title} ({title} {group.name!r})"
            raise ValueError(lookup.unknown(what, name, sorted({*known, *framework})))
        wanted = known[name]
        if wanted in (int, float, bool, str) and not _fits(value, wanted):
            raise ValueError(
                f"config.{title}.{name} must be {wanted.__name__}, got {value!r}; "
                "correct it"
            )
        listed = typing.get_origin(wanted) or wanted
        if listed in (tuple, abc.Sequence) and not isinstance(value, (tuple, list)):
            raise ValueError(
                f"config.{title}.{name} must be a tuple, got {value!r}; write for "
                f"example ({value!r},)"
            )
    return fields


def _fits(value, wanted: type) -> bool:
    if isinstance(value, jax.Array):  # traced
        return True
    if wanted is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, wanted)

"""Reads the `space` of a sweep's description, and says what is wrong with it."""

import json
import math
from collections.abc import Mapping, Sequence

from research import lookup
from research.sweeps.space import Axis, Space

_FIELDS = {
    "choice": {"values"},
    "grid": {"values"},
    "uniform": {"low", "high"},
    "log_uniform": {"low", "high"},
    "integer": {"low", "high", "step", "log"},
}


def read(description: Mapping) -> Space:
    """Reads and checks the `space` of a sweep.

    Raises:
      ValueError: what is wrong with it, in one sentence.
    """
    parts = [description]
    if isinstance(description, Mapping) and description.get("kind") == "product":
        parts = description["parts"]
    axes: list[Axis] = []
    for part in parts:
        if not isinstance(part, Mapping):
            raise ValueError(
                f"space must hold {{config key: domain}}, got {part!r}; see "
                "configs/sweeps/base.py"
            )
        axes += _zip_axes(part) if part.get("kind") == "zip" else _axes(part)
    if not axes:
        raise ValueError("space is empty; name at least one config key to vary")
    _check_together(axes)
    return Space(tuple(axes))


def _axes(part: Mapping) -> list[Axis]:
    return [_axis(key, domain) for key, domain in part.items()]


def _axis(key: str, domain) -> Axis:
    if not isinstance(domain, Mapping) or "kind" not in domain:
        raise ValueError(
            f"space[{key!r}] must be choice(…), grid(…), uniform(…), log_uniform(…) or "
            f"integer(…), got {domain!r}; see configs/sweeps/base.py"
        )
    fields = {k: v for k, v in domain.items() if k not in ("kind", "when")}
    kind = domain["kind"]
    if kind not in _FIELDS:
        raise ValueError(lookup.unknown(f"kind of space[{key!r}]", kind, _FIELDS))
    if set(fields) != _FIELDS[kind]:
        raise ValueError(
            f"space[{key!r}]: {kind} takes {', '.join(sorted(_FIELDS[kind]))}, got "
            f"{', '.join(sorted(fields)) or 'nothing'}; use {kind}(…) of "
            "configs/sweeps/base.py"
        )
    axis = Axis(name=key, keys=(key,), kind=kind, when=domain.get("when"), **fields)
    if "values" in fields:
        _check_values(key, kind, fields["values"])
        return axis
    low, high = _check_ends(key, kind, fields)
    return Axis(**vars(axis) | {"low": low, "high": high, "log": _is_log(kind, fields)})


def _is_log(kind: str, fields: Mapping) -> bool:
    return kind == "log_uniform" or bool(fields.get("log"))


def _zip_axes(part: Mapping) -> list[Axis]:
    keys = part["keys"]
    lengths = {key: len(values) for key, values in keys.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"zipped keys need equally many values, got {lengths}; make them equal"
        )
    name = "+".join(keys)
    _check_values(name, "zip", tuple(zip(*keys.values(), strict=True)))
    values = tuple(zip(*keys.values(), strict=True))
    if len(keys) == 1:
        values = tuple(value for (value,) in values)
    return [Axis(name=name, keys=tuple(keys), kind="choice", values=values)]


def _check_values(key: str, kind: str, values: Sequence) -> None:
    if not len(values):
        raise ValueError(
            f"space[{key!r}]: {kind} has no values; give at least one, or leave the "
            "key out"
        )
    labels = [json.dumps(value) for value in values]
    twice = next((label for label in labels if labels.count(label) > 1), None)
    if twice:
        raise ValueError(f"space[{key!r}] holds {twice} twice; leave one out")
    numbers = all(_is_number(value) for value in values)
    if kind == "grid" and not numbers:
        raise ValueError(
            f"space[{key!r}]: grid takes finite numbers, got {tuple(values)}; use "
            "choice(…)"
        )


def _check_ends(key: str, kind: str, fields: Mapping) -> tuple:
    low, high = fields["low"], fields["high"]
    if not (_is_number(low) and _is_number(high) and low < high):
        raise ValueError(
            f"space[{key!r}]: {kind} needs finite numbers low < high, got {low!r} and "
            f"{high!r}; correct them"
        )
    if _is_log(kind, fields) and low <= 0:
        raise ValueError(
            f"space[{key!r}]: a logarithmic range must begin above 0, got low={low}; "
            "raise it"
        )
    if kind == "integer":
        step = fields["step"]
        whole = all(isinstance(x, int) for x in (low, high, step))
        if not whole or step < 1 or (fields["log"] and step != 1):
            raise ValueError(
                f"space[{key!r}]: integer needs whole low, high and step >= 1 (1 with "
                f"log), got {low!r}, {high!r} and {step!r}; correct them"
            )
        return low, high - (high - low) % step
    return float(low), float(high)


def _check_together(axes: list[Axis]) -> None:
    earlier: dict[str, Axis] = {}
    seen: set[str] = set()
    for axis in axes:
        for key in axis.keys:
            if key in seen:
                raise ValueError(f"space names {key!r} twice; leave one out")
            seen.add(key)
        if axis.when:
            parent, values = axis.when
            if parent not in earlier or len(earlier[parent].keys) > 1:
                raise ValueError(
                    f"space[{axis.name!r}] depends on {parent!r}, which must be a key "
                    f"of the space before it; there are: {', '.join(earlier) or 'none'}"
                )
            legal = earlier[parent].values
            for value in values:
                if value not in legal:
                    raise ValueError(
                        f"space[{axis.name!r}] counts when {parent} is {value!r}, "
                        f"which is not one of its values {legal}; correct it"
                    )
        earlier[axis.name] = axis


def _is_number(value) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value)

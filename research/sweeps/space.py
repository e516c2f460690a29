"""The search space: axes of config keys, their points, and what a trial sets.

An axis may hold several keys (they vary together), and may count only where an earlier
axis has certain values. Optuna stores the parameters; a value that it cannot store
(a tuple, a combination) is stored as its JSON text.
"""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna

# Finite spaces up to this size are checked point by point.
_FEW = 64


@dataclass(frozen=True)
class Axis:
    """One thing that varies.

    Attributes:
      name: of the parameter: its config key, or its keys joined by "+".
      keys: config keys that it sets.
      kind: choice, grid, uniform, log_uniform or integer.
      values: of a choice or grid; of several keys, a tuple each.
      low, high, step, log: of the others.
      when: (name of an earlier axis, its values under which this one counts), or None.
    """

    name: str
    keys: tuple[str, ...]
    kind: str
    values: tuple = ()
    low: float = 0
    high: float = 0
    step: int = 1
    log: bool = False
    when: tuple[str, tuple] | None = None

    def counts(self, params: Mapping) -> bool:
        """Tells whether the axis varies in a trial of these earlier parameters."""
        if self.when is None:
            return True
        parent, values = self.when
        return parent in params and params[parent] in values

    def labels(self) -> list:
        """Lists the values as Optuna can store them."""
        return [_label(value) for value in self.values]

    def suggest(self, trial: optuna.Trial):
        """Lets Optuna choose the stored value; a known one stays as it is."""
        if self.values:
            return trial.suggest_categorical(self.name, self.labels())
        ends = (self.name, self.low, self.high)
        if self.kind == "integer":
            return trial.suggest_int(*ends, step=self.step, log=self.log)
        return trial.suggest_float(*ends, log=self.log)

    def at(self, share: float):
        """Returns the stored value at a share, in [0, 1), of the axis."""
        if self.values:
            return self.labels()[int(share * len(self.values))]
        low, high = self.low, self.high
        if self.kind == "integer" and not self.log:
            return low + int(share * self._count()) * self.step
        if self.kind == "integer":  # every whole number owns the ratios around it
            low, high = low - 0.5, high + 0.5
        if self.log:
            value = low * (high / low) ** share
        else:
            value = low + share * (high - low)
        value = min(max(value, self.low), self.high)
        return round(value) if self.kind == "integer" else value

    def every(self) -> list | None:
        """Lists all stored values, or None where there is no end of them."""
        if self.values:
            return self.labels()
        if self.kind == "integer":
            return list(range(self.low, self.high + 1, self.step))
        return None

    def ends(self) -> list:
        """Lists the stored values by which the axis is checked."""
        return self.labels() if self.values else [self.low, self.high]

    def sets(self, stored) -> dict[str, Any]:
        """Returns config key -> value for a stored value."""
        if not self.values:
            return {self.keys[0]: stored}
        value = self.values[self.labels().index(stored)]
        if len(self.keys) == 1:
            return {self.keys[0]: value}
        return dict(zip(self.keys, value, strict=True))

    def _count(self) -> int:
        return (self.high - self.low) // self.step + 1


@dataclass(frozen=True)
class Space:
    """All axes, parents before what depends on them."""

    axes: tuple[Axis, ...]

    def keys(self) -> list[str]:
        """Lists the config keys that vary."""
        return [key for axis in self.axes for key in axis.keys]

    def suggest(self, trial: optuna.Trial) -> dict:
        """Lets Optuna choose a trial's parameters; known ones stay as they are."""
        params: dict = {}
        for axis in self.axes:
            if axis.counts(params):
                params[axis.name] = axis.suggest(trial)
        return params

    def sets(self, params: Mapping) -> dict[str, Any]:
        """Returns config key -> value for a trial's parameters."""
        values: dict = {}
        for axis in self.axes:
            if axis.name in params:
                values |= axis.sets(params[axis.name])
        return values

    def points(self) -> list[dict]:
        """Lists the parameters of every point of a finite space.

        Raises:
          ValueError: an axis without end.
        """
        points: list[dict] = [{}]
        for axis in self.axes:
            every = axis.every()
            if every is None:
                raise ValueError(
                    f"sampler 'grid' needs a finite space, but {axis.name} is "
                    f"{axis.kind}; use grid(…), spaced(…), choice(…) or another sampler"
                )
            points = [
                point | added
                for point in points
                for added in (
                    [{axis.name: value} for value in every]
                    if axis.counts(point)
                    else [{}]
                )
            ]
        return points

    def at(self, shares: Sequence[float]) -> dict:
        """Returns the parameters at a point of the unit cube, one share per axis."""
        params: dict = {}
        for axis, share in zip(self.axes, shares, strict=True):
            if axis.counts(params):
                params[axis.name] = axis.at(share)
        return params

    def samples(self) -> list[dict]:
        """Lists the parameters by which the space is checked: each end of each axis."""
        every = [axis.every() for axis in self.axes]
        if None not in every and math.prod(map(len, every)) <= _FEW:
            return self.points()
        first = {axis.name: axis.ends()[0] for axis in self.axes}
        last = {axis.name: axis.ends()[-1] for axis in self.axes}
        singles = (
            first | {axis.name: end} for axis in self.axes for end in axis.ends()
        )
        found = {}
        for raw in itertools.chain([first, last], singles):
            params = self._following(raw)
            found[json.dumps(params, sort_keys=True)] = params
        return list(found.values())

    def _following(self, raw: Mapping) -> dict:
        """Keeps what counts; an axis given another value than its first is made count.

        `raw` holds a value for every axis.
        """
        first = {axis.name: axis.ends()[0] for axis in self.axes}
        wanted = dict(raw)
        for axis in reversed(self.axes):
            if axis.when and wanted[axis.name] != first[axis.name]:
                parent, values = axis.when
                if wanted[parent] not in values:
                    wanted[parent] = values[0]
        params: dict = {}
        for axis in self.axes:
            if axis.counts(params):
                params[axis.name] = wanted[axis.name]
        return params


def _label(value):
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return json.dumps(value)

"""What a sweep is: its description, checked, and the config of each of its runs."""

import copy
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from research import lookup
from research.sweeps import domains, samplers
from research.sweeps.space import Space

_LEGAL = {
    "direction": ("maximize", "minimize"),
    "checkpoint": ("best", "last"),
    "sampler": samplers.SAMPLERS,
    "pruner": samplers.PRUNERS,
}
_LEAST = {
    "seeds": 1,
    "trials": 0,
    "steps": 0,
    "minutes": 0.0,
    "sampler_seed": 0,
    "startup_trials": 1,
    "warmup": 1,
    "reduction": 2,
    "retries": 0,
    "silence": 1.0,
}
# What the same sweep may be resumed with other values of.
_MAY_CHANGE = ("trials", "minutes", "retries", "silence")


@dataclass(frozen=True)
class Sweep:
    """A checked sweep. The keys of configs/sweeps/base.py, and:

    Attributes:
      base: the config of a run without its parameters, as plain values.
      space: what varies.
      trials: how many; the grid's size where the description said 0.
      arguments: of the config on the command line: `--config=…` and what was fixed.
    """

    name: str
    base: dict
    space: Space
    metric: str
    direction: str
    checkpoint: str
    seeds: int
    trials: int
    steps: int
    minutes: float
    sampler: str
    sampler_seed: int
    startup_trials: int
    pruner: str
    warmup: int
    reduction: int
    retries: int
    silence: float
    arguments: tuple[str, ...]

    def config(self, params: Mapping, number: int, seed: int) -> dict:
        """Returns the config of one run.

        Args:
          params: of the trial.
          number: of the trial.
          seed: which of its seeds, 0 to seeds - 1.
        """
        config = copy.deepcopy(self.base)
        for key, value in self.space.sets(params).items():
            set_value(config, key, value)
        config["seed"] += seed
        config["name"] = f"{self.name}-{number}" + (f"-s{seed}" if seed else "")
        return config

    def every_key(self) -> dict:
        """Returns a config in which every key of the space is set, for their names."""
        config = copy.deepcopy(self.base)
        for axis in self.space.axes:
            for key, value in axis.sets(axis.ends()[0]).items():
                set_value(config, key, value)
        return config

    def identity(self) -> dict:
        """Returns, as JSON values, what must be equal where a sweep goes on."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in (*_MAY_CHANGE, "arguments"):
            del values[name]
        values["space"] = {axis.name: vars(axis) for axis in self.space.axes}
        return json.loads(json.dumps(values))

    def differences(self, other: dict) -> list[str]:
        """Lists "key: old -> new" where another sweep's identity is not this one's."""
        if other == self.identity():
            return []
        from research.training import settings  # takes a second, and is rarely needed

        return settings.differences(
            other["base"], self.identity()["base"]
        ) + settings.differences(other, self.identity(), ignore=("base",))

    def sign(self) -> int:
        """Returns 1 where more is better, else -1."""
        return 1 if self.direction == "maximize" else -1


def make(description: Mapping, base: Mapping, arguments: tuple[str, ...]) -> Sweep:
    """Checks a sweep's description and joins it with its config.

    Args:
      description: all keys of configs/sweeps/base.py; `name` is filled.
      base: the config that `config` names, as plain values, with what was fixed on
        the command line.
      arguments: which say so again.

    Raises:
      ValueError: what is wrong, in one sentence.
    """
    _check_values(description)
    space = domains.read(description["space"])
    typed = [a.lstrip("-").partition("=")[0] for a in arguments]
    typed = [key.removeprefix("config.") for key in typed]
    overrides = {k: v for k, v in description["overrides"].items() if k not in typed}
    _check_fixed(description, space, overrides, typed)
    base = copy.deepcopy(dict(base))
    for key, value in overrides.items():
        set_value(base, key, value)
    base["wandb"]["group"] = base["wandb"]["group"] or description["name"]
    base["checkpoint"]["metric"] = description["metric"]
    base["checkpoint"]["mode"] = description["direction"].removesuffix("imize")
    if description["steps"]:
        base["train"]["steps"] = description["steps"]
    kept = {f.name for f in fields(Sweep)} & set(description)
    values = {name: description[name] for name in kept} | {
        "trials": _count(description, space),
        "space": space,
        "base": base,
        "arguments": (
            *arguments,
            *(f"--config.{key}={value}" for key, value in overrides.items()),
        ),
    }
    sweep = Sweep(**values)
    samplers.check(sweep)
    return sweep


def set_value(config: dict, key: str, value: Any) -> None:
    """Sets a config key, "group.name", in place; a whole number may become a float.

    Raises:
      ValueError: a value of another type than the config's.
    """
    *groups, name = key.split(".")
    for group in groups:
        config = config.setdefault(group, {})
        if not isinstance(config, dict):
            raise ValueError(f"config key {key!r} is no key: {group} is not a group")
    old = config.get(name)
    if isinstance(old, float) and _is_number(value):
        value = float(value)
    elif isinstance(old, dict) or (old is not None and type(old) is not type(value)):
        kind = "a group" if isinstance(old, dict) else type(old).__name__
        raise ValueError(
            f"config.{key} is {kind}, got {value!r}; give a value of its type"
        )
    config[name] = value


def _check_values(description: Mapping) -> None:
    for key, legal in _LEGAL.items():
        if description[key] not in legal:
            raise ValueError(lookup.unknown(key, description[key], legal))
    for key, least in _LEAST.items():
        value = description[key]
        whole = isinstance(value, int) or isinstance(least, float)
        if not (_is_number(value) and whole and value >= least):
            kind = "a number" if isinstance(least, float) else "a whole number"
            raise ValueError(f"{key} must be {kind}, at least {least}, got {value!r}")
    if not str(description["metric"]).startswith("validation/"):
        raise ValueError(
            f"metric={description['metric']!r} is not measured at evaluations; use "
            "one of the split validation, such as validation/accuracy"
        )


def _check_fixed(description, space: Space, overrides: Mapping, typed) -> None:
    """Checks that no key is set in two ways; what was typed goes before overrides."""
    taken = {key: "overrides" for key in overrides}
    taken |= {key: "the command line" for key in typed}
    sweeps = {"checkpoint.metric": "metric", "checkpoint.mode": "direction"}
    if description["steps"]:
        sweeps["train.steps"] = "steps"
    if description["seeds"] > 1:
        sweeps["seed"] = "seeds"
    sweeps |= {"name": "name"}
    for key in space.keys():
        by = (taken | sweeps).get(key)
        if by:
            raise ValueError(
                f"{key!r} is set by both space and {by}; leave it out of one"
            )
    for key, by in taken.items():
        # A seed that was typed is the first of the seeds.
        if key in sweeps and (by, key) != ("the command line", "seed"):
            raise ValueError(
                f"{key!r} is set by both {by} and {sweeps[key]}; leave it out of one"
            )


def _count(description: Mapping, space: Space) -> int:
    trials = description["trials"]
    if description["sampler"] != "grid":
        if not trials:
            raise ValueError(
                "trials=0 means the whole grid, but sampler is "
                f"{description['sampler']!r}; give the number of trials"
            )
        return trials
    points = len(space.points())
    if trials > points:
        raise ValueError(
            f"trials={trials}, but the grid has {points} points; give 0 for all of them"
        )
    return trials or points


def _is_number(value) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value)

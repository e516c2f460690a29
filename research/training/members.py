"""Trains many runs of equal shapes with one compiled program.

The runs ("members") differ in their seed and in numbers that the program takes as
arguments (`fields.TRACEABLE`), so that none of them compiles anything of its own.
Two forms, equal in result: "vmap" stacks the members on a leading axis and updates all
in one call; "interleave" calls the same program for one member after another.
"""

import copy
import json
import time
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from research.data import pipeline, source
from research.training import (
    experiment,
    fields,
    initial,
    programs,
    settings,
    tracking,
)

FORMS = ("vmap", "interleave")


def signature(config: dict) -> str:
    """Digests what members must share; equal signatures fit into one program."""
    config = copy.deepcopy(config)
    for key in ("seed", *settings.MACHINE_KEYS):
        _set(config, key, None)
    for key in fields.TRACEABLE:
        value = _get(config, key)
        if value is not None:
            _set(config, key, bool(value))  # zero switches something off
    return json.dumps(config, sort_keys=True)


class Members:
    """The states of some runs, and the program that they share."""

    def __init__(
        self,
        configs: Sequence[dict],
        data: dict[str, source.Source],
        form: str,
    ):
        """Draws the initial states.

        Args:
          configs: of the members, equal in `signature`.
          data: splits "train" and "validation".
          form: one of FORMS.

        Raises:
          ValueError: a config contradicts itself or the data.
        """
        self._data = data
        if any(_get(config, "train.average_after") for config in configs):
            raise ValueError(
                "train.average_after waits for evaluations of its own run, which a "
                "population does not make; use --executor=process"
            )
        spec, count = data["train"].spec, len(data["train"])
        self.form, self.configs = form, list(configs)
        self.experiments = [
            experiment.build(ConfigDict(c), spec, count) for c in configs
        ]
        self.plan = self.experiments[0].plan
        self._varied = [
            key for key in fields.TRACEABLE if len({_get(c, key) for c in configs}) > 1
        ]
        self._names = {}
        self._compile()
        self.restart()

    def __len__(self) -> int:
        return len(self.configs)

    def restart(self) -> None:
        """Begins again at step 0."""
        init, states = programs.compile_init(self.experiments[0].init), []
        for each in self.experiments:
            drawn = init(np.uint32(each.config.seed))
            where = jax.tree.map(lambda x: x.sharding, drawn)
            states.append(initial.replace(drawn, each, where))
        self._take(states)
        self._batches = [
            each.training_batches(self._data["train"]).iterate(
                0, each.config.data.workers
            )
            for each in self.experiments
        ]

    def train(self) -> np.ndarray | jax.Array:
        """Makes one update of every member.

        Returns:
          (members, metrics, 2), see `unpack`; still being computed.
        """
        items = [next(batches) for batches in self._batches]
        if self.form == "vmap":
            item = jax.tree.map(lambda *x: np.stack(x), *items)
            self._states, packed = self._train(self._numbers, self._states, item)
            return packed
        rows = []
        for i, item in enumerate(items):
            numbers = {key: values[i] for key, values in self._numbers.items()}
            self._states[i], packed = self._train(numbers, self._states[i], item)
            rows.append(packed)
        return rows

    def evaluate(self) -> list[dict[str, float]]:
        """Measures every member on the whole validation split: name -> average."""
        task = self.experiments[0].task
        size = self.experiments[0].config.data.eval_batch_size
        windows = [tracking.Window() for _ in self.configs]
        carries = [task.init_carry(size)] * len(self)
        if self.form == "vmap":
            carries = jax.tree.map(lambda *x: jnp.stack(x), *carries)
        for batch in pipeline.eval_batches(self._data["validation"], size):
            if self.form == "vmap":
                rows, carries = self._eval(self._states, batch, carries)
            else:
                pairs = zip(self._states, carries, strict=True)
                made = [self._eval(state, batch, carry) for state, carry in pairs]
                rows, carries = zip(*made, strict=True)
            for window, row in zip(windows, np.asarray(rows), strict=True):
                window.add(self.unpack("eval", row))
        return [task.derive(window.averages()) for window in windows]

    def unpack(self, what: str, packed) -> dict[str, tuple[float, float]]:
        """Names one member's metrics of "train" or "eval": name -> (sum, weight)."""
        return programs.unpack(self._names[what], packed)

    def state(self, member: int):
        """Copies the TrainState of one member to host memory."""
        state = self._states[member] if self.form == "interleave" else self._states
        at = (lambda x: np.array(x[member])) if self.form == "vmap" else np.array
        return jax.tree.map(at, state)

    def keep(self, members: Sequence[int]) -> None:
        """Goes on with some of the members; "vmap" compiles for their number."""
        states = [self._slice(member) for member in members]
        for name in ("configs", "experiments", "_batches"):
            setattr(self, name, [getattr(self, name)[member] for member in members])
        self._take(states)

    def seconds_per_step(self, steps: int) -> float:
        """Measures an update of all members, compiled before; it trains them."""
        jax.block_until_ready(self.train())
        began = time.perf_counter()
        for _ in range(steps):
            packed = self.train()
        jax.block_until_ready(packed)
        return (time.perf_counter() - began) / steps

    def _compile(self) -> None:
        first = self.experiments[0]
        wrap = jax.vmap if self.form == "vmap" else lambda function, **axes: function

        def update(numbers, state, item):
            config = copy.deepcopy(self.configs[0])
            for key, value in numbers.items():
                _set(config, key, value)
            built = experiment.assemble(ConfigDict(config), first.spec, first.plan)
            state, metrics = programs.update(built, state, item)
            self._names["train"], packed = programs.pack(metrics)
            return state, packed

        def evaluate(state, batch, carry):
            metrics, carry = programs.measure(first, state, batch, carry)
            self._names["eval"], packed = programs.pack(metrics)
            return packed, carry

        self._train = jax.jit(wrap(update), donate_argnums=1)
        self._eval = jax.jit(wrap(evaluate, in_axes=(0, None, 0)))

    def _slice(self, member: int):
        if self.form == "interleave":
            return self._states[member]
        return jax.tree.map(lambda x: x[member], self._states)

    def _take(self, states: list) -> None:
        self._numbers = {
            key: jnp.asarray([_get(c, key) for c in self.configs], jnp.float32)
            for key in self._varied
        }
        if self.form == "vmap":
            states = jax.tree.map(lambda *x: jnp.stack(x), *states)
        self._states = states


def _get(config: dict, key: str):
    for part in key.split("."):
        if not isinstance(config, dict) or part not in config:
            return None
        config = config[part]
    return config


def _set(config: dict, key: str, value) -> None:
    *groups, name = key.split(".")
    for group in groups:
        config = config.get(group, {})
    if name in config:
        config[name] = value

"""The compiled functions of an experiment: init, train, eval and predict."""

import functools
import logging
import os
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research.data import source
from research.tasks import averaging
from research.training import allocator, sharding, snapshots
from research.training.experiment import Experiment

# Data sets up to this size wait on the accelerator and are gathered there.
_DEVICE_DATA_BYTES = 2 * 2**30


def enable_compile_cache() -> None:
    """Keeps compiled programs on disk, so that a second start is fast.

    JAX_COMPILATION_CACHE_DIR chooses the folder; the default is under ~/.cache.
    """
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        folder = pathlib.Path(home) / "menagerie" / "xla"
        jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


class Programs:
    """Jitted init, train, eval and predict on one mesh."""

    def __init__(self, experiment: Experiment):
        """Lays the state out on the mesh; compiles nothing yet.

        Raises:
          ValueError: the mesh does not fit the devices, the batch or the parameters.
        """
        if jax.default_backend() == "cpu":
            allocator.keep_freed_memory()
        config = experiment.config
        self.experiment = experiment
        self.mesh = sharding.make_mesh(dict(config.mesh))
        for key in ("batch_size", "eval_batch_size"):
            _check_batch(self.mesh, key, config.data[key])
        shapes = experiment.abstract_state()
        self.state_sharding = sharding.state_sharding(
            shapes, self.mesh, config.mesh.rules
        )
        self.abstract_state = jax.tree.map(
            lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s),
            shapes,
            self.state_sharding,
        )
        self._per_call = experiment.plan.per_call
        self._batch = sharding.batch_sharding(self.mesh)
        stacked = int(self._per_call > 1)
        self._item = sharding.batch_sharding(self.mesh, leading=stacked)
        self._replicated = sharding.replicated(self.mesh)
        self._train, self._observe = None, None
        self._names = {}  # of the packed metrics, known once traced
        self._seen = {}  # shapes of the last batch
        self._eval = jax.jit(
            self._eval_step,
            in_shardings=(self.state_sharding, self._batch, self._batch),
            out_shardings=(self._replicated, self._batch),
        )
        self._predict = jax.jit(
            functools.partial(predict, experiment),
            in_shardings=(self.state_sharding, self._batch),
            out_shardings=self._replicated,
        )
        self._snapshot = jax.jit(
            functools.partial(snapshots.make, experiment),
            in_shardings=(self.state_sharding, self._batch),
            out_shardings=self._replicated,
        )

    def init(self, seed: int):
        """Draws the initial state, each device its own share of it."""
        return compile_init(self.experiment.init, self.state_sharding)(np.uint32(seed))

    def place_data(self, examples: source.Source):
        """Decides where the training examples wait.

        Returns:
          The examples as device arrays, or None: they are fed from the host.

        Raises:
          ValueError: config.data.placement asks for what the source cannot do.
        """
        placement = self.experiment.config.data.placement
        possible = source.in_memory(examples) and jax.process_count() == 1
        if placement == "device" and not possible:
            raise ValueError(
                "config.data.placement=device needs decoded data and one process, got "
                f"{type(examples).__name__} on {jax.process_count()}; use host"
            )
        if placement == "auto":
            example = self.experiment.example_batch(1).values()
            size = len(examples) * sum(x.size * x.dtype.itemsize for x in example)
            fast = jax.default_backend() != "cpu" and size <= _DEVICE_DATA_BYTES
            placement = "device" if possible and fast else "host"
        if placement == "host":
            return None
        arrays = examples.gather(np.arange(len(examples)))
        return jax.device_put(arrays, self._replicated)

    def train(self, state, data, item):
        """Makes `per_call` updates.

        Args:
          state: TrainState; its buffers are given up.
          data: what `place_data` returned.
          item: this process's rows of a training batch, or of the positions (b,) of
            its examples in `data`, see `pipeline.Order.positions`, with a leading axis
            of length `per_call` where that is above 1.

        Returns:
          (state, packed): packed (per_call, metrics, 2) float32, see `unpack`.
        """
        if self._train is None:
            self._train = self._compile_train()
        self._watch("train", item)
        return self._train(state, data, self._put(item, self._item))

    def init_carry(self):
        """Makes what the first batch of an evaluation starts from, see `Task`."""
        size = self.experiment.config.data.eval_batch_size
        init = functools.partial(self.experiment.task.init_carry, size)
        return jax.jit(init, out_shardings=self._batch)()

    def eval(self, state, batch, carry=None) -> tuple[jax.Array, Any]:
        """Measures one stored batch with mask.

        Args:
          state: TrainState.
          batch: this process's rows.
          carry: what the batch before handed on; at first `init_carry()`.

        Returns:
          ((metrics, 2), see `unpack`; what the next batch starts from)
        """
        self._watch("evaluation", batch)
        return self._eval(state, self._put(batch, self._batch), carry)

    def measured(self) -> list[str]:
        """Names what an evaluation measures; traces it, computes nothing."""
        size = self.experiment.config.data.eval_batch_size
        batch = self.experiment.eval_batch(size)
        carry = jax.eval_shape(lambda: self.experiment.task.init_carry(size))
        jax.eval_shape(self._eval, self.abstract_state, batch, carry)
        return self.experiment.told(self._names["eval"])

    def observe(self, state, loss: float):
        """Notes a validation loss, where an average of the parameters waits for it."""
        if state.trigger is None:
            return state
        if self._observe is None:
            self._observe = jax.jit(
                averaging.observe, out_shardings=self.state_sharding.trigger
            )
        trigger = self._observe(state.trigger, state.step, np.float32(loss))
        return state.replace(trigger=trigger)

    def predict(self, state, batch) -> dict[str, np.ndarray]:
        """Predicts one stored batch; returns name -> (b, ...) on the host."""
        out = self._predict(state, self._put(batch, self._batch))
        return {name: np.asarray(value) for name, value in out.items()}

    def unpack(self, what: str, packed) -> dict[str, tuple[float, float]]:
        """Names what `train` (a step of it) or `eval` packed: name -> (sum, weight)."""
        return unpack(self._names[what], packed)

    def snapshot(self, state, batch) -> dict[str, np.ndarray]:
        """Makes the task's pictures, see `snapshots.make`, of a stored batch."""
        return self._snapshot(state, self._put(batch, self._batch))

    def lower_train(self):
        """Lowers one training call on shapes alone, for costs and memory."""
        size = self.experiment.config.data.batch_size
        leading = (self._per_call,) if self._per_call > 1 else ()
        item = {
            name: jax.ShapeDtypeStruct((*leading, *x.shape), x.dtype)
            for name, x in self.experiment.train_batch(size).items()
        }
        return self._compile_train().lower(self.abstract_state, None, item)

    def _compile_train(self):
        experiment = self.experiment

        def one(state, data, item):
            raw = item
            if data is not None:
                raw = {name: array[item["example"]] for name, array in data.items()}
                raw |= {name: item[name] for name in experiment.added}
            state, metrics = update(experiment, state, raw)
            self._names["train"], packed = pack(metrics)
            return state, packed

        def call(state, data, item):
            if self._per_call == 1:
                state, packed = one(state, data, item)
                return state, packed[None]
            body = lambda state, item: one(state, data, item)  # noqa: E731
            return jax.lax.scan(
                body, state, item, unroll=self._unroll(body, state, item)
            )

        return jax.jit(
            call,
            in_shardings=(self.state_sharding, self._replicated, self._item),
            out_shardings=(self.state_sharding, self._replicated),
            donate_argnums=0,
        )

    def _unroll(self, body, state, items) -> int:
        """Avoids a loop where it is slow: XLA:CPU convolves 3-6x slower in one."""
        first = jax.tree.map(lambda x: x[0], items)
        convolves = "conv_general_dilated" in str(jax.make_jaxpr(body)(state, first))
        return self._per_call if convolves and jax.default_backend() == "cpu" else 1

    def _eval_step(self, state, batch, carry):
        metrics, carry = measure(self.experiment, state, batch, carry)
        self._names["eval"], packed = pack(metrics)
        return packed, carry

    def _put(self, item, where):
        if jax.process_count() == 1:
            return item  # jit moves it by itself, at less cost than device_put
        return jax.tree.map(
            lambda x: jax.make_array_from_process_local_data(where, x), item
        )

    def _watch(self, what: str, item) -> None:
        """Reports a batch of another shape: it compiles the program again."""
        now = {name: (x.shape, x.dtype) for name, x in item.items()}
        before = self._seen.setdefault(what, now)
        if now != before:
            changed = [n for n in {*now, *before} if now.get(n) != before.get(n)]
            logging.warning(
                "the %s step is compiled again: %s",
                what,
                "; ".join(f"{n} {before.get(n)} -> {now.get(n)}" for n in changed),
            )
            self._seen[what] = now


def _check_batch(mesh, key: str, size: int) -> None:
    shares = mesh.shape["data"] * mesh.shape["fsdp"]
    if size % shares:
        raise ValueError(
            f"config.data.{key}={size} must be a multiple of {shares}, the devices "
            f"that share a batch; use {-(-size // shares) * shares}"
        )


def update(experiment: Experiment, state, batch):
    """Makes one update with a stored batch; pure. Returns (state, metrics)."""
    rate = jnp.asarray(experiment.schedule(state.step), jnp.float32)
    batch = experiment.preprocess_train(batch, state.seed)
    with experiment.precision():
        state, metrics = experiment.task.train_step(state, batch)
    return state, metrics | {"learning_rate": (rate, jnp.ones(()))}


def measure(experiment: Experiment, state, batch, carry=None):
    """Measures a stored batch with mask; pure.

    Returns:
      (metrics, what the next batch starts from: None where batches stand alone)
    """
    batch = experiment.preprocess(batch)
    with experiment.precision():
        if carry is None:
            return experiment.task.eval_step(state, batch), None
        return experiment.task.eval_step(state, batch, carry)


def predict(experiment: Experiment, state, batch):
    """Predicts a stored batch; pure. Returns name -> (b, ...)."""
    batch = experiment.preprocess(batch)
    with experiment.precision():
        return experiment.task.predict(state, batch)


def compile_init(init: Callable, sharding=None) -> Callable:
    """Compiles seed -> TrainState; `sharding` is that of the state."""
    # On CPU, optimising this takes far longer than running it once unoptimised.
    cpu = jax.default_backend() == "cpu"
    options = {"xla_backend_optimization_level": 0} if cpu else {}
    return (
        jax.jit(init, out_shardings=sharding)
        .lower(jax.ShapeDtypeStruct((), jnp.uint32))
        .compile(compiler_options=options)
    )


def pack(metrics) -> tuple[list[str], jax.Array]:
    """Packs (sum, weight) pairs into one array: one transfer instead of dozens.

    Returns:
      (names, (metrics, 2) float32)
    """
    names = sorted(metrics)
    pairs = [
        jnp.stack([jnp.asarray(v, jnp.float32) for v in metrics[n]]) for n in names
    ]
    return names, jnp.stack(pairs)


def unpack(names: list[str], packed) -> dict[str, tuple[float, float]]:
    """Undoes `pack` on the host: name -> (sum, weight)."""
    pairs = zip(names, np.asarray(packed), strict=True)
    return {name: (float(total), float(weight)) for name, (total, weight) in pairs}

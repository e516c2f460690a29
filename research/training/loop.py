"""The training loop: the only one, for every model and task."""

import itertools
import logging
import pathlib
import signal
import sys
import threading
import time

import jax
import numpy as np

from research import lookup
from research.training import (
    checkpoint,
    evaluation,
    initial,
    progress,
    settings,
    sharding,
    snapshots,
    tracking,
    workdir,
)
from research.training import experiment as experiments
from research.training import state as states
from research.training.programs import Programs
from research.training.wandb_mirror import WandbMirror


def train(
    config, folder: pathlib.Path, command: list[str], show=None, watch=None
) -> dict:
    """Trains, or resumes, the run of a directory to its last step.

    Args:
      config: checked config.
      folder: the run directory.
      command: what was typed, for the record and for messages.
      show: (programs, state, validation split, metrics, step) -> {name: picture file},
        called once when a run of one process is finished; W&B gets the pictures.
      watch: (step, metrics) -> whether to end the run there, called after every
        evaluation; an early end is saved like any stop.

    Returns:
      {"step": last step made, "finished": whether that is the whole run,
      "metrics": the last value of each metric}.

    Raises:
      ValueError: a mistake in config or data, or a directory of another run.
      FloatingPointError: the loss is no longer finite.
    """
    data = experiments.open_data(config, ("train", "validation"))
    built = experiments.build(config, data["train"].spec, len(data["train"]))
    programs = Programs(built)
    known = [f"validation/{name}" for name in programs.measured()]
    if config.checkpoint.metric not in known:
        wanted = config.checkpoint.metric
        raise ValueError(lookup.unknown("checkpoint.metric", wanted, known))
    first = jax.process_index() == 0
    if first:
        workdir.claim(folder, config.to_dict())
        count = experiments.read_per_epoch(
            built.spec, len(data["train"]), config.data.batch_size
        )
        described = experiments.spec_to_json(built.spec, count)
        workdir.claim_data(folder, described)
    checkpoints = checkpoint.Checkpoints(
        checkpoint.folder_of(folder),
        keep=config.checkpoint.keep,
        keep_best=config.checkpoint.keep_best,
        metric=config.checkpoint.metric,
        mode=config.checkpoint.mode,
    )
    with checkpoints, _StopRequest(checkpoints) as stop:
        run = _Run(programs, data, checkpoints, stop, folder)
        run.watch = watch or run.watch
        if first:
            workdir.note_start(folder, run.step, command)
        mirror = WandbMirror(
            config.wandb, config.to_dict(), config.name, folder, active=first
        )
        return run.to_the_end(mirror, show)


class _Run:
    """The moving parts of one run: state, window of metrics, clock."""

    def __init__(self, programs, data, checkpoints, stop, folder):
        self.programs, self.data, self.checkpoints = programs, data, checkpoints
        self.stop, self.folder = stop, folder
        self.config, self.plan = programs.experiment.config, programs.experiment.plan
        self.digest = settings.digest(self.config.to_dict())
        restored = checkpoints.restore_newest(programs.abstract_state)
        if restored is None:
            self.state, record = initial.state(programs), {"window": {}}
        else:
            self.state, record = restored
            if record["config"] != self.digest:
                raise ValueError(
                    f"the checkpoints in {folder} are of another config than its "
                    "config.json; choose another --workdir"
                )
        self.step = int(self.state.step)
        self.window = tracking.Window(record["window"])
        self.pending, self.latest = [], {}
        for row in tracking.read(folder / "metrics.jsonl"):
            if row["step"] <= self.step:
                self.latest |= row
        self.first = jax.process_index() == 0
        self.clock, self.clock_step, self.waited = time.perf_counter(), self.step, 0.0
        self.watch = lambda step, metrics: False

    def to_the_end(self, mirror: WandbMirror, show) -> dict:
        """Runs the loop; the order inside one step is stated by its comments."""
        plan, failed = self.plan, True
        resident = self.programs.place_data(self.data["train"])
        items = self._items(resident)
        shown = progress.Progress(
            plan.total, self.step, plan.per_epoch, quiet=not self.first
        )
        path = self.folder / "metrics.jsonl"
        try:
            with (
                tracking.MetricsFile(path, self.step, active=self.first) as file,
                shown,
            ):
                self.sinks = (file.write, shown.update, mirror.log)
                self._loop(resident, items)
            self.checkpoints.wait()
            if show and self.latest and self._finished() and jax.process_count() == 1:
                self._show(show, mirror)
            failed = False
        finally:
            mirror.close(exit_code=int(failed))
        return {
            "step": self.step,
            "finished": self._finished(),
            "metrics": self.latest,
        }

    def _finished(self) -> bool:
        return self.step >= self.plan.total

    def _show(self, show, mirror: WandbMirror) -> None:
        prefix = "validation/"
        metrics = {k: v for k, v in self.latest.items() if k.startswith(prefix)}
        examples = self.data["validation"]
        pictures = show(self.programs, self.state, examples, metrics, self.step)
        for name, file in pictures.items():
            mirror.image(name, file, self.step)

    def _loop(self, resident, items) -> None:
        plan, evaluated = self.plan, {}
        while self.step < plan.total and not self.stop.requested(self.step):
            began = time.perf_counter()
            item = next(items)
            self.waited += time.perf_counter() - began
            self.state, packed = self.programs.train(self.state, resident, item)
            self.pending.append(packed)
            self.step += plan.per_call
            last = self.step >= plan.total
            # 1. the log sees the steps since the last line
            if last or self.step % plan.log_every == 0:
                self._log(self._train_row())
            # 2. evaluation sees the new parameters
            evaluated = {}
            if last or self.step % plan.eval_every == 0:
                evaluated = self._evaluate()
                self._log({"step": self.step} | evaluated)
                loss = evaluated["validation/loss"]
                self.state = self.programs.observe(self.state, loss)
            # 3. the checkpoint knows what evaluation found
            best = evaluated and self.config.checkpoint.keep_best
            if last or best or self.step % plan.save_every == 0:
                self._save(evaluated)
            # 4. who watches may end the run
            if evaluated and self.watch(self.step, evaluated):
                break
        if self.step < plan.total:
            self._save(evaluated)  # of this step, if it was evaluated

    def _items(self, resident):
        """Yields what one call of the train program takes, from this step on."""
        data = self.config.data
        rows = sharding.process_rows(self.programs.mesh, data.batch_size)
        batches = self.programs.experiment.training_batches(self.data["train"], rows)
        if resident is not None:
            positions = batches.order.positions
            each = (positions(step) for step in itertools.count(self.step))
        else:
            each = batches.iterate(self.step, data.workers)
        if self.plan.per_call == 1:
            return each
        groups = (
            list(itertools.islice(each, self.plan.per_call)) for _ in itertools.count()
        )
        return (jax.tree.map(lambda *x: np.stack(x), *group) for group in groups)

    def _collect(self) -> None:
        """Fetches the metrics of all steps made and adds them to the window."""
        first = self.step - len(self.pending) * self.plan.per_call
        rows = [row for packed in self.pending for row in np.asarray(packed)]
        self.pending = []
        for at, row in enumerate(rows, first + 1):
            metrics = self.programs.unpack("train", row)
            if (
                not np.isfinite(metrics["loss"][0])
                and self.config.train.on_nan == "stop"
            ):
                raise FloatingPointError(self._nonfinite(at, metrics["loss"][0]))
            self.window.add(metrics)

    def _nonfinite(self, step: int, loss: float) -> str:
        leaves = states.nonfinite_leaves(self.state.params)
        named = ", ".join(leaves[:5]) + (" …" if len(leaves) > 5 else "")
        return (
            f"the loss became {loss} at step {step}"
            + (f", and by step {self.step} so did {named}" if leaves else "")
            + "; lower the learning rate or set optimizer.clip_norm, and see where it "
            f"comes from with: python scripts/verify.py replay --workdir={self.folder} "
            f"--step={step}"
        )

    def _train_row(self) -> dict:
        self._collect()
        averages = self.programs.experiment.task.derive(self.window.averages())
        self.window = tracking.Window()
        now, steps = time.perf_counter(), self.step - self.clock_step
        elapsed = now - self.clock
        row = {"step": self.step} | {f"train/{k}": v for k, v in averages.items()}
        row["time/examples_per_second"] = steps * self.config.data.batch_size / elapsed
        row["time/input_wait"] = self.waited / elapsed  # share of the time
        self.clock, self.clock_step, self.waited = now, self.step, 0.0
        return row

    def _evaluate(self) -> dict:
        before = time.perf_counter()
        programs, examples = self.programs, self.data["validation"]
        averages = evaluation.evaluate(programs, self.state, examples)
        batches = evaluation.batches(programs, examples)
        snapshots.keep(self.folder, self.step, programs, self.state, batches)
        self.clock += time.perf_counter() - before  # throughput counts training only
        for words in programs.experiment.task.warnings(averages):
            logging.warning("step %d: %s", self.step, words)
        return {f"validation/{name}": value for name, value in averages.items()}

    def _log(self, row: dict) -> None:
        self.latest |= row
        for write in self.sinks:
            write(row)

    def _save(self, metrics: dict) -> None:
        self._collect()  # also proves that all losses up to here are finite
        self.checkpoints.save(
            self.step,
            self.state,
            {"window": self.window.sums, "config": self.digest},
            metrics,
        )


class _StopRequest:
    """Turns the first SIGTERM or SIGINT into a request to save and leave.

    A second one exits at once. Several processes must agree on the step: there JAX's
    own preemption notice is used, and no handler, which would silence it.
    """

    _SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def __init__(self, checkpoints: checkpoint.Checkpoints):
        self._checkpoints, self._event, self._old = checkpoints, threading.Event(), {}

    def __enter__(self):
        in_main = threading.current_thread() is threading.main_thread()
        if jax.process_count() == 1 and in_main:
            self._old = {s: signal.signal(s, self._handle) for s in self._SIGNALS}
        return self

    def __exit__(self, *exception):
        for number, handler in self._old.items():
            signal.signal(number, handler)

    def requested(self, step: int) -> bool:
        """Says whether to stop before the step after `step`."""
        if jax.process_count() > 1:
            return self._checkpoints.reached_preemption(step)
        return self._event.is_set()

    def _handle(self, number, frame) -> None:
        if self._event.is_set():
            sys.exit(128 + number)
        self._event.set()
        logging.warning(
            "%s: saving a checkpoint; send it again to leave at once",
            signal.Signals(number).name,
        )

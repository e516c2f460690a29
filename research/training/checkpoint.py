"""Keeps checkpoints of a run: the newest ones and the best, written in the background.

A thin layer over Orbax. Each checkpoint holds the whole TrainState, its small leaves
packed, and a JSON record with the metric sums of the window that is not logged yet, so
that resuming continues even an average that was half done.
"""

import contextlib
import errno
import json
import logging
import math
import os
import pathlib

import jax
import orbax.checkpoint as ocp

from research.training import packed_file, packing

_PACKED, _WHOLE = "packed", "whole"  # items of a checkpoint
_INDEX, _WHOLE_INDEX = "packed", "whole"  # keys of its record


def folder_of(workdir: pathlib.Path) -> pathlib.Path:
    """Names the folder of a run's checkpoints."""
    return workdir / "checkpoints"


def steps(workdir: pathlib.Path) -> list[int]:
    """Lists the steps that a run directory has checkpoints of, reading none."""
    names = (file.name for file in folder_of(workdir).glob("*"))
    return sorted(int(name) for name in names if name.isdecimal())


class OtherCode(ValueError):
    """A whole checkpoint that the present model or optimizer cannot take."""


class Checkpoints:
    """The checkpoints of one run directory; use it as a context manager.

    Leaving the context waits for a save in progress: without that, Orbax can lose it.
    """

    def __init__(
        self, folder, *, keep=1, keep_best=0, metric="", mode="max", read_only=False
    ):
        """Opens or creates the folder.

        Args:
          folder: from `folder_of`; one subfolder per step.
          keep: newest checkpoints kept.
          keep_best: best checkpoints kept beside them.
          metric: name of the metric that decides; saves without it, or where it is NaN,
            are never best.
          mode: "max" or "min".
          read_only: leave everything as it is, also what a run is just writing.
        """
        policies = ocp.checkpoint_managers
        self.folder = pathlib.Path(folder).absolute()
        self.metric, self.sign = metric, 1 if mode == "max" else -1
        keepers = [policies.LatestN(keep)]
        if keep_best:
            keepers.append(policies.BestN(get_metric_fn=self._score, n=keep_best))
        handlers = ocp.DefaultCheckpointHandlerRegistry()
        handlers.add(_PACKED, packed_file.Save, packed_file.Handler)
        handlers.add(_PACKED, packed_file.Restore, packed_file.Handler)
        self._manager = ocp.CheckpointManager(
            self.folder,
            handler_registry=handlers,
            options=ocp.CheckpointManagerOptions(
                preservation_policy=policies.AnyPreservationPolicy(keepers),
                best_fn=self._score,
                cleanup_tmp_directories=not read_only,
                read_only=read_only,
                create=not read_only,
            ),
        )

    def _score(self, metrics) -> float:
        score = self.sign * metrics.get(self.metric, math.nan)
        return -math.inf if math.isnan(score) else score

    def __enter__(self):
        return self

    def __exit__(self, kind, *exception):
        if kind is None:
            with self._full_disk_named():
                self._manager.close()
        # After an error here the other processes never come to what closing waits for.
        elif jax.process_count() == 1:
            with contextlib.suppress(Exception):  # the first error matters more
                self._manager.close()

    @contextlib.contextmanager
    def _full_disk_named(self):
        """Turns the storage library's pages on a full disk into the plain error."""
        try:
            yield
        except Exception as error:
            full = os.strerror(errno.ENOSPC)
            if any(sign in str(error) for sign in ("RESOURCE_EXHAUSTED", full)):
                raise OSError(errno.ENOSPC, full, str(self.folder)) from error
            raise

    def steps(self) -> list[int]:
        """Lists the steps that have a checkpoint, oldest first."""
        return sorted(self._manager.all_steps())

    def best_step(self) -> int | None:
        """Returns the step with the best metric, the newest without any, or None."""
        steps = self.steps()
        scored = {s: self._score(self._manager.metrics(s)) for s in steps}
        return max(steps, key=lambda s: (scored[s], s), default=None)

    def save(self, step: int, state, record: dict, metrics: dict | None = None) -> None:
        """Starts saving; returns once the state is copied, before it is written.

        Args:
          step: updates made; a step that is already saved is left alone.
          state: the TrainState.
          record: JSON values that resuming needs beside it.
          metrics: what "best" is judged by, if anything was evaluated at this step.
        """
        if step in self._manager.all_steps():
            return
        packed, whole = packing.pack(state)
        items = {_PACKED: packed_file.Save(packed)}
        if whole:
            items[_WHOLE] = ocp.args.StandardSave(whole)
        record = record | {
            _INDEX: packing.index(state),
            _WHOLE_INDEX: packing.whole_index(state),
        }
        with self._full_disk_named():
            self._manager.save(
                step,
                args=ocp.args.Composite(**items),
                metrics={"step": step} | (metrics or {}),  # without any, all are kept
                custom_metadata=json.loads(json.dumps(record)),  # written later on
            )

    def reached_preemption(self, step: int) -> bool:
        """Says whether all processes were told to stop; needs jax.distributed."""
        return self._manager.reached_preemption(step)

    def wait(self) -> None:
        """Waits until everything is written, and raises what went wrong."""
        with self._full_disk_named():
            self._manager.wait_until_finished()

    def restore(self, step: int, abstract_state):
        """Reads one checkpoint onto the shardings of `abstract_state`.

        Returns:
          (state, record)

        Raises:
          OtherCode: the checkpoint is of another model or optimizer.
          ValueError: it is damaged.
        """
        try:
            record = dict(self._manager.metadata(step).custom_metadata)
            index = record.pop(_INDEX)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._damaged(step, error) from error
        known = packing.whole_index(abstract_state)  # older records have none
        whole_index = record.pop(_WHOLE_INDEX, known)
        if index != packing.index(abstract_state) or whole_index != known:
            raise OtherCode(
                f"checkpoint {step} in {self.folder} holds other parameters than this "
                "code makes; restore the code it was trained with, or choose another "
                "--workdir"
            )
        items = {_PACKED: packed_file.Restore()}
        whole = packing.whole(abstract_state)
        if whole:
            items[_WHOLE] = ocp.args.StandardRestore(whole)
        try:
            restored = self._manager.restore(step, args=ocp.args.Composite(**items))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(step, error) from error
        found = restored[_WHOLE] if whole else {}
        return packing.unpack(restored[_PACKED], found, abstract_state), record

    def _damaged(self, step: int, error: Exception) -> ValueError:
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        return ValueError(
            f"checkpoint {step} in {self.folder} cannot be read ({first})"
        )

    def restore_newest(self, abstract_state):
        """Reads the newest checkpoint that is whole.

        A damaged one is reported and set aside under `damaged/`, and the one before
        it is used.

        Returns:
          (state, record), or None where there is no checkpoint.

        Raises:
          ValueError: there are checkpoints, and all of them are damaged; or, with
            several processes, the newest is.
        """
        steps = self.steps()
        for step in reversed(steps):
            try:
                return self.restore(step, abstract_state)
            except OtherCode:
                raise
            except ValueError as error:
                logging.warning("%s; using the one before it", error)
                self._set_aside(step)
                if jax.process_count() > 1:  # the others may have read it well
                    raise ValueError(
                        f"checkpoint {step} in {self.folder} cannot be read and is now "
                        "under damaged/ beside it; the same command on all processes "
                        "goes on from the checkpoint before"
                    ) from error
        if steps:
            raise ValueError(
                f"none of the checkpoints {steps} in {self.folder} can be read; they "
                "are kept under damaged/ beside it, and a new --workdir starts afresh"
            )
        return None

    def _set_aside(self, step: int) -> None:
        damaged, aside = self.folder / str(step), self.folder.parent / "damaged"
        aside.mkdir(exist_ok=True)
        number = sum(1 for _ in aside.glob(f"{step}*"))
        name = f"{step}_{number}" if number else str(step)
        with contextlib.suppress(FileNotFoundError):  # another process was faster
            damaged.rename(aside / name)
        self._manager.reload()

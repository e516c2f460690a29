"""Shows how a run goes: a bar on a terminal, plain lines otherwise."""

import sys
import time

import rich.console
import rich.progress


class Progress:
    """Loss, throughput, epoch and time left of one run; use as a context manager."""

    def __init__(self, total: int, start: int, per_epoch: float, quiet: bool = False):
        """Prepares the display.

        Args:
          total: last step.
          start: step at which this process begins.
          per_epoch: steps per epoch, a fraction in general.
          quiet: show nothing (processes other than the first).
        """
        self._total, self._start, self._per_epoch = total, start, per_epoch
        self._quiet, self._bar = quiet, None
        self._begun = time.perf_counter()
        if sys.stdout.isatty() and not quiet:
            self._bar = rich.progress.Progress(
                rich.progress.TextColumn("epoch {task.fields[epoch]}"),
                rich.progress.BarColumn(),
                rich.progress.TextColumn("{task.completed}/{task.total}"),
                rich.progress.TimeRemainingColumn(),
                rich.progress.TextColumn("{task.fields[numbers]}"),
            )
            self._task = self._bar.add_task(
                "", total=total, completed=start, epoch="", numbers=""
            )

    def __enter__(self):
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *exception):
        if self._bar:
            self._bar.stop()

    def update(self, row: dict) -> None:
        """Shows one row of metrics.jsonl."""
        if self._quiet:
            return
        step = row["step"]
        shown = (_shown(name, value) for name, value in row.items())
        numbers = "  ".join(text for text in shown if text)
        epoch = f"{step / self._per_epoch:.1f}"
        if self._bar:
            self._bar.update(self._task, completed=step, epoch=epoch, numbers=numbers)
            if any(name.startswith("validation/") for name in row):
                self._bar.print(f"step {step}  epoch {epoch}  {numbers}")
            return
        done = step - self._start
        left = (time.perf_counter() - self._begun) / max(done, 1) * (self._total - step)
        print(
            f"step {step}/{self._total}  epoch {epoch}  {numbers}  {_clock(left)} left",
            flush=True,
        )


def _shown(name: str, value: float) -> str:
    if name == "time/examples_per_second":
        return f"{value:,.0f} examples/s"
    if name.startswith(("train/norm/", "time/")) or name in ("step",):
        return ""
    if name.endswith("learning_rate"):
        return f"rate {value:.3g}"
    if "accuracy" in name:
        return f"{name} {value:.2%}"
    return f"{name} {value:.4f}"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{seconds:02d}"
    return f"{minutes}:{seconds:02d}"

"""The lines of a run where there is no terminal, and the bar where there is one."""

import io
import sys
import time

import pytest

from research.training import progress

_ROW = {
    "step": 50,
    "train/accuracy": 0.5,
    "train/learning_rate": 0.002,
    "train/loss": 0.25,
    "train/norm/grad": 3.0,
    "time/examples_per_second": 12345.6,
    "time/input_wait": 0.01,
}


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    return now


def _line(clock, capsys, *, start=0, seconds=10.0, row=_ROW, total=150) -> str:
    clock[0] = 0.0
    with progress.Progress(total, start, per_epoch=40.0) as shown:
        clock[0] = seconds
        shown.update(row)
    return capsys.readouterr().out


def test_plain_line_tells_what_matters(clock, capsys):
    assert _line(clock, capsys) == (
        "step 50/150  epoch 1.2  train/accuracy 50.00%  rate 0.002  "
        "train/loss 0.2500  12,346 examples/s  0:20 left\n"
    )


def test_time_left_counts_from_where_this_process_began(clock, capsys):
    assert _line(clock, capsys, start=40).endswith("  1:40 left\n")


@pytest.mark.parametrize(
    "seconds, left", [(0.1, "0:00"), (30.4, "1:01"), (3600.0, "2:00:00")]
)
def test_time_left_is_a_clock(clock, capsys, seconds, left):
    assert _line(clock, capsys, seconds=seconds).endswith(f"  {left} left\n")


def test_evaluation_line(clock, capsys):
    row = {"step": 50, "validation/accuracy": 0.875, "validation/loss": float("nan")}
    assert _line(clock, capsys, row=row) == (
        "step 50/150  epoch 1.2  validation/accuracy 87.50%  validation/loss nan  "
        "0:20 left\n"
    )


def test_quiet_process_prints_nothing(capsys):
    with progress.Progress(150, 0, 40.0, quiet=True) as shown:
        shown.update(_ROW)
    assert capsys.readouterr().out == ""


def test_terminal_gets_a_bar_and_keeps_the_evaluations(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with progress.Progress(150, 0, 40.0) as shown:
        shown.update(_ROW)
        shown.update({"step": 60, "validation/accuracy": 0.875})
    text = terminal.getvalue()
    assert "60/150" in text and "━" in text
    assert "step" in text and "validation/accuracy" in text

"""metrics.jsonl over kills and resumes, and the window of metrics between two lines."""

import json
import logging
import math

import numpy as np

from research.training import tracking

_ROWS = [{"step": step, "train/loss": 1 / step} for step in (10, 20, 30)]


def _write(path, rows, restored=0):
    with tracking.MetricsFile(path, restored) as file:
        for row in rows:
            file.write(row)


def test_rows_are_read_as_written(tmp_path):
    rows = [*_ROWS, {"step": 40, "train/loss": math.inf}]
    _write(tmp_path / "metrics.jsonl", rows)
    assert tracking.read(tmp_path / "metrics.jsonl") == rows


def test_rows_are_on_file_before_it_is_closed(tmp_path):
    with tracking.MetricsFile(tmp_path / "metrics.jsonl", 0) as file:
        file.write(_ROWS[0])
        assert tracking.read(tmp_path / "metrics.jsonl") == _ROWS[:1]


def test_other_processes_write_nothing(tmp_path):
    with tracking.MetricsFile(tmp_path / "metrics.jsonl", 0, active=False) as file:
        file.write(_ROWS[0])
    assert list(tmp_path.iterdir()) == []


def test_missing_file_has_no_rows(tmp_path):
    assert tracking.read(tmp_path / "metrics.jsonl") == []


def test_resume_cuts_what_lies_after_the_restored_step(tmp_path):
    path = tmp_path / "metrics.jsonl"
    _write(path, _ROWS)
    again = {"step": 30, "train/loss": 0.125}
    _write(path, [again], restored=20)
    assert tracking.read(path) == [*_ROWS[:2], again]
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_step_zero_starts_afresh(tmp_path):
    path = tmp_path / "metrics.jsonl"
    _write(path, _ROWS)
    _write(path, _ROWS[:1])
    assert tracking.read(path) == _ROWS[:1]


def test_line_cut_short_by_a_kill_is_left_out(tmp_path, caplog):
    path = tmp_path / "metrics.jsonl"
    _write(path, _ROWS)
    path.write_text(path.read_text()[:-9])
    with caplog.at_level(logging.WARNING):
        assert tracking.read(path) == _ROWS[:2]
    assert caplog.messages == [f"{path}: a line is cut short and left out"]
    _write(path, _ROWS[2:], restored=20)  # no half line stays in the way
    caplog.clear()
    assert tracking.read(path) == _ROWS
    assert caplog.messages == []


def test_last_line_without_its_end_of_line_is_kept(tmp_path):
    path = tmp_path / "metrics.jsonl"
    _write(path, _ROWS[:2])
    path.write_text(path.read_text()[:-1])
    _write(path, _ROWS[2:], restored=20)
    assert tracking.read(path) == _ROWS


def test_digest_ignores_time_only():
    def digest(**changes):
        row = {"step": 1, "train/loss": 0.5, "time/examples_per_second": 10.0}
        return tracking.digest([row | changes])

    assert digest(**{"time/examples_per_second": 99.0}) == digest()
    assert digest(**{"time/input_wait": 0.5}) == digest()
    assert digest(**{"train/loss": math.nextafter(0.5, 1)}) != digest()
    assert digest(step=2) != digest()
    assert digest(**{"train/timeout": 1.0}) != digest()


def test_window_averages_by_weight():
    window = tracking.Window()
    window.add({"loss": (6.0, 3.0), "empty": (0.0, 0.0)})
    window.add({"loss": (2.0, 1.0), "empty": (0.0, 0.0)})
    averages = window.averages()
    assert averages == {"loss": 2.0}


def test_resumed_window_ends_the_same():
    """Its sums pass through JSON in every checkpoint, without losing a bit."""
    steps = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    whole, broken = tracking.Window(), tracking.Window()
    for total, weight in steps:
        whole.add({"loss": (total, weight), "accuracy": (weight, total)})
        broken.add({"loss": (total, weight), "accuracy": (weight, total)})
        broken = tracking.Window(json.loads(json.dumps(broken.sums)))
    assert broken.averages() == whole.averages()
    assert list(broken.averages()) == list(whole.averages())


def test_window_does_not_change_what_it_was_made_from():
    sums = {"loss": [1.0, 1.0]}
    tracking.Window(sums).add({"loss": (1.0, 1.0)})
    assert sums == {"loss": [1.0, 1.0]}

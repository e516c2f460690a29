"""The page of a run, from whatever its directory holds."""

import html.parser
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from configs import base
from research.data import source
from research.reports import run
from research.training import workdir

_START = {
    "started": "2026-01-02T03:04:05+00:00",
    "from_step": 0,
    "command": ["scripts/train.py", "--config=configs/x.py", "--workdir=a b"],
    "python": "3.12.1",
    "platform": "Linux",
    "processor": "a processor",
    "cpu_cores": 2,
    "devices": ["cpu"],
    "processes": 1,
    "xla_flags": "",
    "packages": {"jax": "0.10.2", "grain": None},
    "commit": "0123456789abcdef",
    "uncommitted": None,
}


class _Checker(html.parser.HTMLParser):
    """Collects what a page would load, and checks that its tags are balanced."""

    _EMPTY = {"meta", "img", "line", "circle", "rect", "polyline"}

    def __init__(self, text):
        super().__init__()
        self.open, self.loads, self.tags = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.loads += [v for k, v in attributes if k in ("src", "href", "xlink:href")]
        if tag not in self._EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self._EMPTY:
            assert self.open.pop() == tag


@pytest.fixture
def folder(tmp_path):
    """A run stopped at step 60 of 100 that was evaluated on its test split."""
    config = base.get_config()
    config.name = "run of <script>"
    config.data.path = "/data/a&b"
    config.train.steps = 100
    workdir.write_json(tmp_path / "config.json", config.to_dict())
    workdir.write_json(tmp_path / "data.json", {"train_examples": 640})
    workdir.write_json(tmp_path / "environment.json", [_START])
    rows = []
    for step in range(10, 61, 10):
        rows.append({"step": step, "train/loss": 1 / step, "time/input_wait": 0.1})
        rows.append({"step": step, "validation/loss": 1 / step})
        rows[-1]["validation/accuracy"] = step / 100
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "metrics.jsonl").write_text(lines)
    saved = tmp_path / "checkpoints" / "60" / "state" / "deep"
    saved.mkdir(parents=True)
    (saved / "array").write_bytes(b"x" * 2000)
    _evaluate(tmp_path)
    return tmp_path


def _evaluate(folder):
    rng = np.random.default_rng(0)
    arrays = {
        "image": rng.integers(0, 256, (40, 8, 8, 3)).astype(np.uint8),
        "label": np.arange(40, dtype=np.int32) % 2,
    }
    examples = source.Arrays(arrays, ("cat", "<dog>"))
    return run.write_evaluation(
        folder,
        "test",
        spec=examples.spec,
        examples=examples,
        predictions={"probability": rng.random((40, 2)).astype(np.float32)},
        metrics={"test/accuracy": 0.625, "test/loss": 0.7},
        step=60,
        checkpoint="best",
    )


def _page(folder) -> str:
    file = run.write(folder)
    assert file == folder / "report.html"
    text = file.read_text(encoding="utf-8")
    checked = _Checker(text)
    assert all(value.startswith("data:image/") for value in checked.loads)
    assert not {"script", "link", "iframe", "object"} & set(checked.tags)
    assert not re.search(r"https?:|@import|url\(", text)
    return text


def test_page_tells_everything(folder):
    text = _page(folder)
    for part in (
        "<h1>run of &lt;script&gt;</h1>",
        "mlp (debug), classification of synthetic",
        "at step 60 of 100 (60%)",
        "6 epochs",
        '<b class="big">62.50%</b>',
        " errors in 40 examples",
        '<b class="big">60.00%</b>',
        "in training, step 60",
        "<b>Loss</b>",
        "Predictions: test",
        "&lt;dog&gt;",
        "/data/a&amp;b",
        "python scripts/train.py --config=configs/x.py &#x27;--workdir=a b&#x27;",
        "2026-01-02 03:04:05",
        "0123456789",
        "jax 0.10.2",
        "1 × cpu",
        "checkpoints/60/",
        "metrics.jsonl",
    ):
        assert part in text, part
    assert text.count("<img") > 12 and "grain" not in text


def test_page_of_unchanged_run_is_unchanged(folder):
    assert _page(folder) == _page(folder)


def test_finished_run_says_so(folder):
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 100, "train/loss": 0.1}\n')
    assert "finished at step 100" in _page(folder)


def test_state_counts_checkpoints_beyond_the_last_line(folder):
    (folder / "checkpoints" / "75").mkdir()
    assert "at step 75 of 100 (75%)" in _page(folder)


def test_run_without_a_step_has_a_page(folder):
    for name in ("metrics.jsonl", "data.json", "environment.json"):
        (folder / name).unlink()
    for name in ("checkpoints", "evaluation", "samples"):
        shutil.rmtree(folder / name)
    text = _page(folder)
    assert "at step 0<" in text and "Nothing was measured yet." in text
    assert "Curves" not in text and "Config" in text


def test_task_without_a_report_gets_the_general_page(folder):
    config = workdir.read_json(folder / "config.json")
    config["task"]["name"] = "no_such_report"
    workdir.write_json(folder / "config.json", config)
    shutil.rmtree(folder / "evaluation")
    assert _evaluate(folder) == {}
    assert workdir.read_json(folder / "evaluation" / "test.json") == {
        "split": "test",
        "step": 60,
        "checkpoint": "best",
        "examples": 40,
        "metrics": {"test/accuracy": 0.625, "test/loss": 0.7},
    }
    text = _page(folder)
    assert '<b class="big">62.50%</b>' in text and "Predictions" not in text


def test_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(ValueError) as error:
        run.write(tmp_path)
    assert str(error.value) == (
        f"{tmp_path} holds no config.json, so it is no run directory; give the "
        "--workdir of a training run"
    )
    assert list(tmp_path.iterdir()) == []


def _script(*arguments):
    return subprocess.run(
        [sys.executable, "scripts/report.py", *arguments],
        cwd=run.pathlib.Path(run.__file__).parents[2],
        capture_output=True,
        text=True,
    )


def test_script_prints_where_the_page_is(folder):
    done = _script(f"--workdir={folder}")
    assert done.stdout == f"{folder / 'report.html'}\n" and done.returncode == 0


def test_script_refuses_in_one_sentence(tmp_path):
    done = _script(f"--workdir={tmp_path}")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == (
        f"error: {tmp_path} holds no config.json, so it is no run directory; give the "
        "--workdir of a training run\n"
    )

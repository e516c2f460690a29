"""scripts/reproduce.py as a user starts it."""

import gzip
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from scripts import app
from tests import flags

SCRIPT = app.ROOT / "scripts" / "reproduce.py"
ENV = os.environ | {"XLA_FLAGS": flags.QUICK_COMPILATION}


def _start(*argv, **options):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, argv)],
        **{"capture_output": True, "text": True, "env": ENV} | options,
    )


def _steps(folder: pathlib.Path) -> int:
    """Counts the logged lines of all seeds."""
    return sum(
        file.read_text().count("\n") for file in folder.glob("seed_*/metrics.jsonl")
    )


def _start_and_kill(argv, folder: pathlib.Path, lines: int) -> None:
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, argv)],
        env=ENV,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and _steps(folder) < lines:
        time.sleep(0.01)
    assert process.poll() is None, "it ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    process.wait()


def _evidence(file: pathlib.Path) -> list[dict]:
    """Reads the seeds without what a kill may change."""
    seeds = json.loads(file.read_text())["seeds"]
    for seed in seeds:
        for key in ("training_seconds", "starts", "environment", "opening"):
            del seed[key]
    return seeds


@pytest.mark.slow
def test_a_rehearsal_killed_at_random_ends_whole_and_is_no_evidence(tmp_path):
    folder = tmp_path / "work"
    argv = ["lenet_digits:quick", "--seeds=1", f"--workdir={folder}"]
    argv += [f"--root={tmp_path}"]
    for lines in sorted(random.sample(range(1, 8), k=2)):  # of 9 that it logs
        _start_and_kill(argv, folder, lines)
    done = _start(*argv)
    assert done.returncode == 0, done.stderr
    seeds = _evidence(folder / "rehearsal.json")
    assert [(seed["seed"], seed["finished"], seed["step"]) for seed in seeds] == [
        (0, True, 101)
    ]
    assert seeds[0]["metrics"]["test/accuracy"] > 0.8
    assert "rehearsal: nothing published to compare with; 1 of 3 seeds" in done.stdout
    assert not (tmp_path / "results").exists()


def _digits_as_mnist(folder: pathlib.Path, times: int) -> pathlib.Path:
    """Writes scikit-learn's digits in MNIST's format: 1,200 to train, 597 to test.

    Args:
      folder: for the files.
      times: how often the training images are repeated.
    """
    from research.data import digits

    parts = [digits.load(s, image_size=28) for s in digits.splits(None)]
    arrays = [part.gather(np.arange(len(part))) for part in parts]
    image = np.concatenate([a["image"] for a in arrays])[..., 0]
    label = np.concatenate([a["label"] for a in arrays]).astype(np.uint8)
    train = np.tile(np.arange(1200), times)
    for name, rows in (("train", train), ("t10k", np.arange(1200, len(label)))):
        both = (("images-idx3", image[rows]), ("labels-idx1", label[rows]))
        for kind, values in both:
            head = (0x0800 + values.ndim).to_bytes(4, "big")
            head += b"".join(n.to_bytes(4, "big") for n in values.shape)
            file = folder / f"{name}-{kind}-ubyte.gz"
            file.write_bytes(gzip.compress(head + values.tobytes(), 1))
    return folder


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_three_seeds_killed_twice_end_with_the_row_of_an_unbroken_run(
    tmp_path,
):
    data = _digits_as_mnist(tmp_path, 1)
    pages, random_lines = {}, sorted(random.sample(range(1, 66), k=2))  # of 72
    for name, kills in (("whole", ()), ("broken", random_lines)):
        root = tmp_path / name
        root.mkdir()
        argv = ["lenet_mnist", "--seeds=3", f"--config.data.path={data}"]
        argv += [f"--workdir={root / 'work'}", f"--root={root}"]
        for lines in kills:
            _start_and_kill(argv, root / "work", lines)
        done = _start(*argv)
        assert done.returncode == 0, done.stderr
        page = (root / "RESULTS.md").read_text()
        (pages[name],) = (row for row in page.splitlines() if "](#lenet_mnist)" in row)
        pages[f"{name} evidence"] = _evidence(root / "results" / "lenet_mnist.json")
    assert " ± " in pages["whole"]
    assert pages["whole"] == pages["broken"]
    assert pages["whole evidence"] == pages["broken evidence"]
    file = root / "results" / "lenet_mnist.json"
    assert str(data) not in file.read_text()
    before = file.read_text()
    done = _start(*argv)  # trains, tests and changes nothing more
    assert done.returncode == 0, done.stderr
    assert file.read_text() == before
    again = _start(f"--rerun={file}", "--steps=12", f"--config.data.path={data}")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "equal: 12 steps of lenet_mnist, seed 0" in again.stdout


def test_a_budget_too_short_is_one_sentence_and_the_run_goes_on(
    tmp_path,
):
    data = _digits_as_mnist(tmp_path, 40)  # an epoch takes many seconds
    argv = ["lenet_mnist", "--seeds=1", "--budget=1s", f"--root={tmp_path}"]
    argv += [f"--config.data.path={data}", f"--workdir={tmp_path / 'work'}"]
    done = _start(*argv)
    assert done.returncode == 2, done.stdout
    sentence = done.stderr.splitlines()[-1]
    assert sentence.startswith(
        "error: the time was too short for one evaluation: seed 0 is at step "
    )
    assert sentence.endswith(
        "nothing can be said of it; raise --budget, the same command goes on from there"
    )
    assert (tmp_path / "work" / "seed_0" / "checkpoints").is_dir()
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (
            ["lenet_mnist"],
            "this data needs a folder with MNIST-format files "
            "(train-images-idx3-ubyte.gz and so on), got none; set config.data.path",
        ),
        (
            ["resnet18_finetune"],
            "configs/resnet18_finetune.py claims no result; scripts/reproduce.py "
            "--list shows those that do, scripts/train.py trains this one",
        ),
        (
            ["lenet_mnist", "--config.train.epochs=2"],
            "a result is reproduced with its config as it is, got train.epochs: 20.0 "
            "-> 2.0; train a variation with scripts/train.py",
        ),
        (
            ["--rerun=nowhere.json"],
            "there is no evidence nowhere.json; make it with scripts/reproduce.py "
            "nowhere",
        ),
        (
            ["lenet_mnist", "--check"],
            "say one of: the name of a config, --list, --check, --write, --rerun=FILE",
        ),
        (
            ["lenet_mnist", "--seeds=0"],
            "--seeds must be at least 1, got 0; raise it",
        ),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_a_mistake_is_one_sentence(argv, sentence, tmp_path, capsys, monkeypatch):
    from scripts import reproduce

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        reproduce.main([*argv, f"--root={tmp_path}"])
    assert end.value.code == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"


def test_an_unknown_name_lists_the_known_ones(capsys):
    from scripts import reproduce

    with pytest.raises(SystemExit):
        reproduce.main(["lenet_mnits"])
    known = ", ".join(app.config_names())
    assert capsys.readouterr().err == (
        f"error: there is no config 'lenet_mnits'; use one of {known}\n"
    )


def test_the_list_says_claim_cost_data_and_state(tmp_path, capsys):
    from scripts import reproduce

    reproduce.main(["--list", f"--root={tmp_path}"])
    text = capsys.readouterr().out
    assert "mlp_mnist: 784-512-512-10 perceptron" in text
    for line in (
        "  published  98.40 % test accuracy",
        "  reached    not run",
        "  state      not run",
        "  cost       3 seeds, 2 minutes a seed on 2 CPU cores",
        "  data       idx: this data needs a folder with MNIST-format files",
        "  data       digits: here",
    ):
        assert line in text

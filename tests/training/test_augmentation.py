"""Augmentation in the loop: resume, placement, evaluation, mixed labels, checks."""

import itertools
import os
import pathlib
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest
from PIL import Image

from configs import base
from research.data import image_folder, pipeline
from research.training import experiment, loop, run, settings, tracking
from research.training import state as states
from research.training.programs import Programs
from scripts import app

TINY = (
    "--config=mlp_mnist:quick",
    "--config.data.count=256",
    "--config.data.image_shape=(12,12,3)",
    "--config.data.batch_size=48",  # of 256: batches straddle epochs
    "--config.data.eval_batch_size=64",
    "--config.model.variant=debug",
    "--config.train.steps=12",
    "--config.train.log_every=3",
    "--config.train.eval_every=6",
    "--config.checkpoint.every=2",
    "--config.augment.pad_crop=2",
    "--config.augment.flip=alternating",
    "--config.augment.mixup=0.4",
)


def _config(*more: str):
    config = app.load_config([*TINY, *more])
    settings.check(config)
    return config


def _digests(folder):
    opened = run.open_run(folder, run.read_config(folder), "latest")
    rows = tracking.read(folder / "metrics.jsonl")
    return opened.step, states.digest(opened.state), tracking.digest(rows)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    assert loop.train(_config(), folder, ["train"])["finished"]
    return folder


class _Stopped(Exception):
    pass


@pytest.mark.parametrize("at", [3, pytest.param(7, marks=pytest.mark.slow)])
def test_a_run_that_augments_resumes_bit_for_bit(at, unbroken, tmp_path, monkeypatch):
    train, made = loop.Programs.train, 0

    def dying(self, *args):
        nonlocal made
        if made == at:
            raise _Stopped
        made += 1
        return train(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(loop.Programs, "train", dying)
        with pytest.raises(_Stopped):
            loop.train(_config(), tmp_path, ["train"])
    assert loop.train(_config(), tmp_path, ["train"])["finished"]
    assert _digests(tmp_path) == _digests(unbroken)


@pytest.mark.slow
def test_data_on_the_device_is_augmented_alike(unbroken, tmp_path):
    loop.train(_config("--config.data.placement=device"), tmp_path, ["train"])
    assert _digests(tmp_path) == _digests(unbroken)


@pytest.mark.parametrize(
    "placement", ["device", pytest.param("host", marks=pytest.mark.slow)]
)
def test_several_steps_per_call_augment_alike(placement, unbroken, tmp_path):
    config = _config(
        "--config.train.steps_per_call=3",
        "--config.checkpoint.every=3",
        f"--config.data.placement={placement}",
    )
    loop.train(config, tmp_path, ["train"])
    rows = [tracking.read(f / "metrics.jsonl") for f in (unbroken, tmp_path)]
    for one, other in zip(*rows, strict=True):
        for name in one:
            if not name.startswith("time/"):
                assert one[name] == pytest.approx(other[name], rel=1e-3, abs=1e-5), name


def test_augmentation_changes_training_but_not_evaluation(unbroken, tmp_path):
    plain = ("--config.augment.mixup=0", "--config.augment.pad_crop=0")
    loop.train(_config(*plain, "--config.augment.flip=none"), tmp_path, ["train"])
    assert _digests(tmp_path)[1] != _digests(unbroken)[1]
    data = experiment.open_data(_config(), ("train",))["train"]
    built = [
        experiment.build(c, data.spec, len(data))
        for c in (_config(), _config(*plain, "--config.augment.flip=none"))
    ]
    assert [b.augments for b in built] == [True, False]
    batch = next(pipeline.eval_batches(data, 64))
    one, other = (b.preprocess(batch) for b in built)
    np.testing.assert_array_equal(one["image"], other["image"])
    assert one["label"].ndim == 1


def test_the_whole_step_does_not_depend_on_how_the_batch_was_read():
    data = experiment.open_data(_config(), ("train",))["train"]
    programs = Programs(experiment.build(_config(), data.spec, len(data)))
    whole = programs.experiment.training_batches(data)[5]
    halves = [
        programs.experiment.training_batches(data, pipeline.process_slice(48, p, 2))[5]
        for p in range(2)
    ]
    assert set(whole["epoch"]) == {0, 1}
    joined = jax.tree.map(lambda *x: np.concatenate(x), *halves)
    for name in whole:
        np.testing.assert_array_equal(joined[name], whole[name])
    states = [programs.init(0) for _ in range(2)]
    made = [
        programs.train(s, None, b) for s, b in zip(states, (whole, joined), strict=True)
    ]
    np.testing.assert_array_equal(made[0][1], made[1][1])


def test_metrics_of_mixed_labels_count_the_larger_part(unbroken):
    rows = tracking.read(unbroken / "metrics.jsonl")
    train = [row["train/accuracy"] for row in rows if "train/accuracy" in row]
    assert len(train) == 4 and all(0 <= a <= 1 for a in train)
    assert all(np.isfinite(row.get("train/loss", 0)) for row in rows)


def _train(folder, *more: str):
    """Starts scripts/train.py with one device, as a user does."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("XLA_")}
    mixed = ("--config.augment.cutmix=1.0", "--config.augment.policy=randaugment")
    return subprocess.Popen(
        [
            sys.executable,
            "scripts/train.py",
            f"--workdir={folder}",
            *TINY,
            *mixed,
            *more,
        ],
        cwd=pathlib.Path(__file__).resolve().parents[2],
        env=env | {"JAX_PLATFORMS": "cpu"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_two_processes_augment_and_mix_as_one_does(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = [_train(tmp_path / "one")] + [
        _train(
            tmp_path / "two",
            f"--config.distributed.coordinator=127.0.0.1:{port}",
            "--config.distributed.num_processes=2",
            f"--config.distributed.process_id={number}",
        )
        for number in range(2)
    ]
    try:
        errors = [process.communicate(timeout=240)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    one, two = (tracking.read(tmp_path / n / "metrics.jsonl") for n in ("one", "two"))
    assert len(one) == len(two) == 6
    for wanted, row in zip(one, two, strict=True):
        for name in wanted:
            if not name.startswith("time/"):
                assert row[name] == pytest.approx(wanted[name], rel=1e-4), name


@pytest.fixture
def photographs(tmp_path):
    """A folder of PNG files of different sizes, two classes by colour."""
    rng = np.random.default_rng(0)
    for number in range(24):
        height, width = rng.integers(20, 60, 2)
        pixels = rng.integers(0, 120, (height, width, 3), np.uint8)
        pixels[..., number % 2] += 130
        file = tmp_path / "pictures" / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    return tmp_path / "pictures"


def _folder_config(photographs):
    config = base.get_config()
    config.data.update({"name": "image_folder", "path": str(photographs)})
    config.data.update({"image_size": 16, "batch_size": 8, "eval_batch_size": 8})
    config.data.holdout, config.model.variant = 0.34, "debug"
    config.augment.random_resized_crop = (0.2, 1.0)
    config.train.steps, config.train.log_every = 6, 2
    return config


def test_pictures_of_varying_size_are_cropped_from_the_whole(
    photographs, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = _folder_config(photographs)
    data = experiment.open_data(config, ("train", "validation"))
    assert data["train"].spec.varies and not data["validation"].spec.varies
    built = experiment.build(config, data["train"].spec, len(data["train"]))
    batches = built.training_batches(data["train"])
    first = batches[0]
    part = image_folder.load("train", str(photographs), image_size=16)
    whole = part.gather(data["train"].indices[first["example"]])
    assert (first["image"] != whole["image"]).any((1, 2, 3)).mean() > 0.8
    np.testing.assert_array_equal(first["label"], whole["label"])
    again = list(itertools.islice(batches.iterate(0), 3))
    np.testing.assert_array_equal(again[0]["image"], first["image"])
    # Without it the decoded pictures are kept.
    config.augment.random_resized_crop = ()
    assert not experiment.open_data(config, ("train",))["train"].spec.varies


@pytest.mark.slow
def test_a_run_on_pictures_of_varying_size_trains_and_resumes(
    photographs, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = _folder_config(photographs)
    settings.check(config)
    for name in ("one", "two"):
        assert loop.train(config, tmp_path / name, ["train"])["finished"]
    assert _digests(tmp_path / "one") == _digests(tmp_path / "two")
    opened = run.open_run(tmp_path / "one", run.read_config(tmp_path / "one"))
    assert opened.programs.experiment.spec.varies


@pytest.mark.parametrize(
    "setting, message",
    [
        (
            "flip=randm",
            "unknown config.augment.flip 'randm'; did you mean 'random'? use one of "
            "none, random, alternating",
        ),
        (
            "policy=trivial",
            "unknown config.augment.policy 'trivial'; use one of none, randaugment, "
            "autoaugment_cifar10",
        ),
        (
            "magnitude=31",
            "config.augment.magnitude must be in 0.0..30, got 31.0; correct it in the "
            "config or on the command line",
        ),
        (
            "erase=1.5",
            "config.augment.erase must be in 0.0..1.0, got 1.5; correct it in the "
            "config or on the command line",
        ),
        (
            "jitter=(0.4,0.4)",
            "config.augment.jitter must hold four numbers of at least 0 (brightness, "
            "contrast, saturation, hue), got (0.4, 0.4); use for example (0.4, 0.4, "
            "0.4, 0.1)",
        ),
    ],
)
def test_bad_values_are_refused_before_anything_is_built(setting, message):
    with pytest.raises(ValueError) as error:
        _config(f"--config.augment.{setting}")
    assert str(error.value) == message

"""What is checked when an experiment is built."""

import math

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from research.training import checkpoint, experiment, settings
from scripts import app


@pytest.mark.parametrize(
    ("config", "changes", "sentence"),
    [
        (
            "ddpm_mnist",
            {"classes": 5},
            "config.model.classes=5 must be at least the data's 10, or 0 to read no "
            "labels; correct it",
        ),
        (
            "dcgan_mnist",
            {"classes": 3},
            "config.model.classes=3 must be at least the data's 10, or 0 to read no "
            "labels; correct it",
        ),
    ],
)
def test_a_network_that_is_given_labels_must_know_them(config, changes, sentence):
    chosen = app.read_config(f"{config}:quick")
    chosen.unlock()
    chosen.model.update(changes)
    examples = experiment.open_data(chosen, ("train",))["train"]
    with pytest.raises(ValueError) as error:
        experiment.build(chosen, examples.spec, len(examples))
    assert str(error.value) == sentence


def test_a_network_that_is_given_labels_needs_some(tmp_path):
    np.savez(tmp_path / "train.npz", image=np.zeros((80, 28, 28, 1), np.uint8))
    chosen = app.load_config(
        [
            "--config=ddpm_mnist",
            "--config.data.name=arrays",
            f"--config.data.path={tmp_path}",
            "--config.data.features=('image',)",
            "--config.schedule.warmup_steps=0",
        ]
    )
    examples = experiment.open_data(chosen, ("train",))["train"]
    with pytest.raises(ValueError) as error:
        experiment.build(chosen, examples.spec, len(examples))
    assert str(error.value) == (
        "config.model.classes=10 needs data with labels, got only image; set it to 0"
    )


def test_pictures_decoded_once_are_the_same_data(tmp_path, monkeypatch):
    """Random crops are cut from the pictures themselves, in training alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for split in ("train", "val", "test"):
        for name in ("cat", "dog"):
            folder = tmp_path / "pictures" / split / name
            folder.mkdir(parents=True)
            Image.new("RGB", (40, 50), "red").save(folder / "1.png")
    config = app.load_config(
        ["--config=resnet18_finetune", f"--config.data.path={tmp_path / 'pictures'}"]
    )
    opened = experiment.open_data(config, ("train", "validation", "test"))
    assert opened["train"].spec.varies and not opened["test"].spec.varies
    assert opened["train"].spec == opened["validation"].spec == opened["test"].spec


def test_a_list_of_one_needs_its_comma():
    """`features=image` would be read letter by letter."""
    argv = ["--config=ddpm_mnist", "--config.data.name=arrays"]
    config = app.load_config([*argv, "--config.data.features=image"])
    with pytest.raises(ValueError) as error:
        experiment.check_data_fields(config)
    assert str(error.value) == (
        "config.data.features must be a tuple, got 'image'; write for example "
        "('image',)"
    )
    config = app.load_config(["--config=mlp_mnist:quick", "--config.model.features=64"])
    examples = experiment.open_data(config, ("train",))["train"]
    with pytest.raises(ValueError) as error:
        experiment.build(config, examples.spec, len(examples))
    assert str(error.value) == (
        "config.model.features must be a tuple, got 64; write for example (64,)"
    )


@pytest.mark.parametrize("key", ["b1", "b2"])
def test_a_moment_must_decay(key):
    """1 - b^t, which Adam divides by, would be 0."""
    with pytest.raises(ValueError) as error:
        settings.check(
            app.load_config(["--config=lenet_digits", f"--config.optimizer.{key}=1.0"])
        )
    assert str(error.value) == (
        f"config.optimizer.{key} must be in 0.0..0.999999, got 1.0; correct it in the "
        "config or on the command line"
    )


def test_what_is_not_a_number_is_never_best(tmp_path):
    scores = {1: 0.5, 2: math.nan, 3: 0.4}
    with checkpoint.Checkpoints(tmp_path, keep=3, metric="score") as saved:
        for step, score in scores.items():
            saved.save(step, {"x": jnp.ones(2)}, {}, {"score": score})
            saved.wait()
        assert saved.steps() == [1, 2, 3] and saved.best_step() == 1

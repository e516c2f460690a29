"""Decoded copies as a data set: what it holds, and that it can be read for training."""

import numpy as np
import pytest

from research.data import arrays
from scripts import augment, train


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    argv = ["--config=autoencoder_mnist:quick", "--config.data.count=256"]
    argv += ["--config.data.batch_size=32", "--config.data.eval_batch_size=64"]
    argv += ["--config.model.code=4", "--config.train.steps=4"]
    train.main([*argv, f"--workdir={folder}"])
    return folder


@pytest.mark.parametrize("kind", ["perturb", "interpolate"])
def test_copies_keep_the_label_of_their_example(trained, kind, tmp_path, capsys):
    argv = [f"--workdir={trained}", f"--to={tmp_path / 'set'}", "--labels=20"]
    augment.main([*argv, "--copies=3", f"--kind={kind}"])
    assert "train.npz: 80 examples" in capsys.readouterr().out
    made = arrays.load("train", str(tmp_path / "set"))
    label = made.arrays["label"]
    assert np.bincount(label).tolist() == [8] * 10
    np.testing.assert_array_equal(label[:20], label[20:40])
    image = made.arrays["image"]
    assert image.shape == (80, 28, 28, 1)
    assert (image[20:40] != image[40:60]).any()
    assert arrays.splits(str(tmp_path / "set")) == ("train", "validation", "test")


def test_without_copies_there_are_the_examples_alone_and_nothing_is_overwritten(
    trained, tmp_path, capsys
):
    argv = [f"--workdir={trained}", f"--to={tmp_path}", "--labels=10", "--copies=0"]
    augment.main(argv)
    assert len(arrays.load("train", str(tmp_path))) == 10
    with pytest.raises(SystemExit) as left:
        augment.main(argv)
    assert left.value.code == 2
    assert capsys.readouterr().err == (
        f"error: --to={tmp_path} holds a data set already, which is not overwritten; "
        "name another folder\n"
    )


def test_mates_are_of_the_same_class():
    label = np.array([0, 1, 0, 1, 0, 2])
    mates = augment._mates(label, np.random.default_rng(0))
    np.testing.assert_array_equal(label[mates], label)
    assert (mates[:5] != np.arange(5)).all() and mates[5] == 5


def test_too_many_labels_are_one_sentence(trained, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        augment.main([f"--workdir={trained}", f"--to={tmp_path}", "--labels=900"])
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: class 0 has ") and error.endswith("ask for fewer\n")


@pytest.mark.parametrize("wrong", ["--seed=-1", "--scale=-0.5", "--scale=nan"])
def test_draws_out_of_range_are_one_sentence(wrong, tmp_path, capsys):
    with pytest.raises(SystemExit) as left:
        augment.main([f"--workdir={tmp_path}", f"--to={tmp_path}", wrong])
    assert left.value.code == 2
    value = wrong.partition("=")[2]
    numbers = f"0.3 and {value}" if "seed" in wrong else f"{value} and 0"
    assert capsys.readouterr().err == (
        f"error: augment needs --scale and --seed of at least 0, got {numbers}; "
        "correct them\n"
    )

"""From a run to draws, changed images and the report's pictures."""

import json

import numpy as np
import pytest
from PIL import Image

from research.prediction import diffusion
from research.training import run
from scripts import predict, sample_quality, train

TINY = (
    "--config=dit_cifar10:quick",  # compiles sooner than a U-Net
    "--config.data.mean=(0.5,)",
    "--config.data.std=(0.5,)",
    "--config.data.count=64",
    "--config.data.image_shape=(8,8,1)",
    "--config.data.batch_size=16",
    "--config.data.eval_batch_size=16",
    "--config.task.steps=4",
    "--config.task.prediction=v",  # an untrained x0 is not cut to -1 and 1
    "--config.train.steps=4",
    "--config.train.eval_every=2",
    "--config.schedule.warmup_steps=1",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    train.main([*TINY, f"--workdir={folder}"])
    return folder


@pytest.mark.slow
def test_draws_are_written_and_follow_their_seed(trained, tmp_path, capsys):
    picture, drawn = tmp_path / "drawn.png", []
    for seed in (0, 0, 1):
        file = tmp_path / f"{len(drawn)}.npz"
        predict.main(
            [f"--workdir={trained}", "--samples=20", f"--picture={picture}"]
            + [f"--to={file}", f"--seed={seed}", "--guidance=2", "--steps=3"]
        )
        with np.load(file) as written:
            assert written["sample"].shape == (20, 8, 8, 1)
            np.testing.assert_array_equal(written["label"], np.arange(20) % 10)
            drawn.append(written["sample"])
    assert capsys.readouterr().out.startswith("drawn: 20\n")
    assert np.array_equal(drawn[0], drawn[1]) and not np.array_equal(*drawn[1:])
    with Image.open(picture) as image:
        assert image.width > 16 * 56


@pytest.mark.slow
def test_a_label_a_strip_and_the_checkpoints(trained, tmp_path, capsys):
    picture = tmp_path / "strip.png"
    argv = [f"--workdir={trained}", "--samples=2", f"--picture={picture}"]
    predict.main([*argv, "--label=7", "--strip", "--json"])
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [row["label"] for row in rows] == ["7", "7"]
    predict.main([*argv, "--over-training", "--sampler=euler"])
    with Image.open(picture) as image:  # a row for each of two checkpoints
        assert image.height == 2 * 60 + 4


def test_a_box_of_an_image_is_drawn_anew(trained, tmp_path, capsys):
    given = np.full((8, 8), 200, np.uint8)
    Image.fromarray(given).save(tmp_path / "a.png")
    argv = [f"--workdir={trained}", str(tmp_path / "a.png"), "--label=1"]
    predict.main([*argv, "--box=0,0,4,8", f"--to={tmp_path / 'made.npz'}"])
    with np.load(tmp_path / "made.npz") as written:
        made = written["sample"][0, :, :, 0]
    assert (made[:, 4:] == 200).all() and (made[:, :4] != 200).any()


def test_the_report_shows_samples_and_ways(trained):
    text = (trained / "report.html").read_text()
    for words in ("Diffusion: validation", "bits per dimension", "On the way"):
        assert words in text
    written = {file.name for file in (trained / "samples").iterdir()}
    assert {"validation_samples.png", "validation_walks.png"} <= written
    assert "validation_denoised.png" in written


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--samples=4", "--steps=0"], "steps must be at least 1, got 0; try 50"),
        (
            ["--samples=4", "--eta=2"],
            "eta must be in 0..1, got 2.0; 0 adds no noise, 1 as much as ancestral "
            "sampling",
        ),
        (
            [],
            "--samples=0 must be at least 1 where no image is given, and --strength "
            "and --box need images; give --samples=64 or an image",
        ),
        (
            ["--samples=1", "--label=ten"],
            "unknown --label=ten; use one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
        ),
        (
            ["x.png", "--strength=0.5", "--samples=4"],
            "--samples=4 draws from noise alone, got images as well; leave one out "
            "(each image is drawn once)",
        ),
        (["x.png", "--strength=0"], "--strength=0.0 must be in 0..1, above 0"),
    ],
)
def test_what_is_not_possible_is_one_sentence(trained, argv, message, capsys):
    with pytest.raises(SystemExit) as left:
        predict.main([f"--workdir={trained}", *argv])
    assert left.value.code == 2
    assert capsys.readouterr().err == f"error: {message}\n"


@pytest.mark.slow
def test_its_draws_are_what_sample_quality_measures(trained):
    opened = run.open_run(trained, run.read_config(trained))
    (made,) = diffusion.draw(opened, 12, 3)
    assert made["image"].shape == (12, 8, 8, 1) and made["image"].dtype == np.uint8
    again = diffusion.images(opened, 12, seed=3)
    np.testing.assert_array_equal(made["image"], again["image"])
    np.testing.assert_array_equal(made["label"], np.arange(12) % 10)
    (short,) = diffusion.draw(opened, 12, 3, steps=2)
    assert (short["image"] != made["image"]).any()


@pytest.mark.slow
def test_each_number_of_steps_is_measured(trained, tmp_path, capsys):
    classifier = tmp_path / "classifier"
    train.main(
        ["--config=mlp_mnist:quick", f"--workdir={classifier}"]
        + ["--config.data.image_shape=(8,8,1)", "--config.data.count=64"]
        + ["--config.data.batch_size=16", "--config.data.eval_batch_size=16"]
        + ["--config.train.steps=2", "--config.train.epochs=0"]
    )
    argv = [f"--workdir={trained}", f"--classifier={classifier}", "--samples=20"]
    sample_quality.main([*argv, "--steps=1,4"])
    stored = json.loads((trained / "evaluation" / "samples.json").read_text())
    assert [row["how"] for row in stored["history"]] == [{"steps": 1}, {"steps": 4}]
    assert 0 <= stored["history"][0]["metrics"]["samples/agreement"] <= 1
    # What was measured before stays, but for what is measured again.
    sample_quality.main([*argv, "--steps=1", "--guidance=2"])
    sample_quality.main([*argv, "--steps=4"])
    again = json.loads((trained / "evaluation" / "samples.json").read_text())
    assert [row["how"] for row in again["history"]] == [
        {"steps": 1},
        {"steps": 1, "guidance": 2},
        {"steps": 4},
    ]
    assert again["history"][2] == stored["history"][1]
    assert "agreement" in (trained / "report.html").read_text()
    for option, message in (
        (
            "--truncation=0.5",
            "--truncation=0.5 is no option of diffusion; leave it out",
        ),
        (
            "--steps=a",
            "--steps must be numbers separated by commas, got 'a'; correct it",
        ),
    ):
        with pytest.raises(SystemExit):
            sample_quality.main([*argv, option])
        assert capsys.readouterr().err.endswith(f"error: {message}\n")


def test_what_makes_no_images_is_not_measured():
    with pytest.raises(ValueError) as error:
        sample_quality._drawing("forecasting")
    assert str(error.value) == (
        "a run of the task forecasting makes no images to measure; use one of "
        "adversarial, diffusion"
    )

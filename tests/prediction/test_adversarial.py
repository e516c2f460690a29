"""From a game to images: grids, walks, mixed styles, films, and their quality."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from research.prediction import adversarial
from research.training import features
from scripts import predict, sample_quality, train

GAME = (
    "--config=gan_mnist:quick",
    "--config.data.count=128",
    "--config.train.steps=8",
    "--config.train.eval_every=4",
)
CLASSIFIER = (
    "--config=mlp_mnist:quick",
    "--config.data.count=128",
    "--config.data.eval_batch_size=64",
    "--config.train.steps=4",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, arguments in (("game", GAME), ("classifier", CLASSIFIER)):
        train.main([*arguments, f"--workdir={folder / name}"])
    return folder


def _refused(main, argv, capsys) -> str:
    with pytest.raises(SystemExit) as end:
        main(argv)
    assert end.value.code == 2
    return capsys.readouterr().err.removeprefix("error: ").strip()


@pytest.mark.slow
def test_images_follow_their_seed_and_their_number(trained, tmp_path, capsys):
    made = []
    for seed, count in ((3, 20), (3, 9), (4, 9)):
        file = tmp_path / "made.npz"
        predict.main(
            [f"--workdir={trained / 'game'}", f"--samples={count}", f"--seed={seed}"]
            + [f"--to={file}", f"--picture={tmp_path / 'made.png'}"]
        )
        with np.load(file) as written:
            made.append(written["sample"])
    assert made[0].shape == (20, 28, 28, 1)
    np.testing.assert_allclose(made[0][:9], made[1], atol=1e-6)
    assert not np.allclose(made[1], made[2])
    assert "made: 20\n" in capsys.readouterr().out
    with Image.open(tmp_path / "made.png") as picture:
        assert picture.width > 9 * 56


@pytest.mark.slow
def test_a_classifier_that_was_trained_on_more_devices_is_opened(trained, tmp_path):
    folder = shutil.copytree(trained / "classifier", tmp_path / "classifier")
    config = json.loads((folder / "config.json").read_text())
    config["mesh"]["fsdp"] = 1000
    (folder / "config.json").write_text(json.dumps(config))
    opened = features.open_classifier(folder, "latest")
    assert (opened.step, opened.programs.mesh.size) == (4, 8)


def test_no_noise_is_left_at_truncation_zero(trained, tmp_path):
    argv = ["--samples=4", "--truncation=0", f"--to={tmp_path / 'a.npz'}"]
    predict.main([f"--workdir={trained / 'game'}", *argv])
    with np.load(tmp_path / "a.npz") as written:
        assert np.ptp(written["sample"], axis=0).max() == 0


def test_a_walk_and_a_film(trained, tmp_path):
    walk, film = tmp_path / "walk.png", tmp_path / "film.gif"
    predict.main(
        [f"--workdir={trained / 'game'}", f"--interpolation={walk}"]
        + [f"--progress={film}", "--samples=1"]
    )
    with Image.open(walk) as picture:
        assert picture.height > 6 * 56
    with Image.open(film) as frames:
        assert frames.n_frames == 2  # steps 4 and 8


def test_an_arc_keeps_the_length_of_its_ends():
    a, b = np.array([2.0, 0, 0]), np.array([0, 2.0, 0])
    way = adversarial.arc(a, b, np.linspace(0, 1, 5))
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 2, rtol=1e-6)
    np.testing.assert_allclose(way[2], [2**0.5, 2**0.5, 0], rtol=1e-6)
    np.testing.assert_allclose(adversarial.arc(a, a, np.array([0.5]))[0], a)


def test_quality_is_stored_and_shown_for_every_checkpoint(trained, capsys):
    folder = trained / "game"
    sample_quality.main(
        [f"--workdir={folder}", f"--classifier={trained / 'classifier'}"]
        + ["--samples=40", "--checkpoint=all", "--json"]
    )
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    stored = json.loads((folder / "evaluation" / "samples.json").read_text())
    assert [each["step"] for each in stored["history"]] == [4, 8]
    assert stored["history"][-1]["metrics"] == printed
    assert sum(stored["made"]) == 40 and len(stored["class_names"]) == 10
    assert printed["samples/classifier_frechet"] > 0
    text = (folder / "report.html").read_text()
    for words in ("Quality of the images", "The same noise over training", "made"):
        assert words in text


def test_what_cannot_be_measured_is_one_sentence(trained, tmp_path, capsys):
    game, classifier = trained / "game", trained / "classifier"
    argv = [f"--workdir={game}", f"--classifier={tmp_path}"]
    assert _refused(sample_quality.main, argv, capsys) == (
        f"--classifier={tmp_path} is no run directory, so that there are no features "
        "to compare images by; train one first: python scripts/train.py "
        f"--config=configs/lenet_modern_mnist.py --workdir={tmp_path}"
    )
    argv = [f"--workdir={game}", f"--classifier={game}"]
    assert _refused(sample_quality.main, argv, capsys) == (
        f"--classifier={game} must be a run of the task classification, got "
        "adversarial; name another"
    )
    argv = [f"--workdir={classifier}", f"--classifier={classifier}"]
    assert _refused(sample_quality.main, argv, capsys).startswith(
        "a run of the task classification makes no images to measure; use one of "
    )


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--samples=0", "--samples=0 must be at least 1; say how many images"),
        (
            "--truncation=2",
            "--truncation=2.0 must be in 0..1; 1 leaves the noise as it is",
        ),
        (
            "--label=3",
            "--label=3 is not one of the 0 classes that the generator was conditioned "
            "on; leave it out",
        ),
        (
            "--mixing=a.png",
            "--mixing needs a generator with styles, such as stylegan2, got GAN; leave "
            "it out",
        ),
        ("--to=made", "--to=made must end in .npz; name such a file"),
        (
            "--progress=film.mp4",
            "--progress=film.mp4 must end in .gif; name such a file",
        ),
        ("a.png", "a generator reads no files, got ['a.png']; leave them out"),
    ],
)
def test_options_out_of_range(option, message, trained, capsys):
    argv = [f"--workdir={trained / 'game'}", option]
    assert _refused(predict.main, argv, capsys) == message

"""From a run to draws, codes and the report's pictures."""

import json

import numpy as np
import pytest
from PIL import Image

from scripts import predict, train

TINY = (
    "--config=vae_mnist:quick",
    "--config.data.count=256",
    "--config.data.batch_size=32",
    "--config.data.eval_batch_size=64",
    "--config.model.latent=3",
    "--config.train.steps=8",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    train.main([*TINY, f"--workdir={folder}"])
    return folder


def test_draws_are_written_and_follow_their_seed(trained, tmp_path, capsys):
    picture, codes = tmp_path / "drawn.png", []
    for seed in (0, 0, 1):
        file = tmp_path / f"{len(codes)}.npz"
        predict.main(
            [f"--workdir={trained}", "--samples=20", f"--picture={picture}"]
            + [f"--to={file}", f"--draw-seed={seed}"]
        )
        with np.load(file) as written:
            assert written["sample"].shape == (20, 28, 28, 1)
            codes.append(written["code"])
    assert capsys.readouterr().out.startswith("drawn: 20\n")
    assert np.array_equal(codes[0], codes[1]) and not np.array_equal(*codes[1:])
    with Image.open(picture) as drawn:
        assert drawn.width > 16 * 56


def test_a_file_has_a_code_and_a_verdict(trained, tmp_path, capsys):
    np.savez(tmp_path / "a.npz", image=np.zeros((2, 28, 28, 1), np.uint8))
    argv = [f"--workdir={trained}", str(tmp_path / "a.npz"), "--quantile=0.9", "--json"]
    predict.main(argv)
    rows = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [len(row["code"]) for row in rows] == [3, 3]
    assert rows[0]["verdict"] in ("normal", "anomaly")


def test_the_report_shows_bound_draws_and_walks(trained):
    text = (trained / "report.html").read_text()
    for words in ("Latent variables: validation", "-log p(x), estimated", "draws from"):
        assert words in text
    written = {file.name for file in (trained / "samples").iterdir()}
    assert {"validation_prior.png", "validation_traversals.png"} <= written


def test_draws_and_files_together_are_one_sentence(trained, capsys):
    with pytest.raises(SystemExit) as left:
        predict.main([f"--workdir={trained}", "--samples=3", "x.png"])
    assert left.value.code == 2
    assert capsys.readouterr().err == (
        "error: --samples=3 draws that many examples, >= 1, and takes no files, got "
        "['x.png']; give one or the other\n"
    )
    with pytest.raises(SystemExit):
        predict.main([f"--workdir={trained}", "--samples=3", "--draw-seed=-1"])
    assert capsys.readouterr().err == (
        "error: --draw-seed must be at least 0, got -1; raise it\n"
    )

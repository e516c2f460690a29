"""From a run to codes, reconstructions and verdicts of a user's files."""

import json

import numpy as np
import pytest
from PIL import Image

from research.training import settings
from scripts import app, predict, train

TINY = (
    "--config=autoencoder_mnist:quick",
    "--config.data.count=256",
    "--config.data.batch_size=32",
    "--config.data.eval_batch_size=64",
    "--config.model.code=4",
    "--config.train.steps=8",
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    settings.check(app.load_config([*TINY]))
    train.main([*TINY, f"--workdir={folder}"])
    return folder


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (5, 28, 28, 1), np.uint8)


def _answer(capsys, *argv):
    predict.main([*map(str, argv), "--json"])
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_images_and_arrays_give_the_same(trained, pixels, tmp_path, capsys):
    for number, image in enumerate(pixels):
        Image.fromarray(image[..., 0]).save(tmp_path / f"{number}.png")
    np.savez(tmp_path / "all.npz", image=pixels)
    to, picture = tmp_path / "codes.npz", tmp_path / "answer.png"
    run = f"--workdir={trained}"
    rows = _answer(capsys, run, *sorted(tmp_path.glob("?.png")), f"--picture={picture}")
    again = _answer(capsys, run, tmp_path / "all.npz", f"--to={to}", "--quantile=0.5")
    assert [row["input"] for row in again] == [
        f"{tmp_path / 'all.npz'}:{n}" for n in range(5)
    ]
    for a, b in zip(rows, again, strict=True):
        assert a["error"] == pytest.approx(b["error"], rel=1e-5) and len(a["code"]) == 4
        assert "verdict" not in a and b["verdict"] in ("normal", "anomaly")
    written = np.load(to)
    assert written["reconstruction"].shape == pixels.shape
    x = pixels.astype(np.float32) / 255
    errors = ((written["reconstruction"] - x) ** 2).reshape(5, -1).sum(1)
    np.testing.assert_allclose(written["error"], errors, rtol=1e-4)
    with Image.open(picture) as drawn:
        assert drawn.height > 100


def test_the_report_shows_pictures_map_and_pca(trained):
    text = (trained / "report.html").read_text()
    for words in (
        "Reconstructions: validation",
        "plane of largest",
        "PCA, 4 components",
    ):
        assert words in text
    assert (trained / "samples" / "validation_reconstructions.png").exists()


def test_a_single_example_has_an_error(trained, pixels, tmp_path, capsys):
    np.savez(tmp_path / "one.npz", image=pixels[:1])
    (row,) = _answer(capsys, f"--workdir={trained}", tmp_path / "one.npz")
    assert np.isfinite(row["error"])


@pytest.mark.parametrize(
    ("name", "arrays", "options", "message"),
    [
        (
            "a.npz",
            dict(x=1),
            [],
            "has no array 'image', which the run reads; it has: x",
        ),
        (
            "a.npz",
            dict(image=np.zeros((2, 8, 8, 1), np.uint8)),
            [],
            "must hold examples (28, 28, 1) uint8 as the run's data does, got (8, 8, "
            "1) uint8; convert it",
        ),
        ("a.npz", None, [], "; correct its name"),
        (
            "a.npz",
            np.zeros(3),
            [],
            "is not a readable .npz file of numbers (it is not a zip archive); write "
            "it with numpy.savez",
        ),
        (
            "a.npz",
            dict(image=np.zeros((0, 28, 28, 1), np.uint8)),
            [],
            "holds no examples; add some",
        ),
        (
            "a.npz",
            dict(image=np.zeros((1, 28, 28, 1), np.uint8)),
            ["--to=codes.csv"],
            "--to=codes.csv must end in .npz; name such a file",
        ),
    ],
)
def test_a_mistake_is_one_sentence(
    trained, name, arrays, options, message, tmp_path, capsys
):
    if isinstance(arrays, dict):
        np.savez(tmp_path / name, **arrays)
    elif arrays is not None:
        with open(tmp_path / name, "wb") as file:
            np.save(file, arrays)
    with pytest.raises(SystemExit) as left:
        predict.main([f"--workdir={trained}", str(tmp_path / name), *options])
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert error.rstrip("\n").endswith(message) and error.count("\n") == 1


@pytest.fixture(scope="module")
def on_windows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "series"
    argv = ["--config=anomaly_series:quick", "--config.data.count=600"]
    argv += ["--config.data.eval_batch_size=64", f"--workdir={folder}"]
    train.main([*argv, "--config.train.steps=60"])
    return folder


def _write_series(file, values):
    lines = ["a,b"] + [f"{a},{b}" for a, b in values]
    file.write_text("\n".join(lines) + "\n")


@pytest.mark.slow
def test_a_series_has_an_error_and_a_verdict_per_row(on_windows, tmp_path, capsys):
    from research.data import synthetic_series

    values, _ = synthetic_series.series(150)
    values[70:90] = 6.0
    _write_series(tmp_path / "s.csv", values[:110])  # before the series' own anomalies
    picture = tmp_path / "s.png"
    run = f"--workdir={on_windows}"
    rows = _answer(capsys, run, tmp_path / "s.csv", f"--picture={picture}")
    assert len(rows) == 110 and rows[0]["input"] == f"{tmp_path / 's.csv'}:1"
    verdicts = [row["verdict"] for row in rows]
    assert set(verdicts[72:88]) == {"anomaly"}
    errors = np.array([row["error"] for row in rows])
    assert errors[75:85].min() > 3 * errors[:30].max() and picture.exists()


@pytest.mark.slow
def test_a_short_series_or_one_with_gaps_is_one_sentence(on_windows, tmp_path, capsys):
    values = np.ones((3, 2))
    _write_series(tmp_path / "short.csv", values)
    values[1, 1] = np.nan
    _write_series(tmp_path / "gap.csv", values)
    for name, words in (
        ("short", "has 3 rows, fewer than a window of 32; bring more"),
        ("gap", "got 'nan' in row 2 below the names; fill it in or remove the row"),
    ):
        with pytest.raises(SystemExit) as left:
            predict.main([f"--workdir={on_windows}", str(tmp_path / f"{name}.csv")])
        assert left.value.code == 2
        error = capsys.readouterr().err
        assert error.rstrip("\n").endswith(words) and error.count("\n") == 1

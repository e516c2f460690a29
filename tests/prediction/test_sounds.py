"""Sound files through a run and through published weights, over time, to a picture."""

import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile
from PIL import Image

from research import weights
from research.data import sounds as sound_files
from research.models import ast
from research.prediction import sounds
from research.reports import sound_sheet
from scripts import predict, train

RATE = 8_000


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    train.main(
        [
            "--config=audio_cnn_fsdd:quick",
            f"--workdir={folder}",
            "--config.train.steps=2",
            "--config.data.count=64",
            "--config.data.eval_batch_size=64",
        ]
    )
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    for name, count in (("long", 5_100), ("short", 1_500)):
        soundfile.write(folder / f"{name}.wav", rng.normal(0, 0.1, count), RATE)
    return folder


def _rows(argv, capsys):
    predict.main([*map(str, argv), "--json"])
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_windows_reach_from_the_beginning_to_the_end():
    assert sounds.window_starts(100, 40, 20).tolist() == [0, 20, 40, 60]
    assert sounds.window_starts(105, 40, 20).tolist() == [0, 20, 40, 60, 65]
    assert sounds.window_starts(40, 40, 20).tolist() == [0]
    assert sounds.window_starts(10, 40, 20).tolist() == [0]


@pytest.mark.slow
def test_a_long_file_is_the_mean_of_its_windows(run, files, tmp_path, capsys):
    long, short = _rows([f"--workdir={run}", files, "--top=10", "--hop=0.125"], capsys)
    assert long["seconds"] == pytest.approx(5_100 / RATE) and short["windows"] == []
    spans = [(w["start"], w["stop"]) for w in long["windows"]]
    assert spans[:2] == [(0, 0.25), (0.125, 0.375)]
    assert spans[-1] == (pytest.approx(3_100 / RATE), pytest.approx(5_100 / RATE))
    samples, _ = soundfile.read(files / "long.wav", dtype="int16")
    parts = []
    for start in (0, 1_000, 2_000, 3_000, 3_100):
        file = tmp_path / f"{start}.wav"
        soundfile.write(file, samples[start : start + 2_000], RATE)
        (row,) = _rows([f"--workdir={run}", file, "--top=10"], capsys)
        parts.append({c["class"]: c["probability"] for c in row["classes"]})
    for found in long["classes"]:
        mean = np.mean([part[found["class"]] for part in parts])
        assert found["probability"] == pytest.approx(mean, abs=1e-5)


def test_lines_and_picture(run, files, tmp_path, capsys):
    picture = tmp_path / "answer.png"
    predict.main([f"--workdir={run}", str(files), f"--picture={picture}"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines if line[0] != " "] == [
        str(files / "long.wav"),
        str(files / "short.wav"),
        "picture",
    ]
    assert re.fullmatch(r"  0\.00-0\.25 s: \d \d+\.\d%", lines[1])
    with Image.open(picture) as drawn:
        colours = {c for _, c in drawn.convert("RGB").getcolors(2**24)}
    assert (57, 106, 177) in colours, "no probability is drawn"
    assert len(colours) > 500, "no spectrogram is drawn"


def test_notes_are_passed_on(run, tmp_path, capsys):
    file = tmp_path / "stereo.wav"
    soundfile.write(file, np.random.default_rng(0).normal(0, 0.1, (4_000, 2)), 16_000)
    (row,) = _rows([f"--workdir={run}", file], capsys)
    assert row["notes"] == [
        f"{file} has 2 channels, which are averaged",
        f"{file} is resampled from 16000 to 8000 Hz",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--hop=0"],
            "--hop must be at least one sample, 1/8000 s, got 0.0 s; use for example "
            "0.125",
        ),
        (["--top=0"], "--top must be at least 1, got 0; use 5"),
    ],
)
def test_wrong_options_are_one_sentence(run, files, arguments, message, capsys):
    with pytest.raises(SystemExit) as error:
        predict.main([f"--workdir={run}", str(files), *arguments])
    assert error.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_published_weights_hear_what_the_model_computes(tmp_path, files, capsys):
    model = ast.build("debug", num_classes=3, dropout=0.0)
    x = jnp.zeros((1, 3_000))
    variables = jax.jit(lambda: model.init(jax.random.key(0), x, train=False))()
    names = ("rain", "wind", "bell")
    weights.export(model, variables, tmp_path / "net", "huggingface", class_names=names)
    (row,) = _rows([f"--weights={tmp_path}/net", files / "short.wav"], capsys)
    assert row["notes"] == [f"{files}/short.wav is resampled from 8000 to 16000 Hz"]
    heard = sound_files.read(files / "short.wav", 16_000).samples
    audio = jnp.asarray(sound_files.to_int16(heard)[None] / np.float32(2**15))
    logits = model.apply(variables, audio, train=False)[0]
    expected = dict(zip(names, np.asarray(jax.nn.softmax(logits)), strict=True))
    for found in row["classes"]:
        assert found["probability"] == pytest.approx(expected[found["class"]], abs=1e-5)


def test_a_curve_averages_the_windows_over_each_moment():
    panel = sound_sheet.Panel(
        title="",
        picture=np.zeros((1, 1, 3), np.uint8),
        seconds=3.0,
        names=("a",),
        probability=np.array([[0.2], [0.6]]),
        starts=np.array([0.0, 1.0]),
        window=2.0,
    )
    np.testing.assert_allclose(sound_sheet.curve(panel, 3)[:, 0], [0.2, 0.4, 0.6])

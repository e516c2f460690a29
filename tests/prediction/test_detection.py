"""Objects in image files: rows, pictures, COCO's JSON, sentences."""

import argparse
import json
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from research import weights
from research.data import coco, source
from research.models import retinanet
from research.prediction import detection


def _opened():
    """Stands for a run that finds a box over the left half of every picture."""
    experiment = SimpleNamespace(
        task=SimpleNamespace(threshold=0.5),
        spec=source.Spec({"image": source.Feature((32, 64, 3), "uint8")}, ("a", "b")),
        config=SimpleNamespace(data=SimpleNamespace(eval_batch_size=2)),
    )

    def predict(state, batch):
        assert batch["image"].shape == (2, 32, 64, 3)
        height, width = batch["size"].T.astype(np.float32)
        zero = np.zeros_like(width)
        half = np.stack([zero, zero, width / 2, height], axis=-1)
        return {
            "boxes": np.stack([half, half / 2], axis=1),
            "scores": np.array([[0.9, 0.4]] * 2, np.float32),
            "labels": np.array([[1, 0]] * 2),
        }

    programs = SimpleNamespace(experiment=experiment, predict=predict)
    return SimpleNamespace(programs=programs, state=None)


def _options(inputs, **fields):
    parser = argparse.ArgumentParser()
    detection.add_arguments(parser)
    options = parser.parse_args([])
    options.inputs = list(map(str, inputs))
    vars(options).update(fields)
    return options


def _rows(inputs, **fields):
    return list(detection.of_run(_opened(), _options(inputs, **fields)))


@pytest.fixture
def files(tmp_path):
    for name, size in (("x", (80, 40)), ("y", (20, 60)), ("z", (64, 32))):
        Image.new("RGB", size, "white").save(tmp_path / f"{name}.png")
    return [tmp_path / f"{name}.png" for name in "xyz"]


def test_boxes_are_in_each_files_pixels(files, capsys):
    rows = _rows(files)
    assert [(r["width"], r["height"]) for r in rows] == [(80, 40), (20, 60), (64, 32)]
    first = {"class": "b", "score": pytest.approx(0.9), "box": [0, 0, 40, 40]}
    assert rows[0]["objects"] == [first]
    assert rows[1]["objects"][0]["box"] == [0, 0, 10, 60]
    detection.show(rows, _options(files))
    told = capsys.readouterr().out.splitlines()
    assert told[0] == f"{files[0]}: b 1  (highest score 90.0%)"
    assert len(_rows(files, threshold=0.3)[0]["objects"]) == 2
    assert _rows(files, threshold=0.95)[2]["objects"] == []


def test_pictures_and_json_that_is_a_data_set(files, tmp_path):
    target = tmp_path / "data" / "annotations" / "instances_val.json"
    target.parent.mkdir(parents=True)
    drawn = tmp_path / "drawn"
    _rows(files, to=str(target), pictures=str(drawn))
    assert sorted(f.name for f in drawn.iterdir()) == ["x.png", "y.png", "z.png"]
    with Image.open(drawn / "x.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (40, 80, 3)
    assert (pixels[30, 40] != 255).any(), "the box's right side"
    assert (pixels[30, 60] == 255).all(), "what lies outside"
    told = json.loads(target.read_text())
    assert told["annotations"][0]["score"] == pytest.approx(0.9)
    read = coco.load("validation", tmp_path / "data", image_size=(40, 80), max_boxes=1)
    batch = read.gather(np.array([0]))
    np.testing.assert_allclose(batch["boxes"][0, 0], [0, 0, 40, 40])
    assert batch["labels"][0, 0] == 1


def test_published_weights_find_what_the_task_decodes(files, tmp_path, monkeypatch):
    monkeypatch.setattr(detection, "_SHORTER", 64)
    model = retinanet.build("debug")
    init = jax.jit(lambda key, x: model.init(key, x, train=False))
    variables = init(jax.random.key(0), jnp.zeros((1, 64, 64, 3)))
    bias = variables["params"]["class_head"]["out"]["bias"]
    variables["params"]["class_head"]["out"]["bias"] = bias + 5  # so that some are sure
    file = tmp_path / "retinanet.safetensors"
    weights.export(model, variables, file, format="torchvision", image_size=64)
    options = _options(files[:1], weights=str(file), threshold=0.3)
    (row,) = detection.of_weights(options)
    assert row["objects"] and {f["class"] for f in row["objects"]} <= {"0", "1", "2"}
    for found in row["objects"]:
        left, top, right, bottom = found["box"]
        assert 0 <= left < right <= 80 and 0 <= top < bottom <= 40
        assert found["score"] >= 0.3
    assert detection._published_shape(480, 640, 1) == (64, 85)
    assert detection._published_shape(480, 640, 32) == (64, 96)
    assert detection._published_shape(100, 10_000, 1) == (13, 1333)


WRONG = {
    "predict needs image files or folders of them, got none": ([], {}),
    "--threshold must be in 0..1, got 2.0; use 0.3": (["x.png"], {"threshold": 2.0}),
    "--to=found.txt must end in .json; name a JSON file": (
        ["x.png"],
        {"to": "found.txt"},
    ),
}


@pytest.mark.parametrize("message", WRONG)
def test_a_mistake_is_one_sentence(message):
    inputs, fields = WRONG[message]
    with pytest.raises(ValueError) as error:
        _rows(inputs, **fields)
    assert str(error.value) == message


def test_a_file_is_not_overwritten(files):
    with pytest.raises(ValueError) as error:
        _rows(files, pictures=str(files[0].parent))
    assert str(error.value) == (
        f"--pictures={files[0].parent} would overwrite {files[0]}; name another folder"
    )

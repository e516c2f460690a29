"""Our own form of weights: whose prediction its networks serve."""

import pathlib

import jax
import jax.numpy as jnp
import pytest

from research import lookup, prediction, weights
from research.prediction import detection
from research.weights import own, published
from scripts import predict


def _exported(folder, name, variant="debug", **fields):
    model = lookup.module("models", name).build(variant, **fields)
    text, image = jnp.zeros((1, 1), jnp.int32), jnp.zeros((1, 64, 64, 3))
    inputs = {"transformer": (text, text), "centernet": (image,), "detr": (image,)}
    inputs = inputs.get(name, (text,))
    drawn = jax.eval_shape(lambda: model.init(jax.random.key(0), *inputs, train=False))
    variables = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), drawn)
    weights.export(model, variables, folder)
    return folder


@pytest.mark.parametrize(
    ("task", "name", "fields"),
    [
        ("language_modeling", "gpt", {}),
        ("language_modeling", "rnn", {}),
        ("classification", "rnn", dict(variant="debug_classifier")),
        ("masked_language_modeling", "bert", dict(num_classes=0)),
        ("text_classification", "bert", dict(num_classes=2)),
        ("translation", "transformer", {}),
    ],
)
def test_a_network_serves_the_task_that_it_is_made_for(task, name, fields, tmp_path):
    folder = _exported(tmp_path / "net", name, **fields)
    assert weights.task(folder) == task
    found = weights.describe(folder)
    assert (found.form.publisher, found.architecture) == ("menagerie", name)
    model, _ = weights.load(folder)
    assert own.fields(model) == own.fields(
        lookup.module("models", name).build(fields.pop("variant", "debug"), **fields)
    )


@pytest.mark.parametrize(("name", "multiple"), [("centernet", 32), ("detr", 1)])
def test_a_detector_gets_images_that_it_can_halve(name, multiple, tmp_path):
    folder = _exported(tmp_path / "net", name)
    assert weights.task(folder) == "detection"
    assert detection.published_detector(str(folder)).multiple == multiple


def test_every_architecture_has_a_task_that_predicts():
    folder = pathlib.Path(prediction.__file__).parent
    known = {file.stem for file in folder.glob("*.py")}
    forms = [form for form in published.FORMATS if form.publisher == "menagerie"]
    assert {form.architecture for form in forms} == set(lookup.names("models"))
    assert {form.task for form in forms} <= known


def test_a_network_that_answers_in_a_run_only_is_told(tmp_path, capsys):
    folder = _exported(tmp_path / "net", "transformer")
    with pytest.raises(SystemExit) as left:
        predict.main([f"--weights={folder}", "Guten Tag."])
    assert left.value.code == 2
    assert capsys.readouterr().err == (
        f"error: --weights={folder} holds a network for translation, which answers as "
        "part of a run only; give the --workdir of one\n"
    )

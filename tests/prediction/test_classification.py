"""Photographs through published weights and through a run, to classes and a picture."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from research import weights
from research.models import gpt, resnet, vit
from research.prediction import classification
from scripts import predict

NAMES = ("tabby cat", "espresso", "sail boat", "lighthouse")
RULE = weights.Preprocessing(
    resize=40,
    interpolation="bicubic",
    crop=(32, 32),
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Five pictures of other sizes and kinds."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number, size in enumerate([(60, 40), (40, 90), (32, 32), (100, 100)]):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    Image.fromarray(pixels[:, :, 0]).save(folder / "grey.jpg")
    return folder


@pytest.fixture(
    scope="module", params=["resnet", pytest.param("vit", marks=pytest.mark.slow)]
)
def published(request, tmp_path_factory):
    """(model, variables, folder as a publisher would give it out)"""
    if request.param == "resnet":
        # A form that is published, at a size that a test can run.
        small = dict(stage_sizes=(1, 1, 1, 1), features=(32, 32, 64, 64))
        model = resnet.build("50", stem_features=8, num_classes=4, **small)
    else:
        model = vit.build("debug", num_classes=4, dropout=0.0)
    shape = jnp.zeros((1, 32, 32, 3))
    variables = jax.jit(lambda: model.init(jax.random.key(0), shape, train=False))()
    head = variables["params"]["head"]
    drawn = jax.random.normal(jax.random.key(1), head["kernel"].shape)
    variables["params"]["head"] = {**head, "kernel": drawn}
    folder = tmp_path_factory.mktemp("weights") / request.param
    rule = dict(preprocessing=RULE, class_names=NAMES, image_size=32)
    weights.export(model, variables, folder, "huggingface", **rule)
    return model, variables, folder


def test_files_are_prepared_as_published_and_classified(published, photos):
    model, variables, folder = published
    classifier = classification.published_classifier(str(folder))
    files = sorted(photos.iterdir())
    reached = np.stack(list(classifier(files)))
    images = jnp.stack([RULE(Image.open(file)) for file in files])
    logits = model.apply(variables, images, train=False)
    np.testing.assert_allclose(reached, jax.nn.softmax(logits), atol=1e-5)
    assert classifier.class_names == NAMES


def test_the_script_names_a_folder_of_photographs(published, photos, tmp_path, capsys):
    _, _, folder = published
    picture = tmp_path / "answer.png"
    argv = [f"--weights={folder}", str(photos), "--top=2", f"--picture={picture}"]
    predict.main(argv)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6 and lines[-1] == f"picture: {picture}"
    assert all(sum(name in line for name in NAMES) == 2 for line in lines[:-1])
    with Image.open(picture) as drawn:
        colours = drawn.convert("RGB").getcolors(2**24)
    assert (57, 106, 177) in {colour for _, colour in colours}, "no bar is drawn"
    predict.main([*argv[:2], "--json"])
    rows = json.loads(capsys.readouterr().out)
    for row in rows:
        assert sum(each["probability"] for each in row["classes"]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["--weights=resnet51", "x.png"],
            "error: unknown published weights 'resnet51'; did you mean 'resnet50'? use "
            "one of ",
        ),
        (
            ["--weights=resnet50", "x.png", "--config.seed=1"],
            "error: --weights takes no config, got --config.seed=1; leave it out",
        ),
        (["--weights=resnet50", "x.png", "--top=0"], "error: --top must be at least 1"),
    ],
)
def test_mistakes_are_one_sentence(argv, message, capsys):
    with pytest.raises(SystemExit) as left:
        predict.main(argv)
    assert left.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(message) and error.count("\n") == 1


def test_weights_that_classify_no_images_are_refused(tmp_path):
    texts = gpt.build("debug")
    trunk = resnet.build("debug", num_classes=0)
    for name, model, x in (
        ("gpt", texts, jnp.zeros((1, 1), jnp.int32)),
        ("trunk", trunk, jnp.zeros((1, 32, 32, 3))),
    ):
        drawn = jax.eval_shape(
            lambda model=model, x=x: model.init(jax.random.key(0), x, train=False)
        )
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), drawn)
        size = None if name == "gpt" else 32
        weights.export(model, zeros, tmp_path / name, image_size=size)
        with pytest.raises(ValueError) as error:
            classification.published_classifier(str(tmp_path / name))
        sentence = (
            "a gpt that reads no images; apply it with research.weights.load"
            if name == "gpt"
            else f"no classifier; train one with --config.init.weights={tmp_path}/trunk"
        )
        assert str(error.value) == f"{tmp_path}/{name} holds {sentence}"

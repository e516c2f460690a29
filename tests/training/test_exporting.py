"""Exported programs give the run's own outputs, for any batch, and need no more."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest

from configs import base
from research import lookup
from research.data import source, synthetic
from research.training import experiment, exporting, run
from research.training.programs import Programs
from scripts import app

SIZES = {"lenet": (32, 1), "alexnet": (64, 3)}


def _opened(model, folder):
    """A run of the debug variant as it would be restored, before any training."""
    config = base.get_config()
    config.model.name = model
    side, channels = SIZES.get(model, (32, 3))
    config.data.batch_size = config.data.eval_batch_size = 8
    image = source.Feature((side, side, channels), "uint8")
    spec = source.Spec(
        {"image": image, "label": source.Feature((), "int32")}, tuple("0123456789")
    )
    programs = Programs(experiment.build(config, spec, 100))
    return run.Run(folder, programs, programs.init(0), 7, "latest")


# Those with operations of their own; the others are slow.
TRIED = ("lenet", "vit")


@pytest.mark.parametrize(
    "model",
    [
        name if name in TRIED else pytest.param(name, marks=pytest.mark.slow)
        for name in lookup.names("models")
    ],
)
def test_outputs_are_equal_for_several_batches(model, tmp_path):
    opened = _opened(model, tmp_path)
    about = exporting.write(opened, tmp_path / "out", ("cpu",))
    for batch in (1, 5):
        difference = exporting.largest_difference(opened, tmp_path / "out", batch)
        assert difference < 1e-6
    assert about["outputs"] == ["probability"]
    assert json.loads((tmp_path / "out" / "about.json").read_text()) == about


def test_the_loader_runs_alone(tmp_path):
    opened = _opened("mlp", tmp_path)
    exporting.write(opened, tmp_path / "out", ("cpu", "tpu"))
    code = (
        "import sys, numpy as np\n"
        "from load import load\n"
        "images = np.arange(2 * 32 * 32 * 3).reshape(2, 32, 32, 3) % 256\n"
        "print(load('.')(image=images.astype('uint8'))['probability'].sum())\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('research', 'flax')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path / "out",
        capture_output=True,
        text=True,
    )
    total, modules = done.stdout.splitlines()
    assert np.isclose(float(total), 2, atol=1e-5), done.stderr
    assert modules == "[]"


def test_a_folder_in_use_is_refused_and_kept(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(ValueError) as error:
        exporting.write(_opened("mlp", tmp_path), tmp_path / "out", ("cpu",))
    assert str(error.value) == (
        f"{tmp_path / 'out'} is in use; choose a folder that does not exist"
    )
    assert [f.name for f in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (
            "vae_mnist",
            "export writes predictions that follow from the input alone, but those of "
            "the task 'variational' hold random draws; use scripts/predict.py",
        ),
        (
            "ddpm_mnist",
            "export writes networks that read one feature, such as classifiers, but "
            "the task 'diffusion' also reads 'label'; use scripts/predict.py",
        ),
    ],
)
def test_predictions_that_need_more_than_an_input_are_refused(
    config, sentence, tmp_path
):
    chosen = app.read_config(f"{config}:quick")
    spec = synthetic.load("test", count=4).spec
    programs = Programs(experiment.build(chosen, spec, 5000))
    state = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), programs.abstract_state)
    opened = run.Run(tmp_path, programs, state, 7, "latest")
    with pytest.raises(ValueError) as error:
        exporting.write(opened, tmp_path / "out", ("cpu",))
    assert str(error.value) == sentence
    assert not (tmp_path / "out").exists()


def test_an_unknown_platform_is_refused(tmp_path):
    with pytest.raises(ValueError) as error:
        exporting.write(_opened("mlp", tmp_path), tmp_path / "out", ("gpu",))
    assert str(error.value) == (
        "unknown platform 'gpu'; use some of cpu, cuda, rocm, tpu"
    )

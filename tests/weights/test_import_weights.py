"""scripts/import_weights.py, as a user starts it."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import weights
from research.models import resnet
from scripts import app


def start(*argv):
    return subprocess.run(
        [sys.executable, str(app.ROOT / "scripts/import_weights.py"), *map(str, argv)],
        capture_output=True,
        text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )


@pytest.fixture
def net(tmp_path):
    model = resnet.build("50", stage_sizes=(1, 1), features=(16, 32), num_classes=7)
    variables = model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)
    weights.export(model, variables, tmp_path / "net.safetensors", "torchvision")
    return model, variables, tmp_path / "net.safetensors"


def test_shown_then_imported_then_exported_byte_by_byte(net, tmp_path):
    _, variables, file = net
    done = start(file)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == f"{file}: torchvision resnet"
    assert "  stage_sizes            (1, 1)" in lines
    assert any(
        line.split()[0] == "params/stage1_block1/conv1/kernel"
        and line.endswith("layer1.0.conv1.weight")
        for line in lines
    )
    count = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    leaves = len(jax.tree.leaves(variables))
    assert lines[-1] == f"{count:,} parameters in {leaves} leaves"
    assert [p.name for p in tmp_path.iterdir()] == ["net.safetensors"]

    done = start(file, f"--to={tmp_path / 'ours'}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(
        f"written: {tmp_path}/ours/model.safetensors\n"
        f"written: {tmp_path}/ours/model.json\n"
    )
    back = tmp_path / "back.safetensors"
    done = start(tmp_path / "ours", f"--to={back}", "--export=torchvision")
    assert done.returncode == 0, done.stderr
    assert back.read_bytes() == file.read_bytes()
    prepared = weights.describe(tmp_path / "ours").preprocessing
    assert prepared == weights.describe(file).preprocessing


def test_a_new_head_is_written(net, tmp_path):
    done = start(net[2], "--num-classes=3", f"--to={tmp_path / 'out'}")
    assert done.returncode == 0, done.stderr
    assert "the model one of 3: it starts anew" in done.stderr
    model, variables = weights.load(tmp_path / "out")
    assert model.num_classes == 3
    kernel = np.asarray(variables["params"]["stem_conv"]["kernel"])
    np.testing.assert_array_equal(kernel, net[1]["params"]["stem_conv"]["kernel"])


@pytest.mark.parametrize(
    "argv, sentence",
    [
        (["nothing.pth"], "error: unknown published weights 'nothing.pth'; use one of"),
        (
            ["resnet50"],
            "error: the weights microsoft/resnet-50 are not here and cannot",
        ),
        (
            ["a/b", "--path=no.pth"],
            "error: there is no weight file no.pth; correct the",
        ),
    ],
)
def test_mistakes_are_one_sentence(argv, sentence):
    done = start(*argv)
    assert done.returncode == 2
    assert done.stderr.startswith(sentence)
    assert len(done.stderr.splitlines()) == 1

"""scripts/import_weights.py: its command line, and once as a user starts it."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import weights
from research.models import resnet
from scripts import app


@pytest.fixture
def start(monkeypatch, capsys):
    """Runs the script's main in this process: (exit code, stdout, stderr)."""
    monkeypatch.setattr(sys, "path", list(sys.path))  # the script sets its first entry
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    from scripts import import_weights

    def run(*argv):
        try:
            import_weights.main([str(each) for each in argv])
            code = 0
        except SystemExit as end:
            code = end.code
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def net(tmp_path):
    model = resnet.build("50", stage_sizes=(1, 1), features=(16, 32), num_classes=7)
    variables = model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)
    weights.export(model, variables, tmp_path / "net.safetensors", "torchvision")
    return model, variables, tmp_path / "net.safetensors"


def test_shown_then_imported_then_exported_byte_by_byte(start, net, tmp_path):
    _, variables, file = net
    code, out, err = start(file)
    assert code == 0, err
    lines = out.splitlines()
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

    code, out, err = start(file, f"--to={tmp_path / 'ours'}")
    assert code == 0, err
    assert out.endswith(
        f"written: {tmp_path}/ours/model.safetensors\n"
        f"written: {tmp_path}/ours/model.json\n"
    )
    back = tmp_path / "back.safetensors"
    code, _, err = start(tmp_path / "ours", f"--to={back}", "--export=torchvision")
    assert code == 0, err
    assert back.read_bytes() == file.read_bytes()
    prepared = weights.describe(tmp_path / "ours").preprocessing
    assert prepared == weights.describe(file).preprocessing


def test_a_new_head_is_written(start, net, tmp_path, caplog):
    code, _, err = start(net[2], "--num-classes=3", f"--to={tmp_path / 'out'}")
    assert code == 0, err
    assert caplog.messages == [
        f"{net[2]} has a head of 7 classes, the model one of 3: it starts anew"
    ]
    model, variables = weights.load(tmp_path / "out")
    assert model.num_classes == 3
    kernel = np.asarray(variables["params"]["stem_conv"]["kernel"])
    np.testing.assert_array_equal(kernel, net[1]["params"]["stem_conv"]["kernel"])


@pytest.mark.parametrize(
    "argv, sentence",
    [
        (
            ["nothing.pth"],
            "error: there is no weight file nothing.pth; correct the path or bring",
        ),
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
def test_mistakes_are_one_sentence(start, argv, sentence):
    code, _, err = start(*argv)
    assert code == 2
    assert err.startswith(sentence)
    assert len(err.splitlines()) == 1


def test_a_damaged_file_as_a_user_meets_it(tmp_path):
    (tmp_path / "net.pth").write_bytes(b"PK\x03\x04")
    script = str(app.ROOT / "scripts" / "import_weights.py")
    done = subprocess.run(
        [sys.executable, script, "net.pth"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "error: net.pth is no readable PyTorch file (File is not a zip file); download "
        "it again, or bring its safetensors form\n"
    )

import json

import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from research.weights import files

TENSORS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.ones((2,), np.float16),
    "c": np.array([1, 2], np.int64),
}


def test_what_is_written_is_read(tmp_path):
    written = files.write(tmp_path / "net", TENSORS, {"config.json": {"x": 1}})
    assert written == [
        tmp_path / "net" / "model.safetensors",
        tmp_path / "net" / "config.json",
    ]
    assert sorted(p.name for p in (tmp_path / "net").iterdir()) == [
        "config.json",
        "model.safetensors",
    ]
    for path in (tmp_path / "net", tmp_path / "net" / "model.safetensors"):
        opened = files.open_weights(path)
        assert opened.configs == {"config.json": {"x": 1}}
        for name, values in TENSORS.items():
            assert opened.tensors[name].shape == values.shape
            np.testing.assert_array_equal(opened.tensors[name].read(), values)
    assert opened.tensors["b"].dtype == "float16"


def test_a_file_of_another_name_stands_alone(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    files.write(tmp_path / "net.safetensors", TENSORS, {}, alone=True)
    assert files.open_weights(tmp_path / "net.safetensors").configs == {}


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "config.json").write_text("mine")
    with pytest.raises(ValueError) as error:
        files.write(tmp_path, TENSORS, {"config.json": {}})
    assert str(error.value) == (
        f"{tmp_path}/config.json is there already and is not overwritten; choose "
        "another place"
    )
    assert [p.name for p in tmp_path.iterdir()] == ["config.json"]
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError) as error:
        files.write(tmp_path / "file", TENSORS, {})
    assert str(error.value) == f"{tmp_path}/file is a file; choose a folder"


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        files.open_weights(tmp_path / "net.pth")
    assert str(error.value) == (
        f"there is no weight file {tmp_path}/net.pth; correct the path or bring the "
        "file there"
    )
    with pytest.raises(FileNotFoundError) as error:
        files.open_weights(tmp_path)
    assert str(error.value) == (
        f"the folder {tmp_path} holds no weights; bring one of model.safetensors, "
        "model.safetensors.index.json, pytorch_model.bin, "
        "pytorch_model.bin.index.json, diffusion_pytorch_model.safetensors, "
        "diffusion_pytorch_model.bin into it"
    )
    (tmp_path / "net.npz").write_bytes(b"")
    with pytest.raises(ValueError) as error:
        files.open_weights(tmp_path / "net.npz")
    assert str(error.value) == (
        "weights are read from .safetensors, .pth, .pt, .bin files and folders of "
        f"them, got {tmp_path}/net.npz; bring one of those"
    )


def test_damaged_safetensors_are_refused(tmp_path):
    path = tmp_path / "net.safetensors"
    safetensors_numpy.save_file(TENSORS, path)
    content = path.read_bytes()
    for end in (0, 4, 40, len(content) - 1):
        path.write_bytes(content[:end])
        with pytest.raises(
            ValueError, match="is no readable safetensors file"
        ) as error:
            files.open_weights(path)
        assert str(error.value).endswith("; download it again")


@pytest.mark.parametrize(
    "content, sentence",
    [
        ("{}", "{index} has no weight_map; download it again"),
        (
            '{"weight_map": {"a": "../secret.bin"}}',
            "{index} names '../secret.bin', which is no file beside it; download it "
            "again",
        ),
        (
            '{"weight_map": {"zz": "part.safetensors"}}',
            "{index} promises 'zz', which none of its files holds; download them again",
        ),
        ("[]", "{index} is no JSON object; bring it again"),
    ],
)
def test_a_wrong_index_is_refused(content, sentence, tmp_path):
    safetensors_numpy.save_file(TENSORS, tmp_path / "part.safetensors")
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(content)
    with pytest.raises(ValueError) as error:
        files.open_weights(tmp_path)
    assert str(error.value) == sentence.format(index=index)


def test_json_that_is_none_is_named(tmp_path):
    safetensors_numpy.save_file(TENSORS, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"a": 1})[:-1])
    with pytest.raises(ValueError) as error:
        files.open_weights(tmp_path)
    assert str(error.value).startswith(f"{tmp_path}/config.json is not JSON (")
    assert str(error.value).endswith("; bring it again")

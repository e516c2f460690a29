import collections
import hashlib
import os
import pickle
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pytest

from research.weights import pickled


class Runs:
    """Pickles as a call of anything."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def write_zip(path, program: bytes, numbers=b"", compression=zipfile.ZIP_STORED):
    """Writes what torch.save writes, around any pickle."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("net/data.pkl", program)
        archive.writestr("net/byteorder", "little")
        archive.writestr("net/data/0", numbers)
        archive.writestr("net/version", "3\n")
    return path


def message(path) -> str:
    with pytest.raises(ValueError) as error:
        for tensor in pickled.read(path).values():
            tensor.read()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.fixture
def state(torch):
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(6, 4, generator=generator)
    return collections.OrderedDict(
        whole=base,
        transposed=base.t(),
        part=base[2:4, 1:],
        parameter=torch.nn.Parameter(base * 2),
        scalar=torch.tensor(3.5),
        empty=torch.zeros(0, 3),
        half=base.half(),
        double=base.double(),
        brain=base.bfloat16(),
        counter=torch.tensor(7),
        flags=base > 0,
        bytes=torch.arange(5, dtype=torch.uint8),
    )


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
def test_every_tensor_is_read_as_pytorch_reads_it(torch, state, zipped, tmp_path):
    path = tmp_path / "net.pth"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    found = pickled.read(path)
    assert list(found) == list(state)
    for name, tensor in state.items():
        values = found[name].read()
        assert found[name].shape == values.shape == tuple(tensor.shape)
        assert found[name].dtype == str(tensor.dtype).removeprefix("torch.")
        assert str(values.dtype) == found[name].dtype
        wanted = tensor.detach().double().numpy()
        np.testing.assert_array_equal(values.astype(np.float64), wanted)


def test_reading_needs_no_pytorch(torch, state, tmp_path):
    torch.save(state, tmp_path / "net.pth")
    code = """
        import pathlib, sys
        sys.modules["torch"] = None  # an import of it would fail
        from research.weights import pickled
        print(len(pickled.read(pathlib.Path(sys.argv[1]))))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "net.pth")],
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"{len(state)}\n", done.stderr


@pytest.mark.parametrize("container", ["zip", "stream"])
@pytest.mark.parametrize(
    "function, named",
    [
        (os.system, "posix.system"),
        (eval, "builtins.eval"),
        (getattr, "builtins.getattr"),
        (subprocess.Popen, "subprocess.Popen"),
        (np.load, "numpy.load"),
    ],
)
def test_a_pickle_that_would_run_code_is_refused(container, function, named, tmp_path):
    trace = tmp_path / "ran"
    program = {"weight": Runs(function, f"touch {trace}")}
    path = tmp_path / "net.pth"
    if container == "zip":
        write_zip(path, pickle.dumps(program, protocol=4))
    else:
        head = (pickled._MAGIC, pickled._PROTOCOL, {"little_endian": True}, program)
        path.write_bytes(b"".join(pickle.dumps(p, protocol=4) for p in head))
    named = named.replace("posix", os.name)
    assert message(path) == (
        f"{path} names {named}, which a file of plain tensors does not need, and was "
        "not run; bring the safetensors file of these weights, or save the state_dict "
        "alone again"
    )
    assert not trace.exists()


def test_a_bare_pickle_that_would_run_code_is_refused(tmp_path):
    trace = tmp_path / "ran"
    path = tmp_path / "net.pth"
    path.write_bytes(pickle.dumps(Runs(os.system, f"touch {trace}")))
    assert f"{os.name}.system" in message(path)
    assert not trace.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"cposix\nsystem\n(S'true'\ntR.",  # GLOBAL, REDUCE
        b"(S'true'\niposix\nsystem\n.",  # INST
        b"(cposix\nsystem\nS'true'\no.",  # OBJ
        b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.",  # STACK_GLOBAL
        b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00true\x85\x81.",  # NEWOBJ
        b"ctorch._utils\n_rebuild_tensor_v2.__globals__\n.",
        b"\x80\x04\x8c\x0ctorch._utils\x8c\x1f_rebuild_tensor_v2.__globals__\x93.",
        b"\x80\x02ccollections\nOrderedDict\n}X\x01\x00\x00\x00aK\x01sb.",  # BUILD
        b"\x80\x02ctorch\nFloatStorage\nX\x01\x00\x00\x00a\x85R.",
        b"\x82\x01.",  # EXT1
        b"\x80\x02(((((((((.",
        b"\x80\x02K\x01r\xff\xff\xff\x7f.",  # a memo that would fill the memory
        b"",
    ],
)
def test_no_opcode_gets_around_the_list_of_names(program, tmp_path):
    path = write_zip(tmp_path / "net.pth", program)
    assert message(path).startswith(f"{path} ")


@pytest.mark.parametrize(
    "storage, arguments",
    [
        (4, (0, (5,), (1,))),  # beyond the storage
        (4, (2, (3,), (1,))),
        (4, (-1, (2,), (1,))),
        (4, (0, (2,), (-1,))),
        (4, (0, (-2,), (1,))),
        (4, (0, (10**9, 10**9), (0, 0))),  # a small storage spread over the memory
        (4, (0, (2, 2), (1,))),
        (10**12, (0, (10**12,), (1,))),  # a storage that the file does not hold
    ],
)
def test_a_tensor_outside_of_its_numbers_is_refused(storage, arguments, tmp_path):
    def pickled_bytes(value):
        return pickle.dumps(value, protocol=2)[2:-1]  # without frame and stop

    # {"a": _rebuild_tensor_v2(storage, offset, size, stride, False, None)}
    program = b"\x80\x02}X\x01\x00\x00\x00actorch._utils\n_rebuild_tensor_v2\n"
    key = b"X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000"
    program += b"((" + key + b"X\x03\x00\x00\x00cpu" + pickled_bytes(storage) + b"tQ"
    program += b"".join(map(pickled_bytes, arguments)) + b"\x89NtRs."
    path = write_zip(tmp_path / "net.pth", program, bytes(16))
    assert message(path).startswith(f"{path} is ")


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "stream"])
def test_truncated_files_are_refused_wherever_they_end(torch, state, zipped, tmp_path):
    path = tmp_path / "net.pth"
    torch.save(state, path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    for end in range(0, len(content) - 1, max(1, len(content) // 60)):
        path.write_bytes(content[:end])
        assert message(path).startswith(f"{path} ")


def test_a_published_stream_is_compared_with_the_digest_in_its_name(
    torch, state, tmp_path
):
    path = tmp_path / "net.pth"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()[:8]
    path = path.rename(tmp_path / f"vgg16-{digest}.pth")
    assert list(pickled.read(path)) == list(state)
    flipped = content[:-1] + bytes([content[-1] ^ 1])  # within the last storage
    path.write_bytes(flipped)
    other = hashlib.sha256(flipped).hexdigest()[:8]
    assert message(path) == (
        f"{path} is damaged or another file: its SHA-256 begins with {other}, not with "
        f"the {digest} of its name; download it again, or rename your own"
    )


def test_flipped_bytes_never_escape_as_another_error(torch, state, tmp_path):
    path = tmp_path / "net.pth"
    torch.save(state, path)
    content = bytearray(path.read_bytes())
    draw = np.random.default_rng(0)
    for _ in range(1000):
        damaged = bytearray(content)
        for place in draw.integers(0, len(content), 3):
            damaged[place] = draw.integers(0, 256)
        path.write_bytes(damaged)
        try:
            for tensor in pickled.read(path).values():
                tensor.read()
        except ValueError as error:
            assert str(error).startswith(f"{path} ")


def test_a_wrong_checksum_is_noticed(torch, tmp_path):
    path = tmp_path / "net.pth"
    torch.save({"a": torch.full((1000,), 2.0)}, path)
    content = bytearray(path.read_bytes())
    place = content.index(np.float32(2).tobytes() * 8)
    content[place + 2] ^= 1
    path.write_bytes(content)
    assert message(path) == (
        f"{path} is damaged (the checksum of net/data/0 is wrong); download it again"
    )


def test_a_compressed_zip_is_refused(tmp_path):
    path = write_zip(tmp_path / "net.pth", b"}.", compression=zipfile.ZIP_DEFLATED)
    assert message(path) == (
        f"{path} holds compressed records, which PyTorch does not write, and was not "
        "read; bring the safetensors file of these weights"
    )


def test_other_zips_and_other_contents_are_refused(torch, tmp_path):
    path = tmp_path / "net.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", "<a/>")
    assert message(path) == (
        f"{path} is a zip without data.pkl, so no file of torch.save; bring a "
        "state_dict saved with torch.save, or its safetensors form"
    )
    torch.save([torch.zeros(2)], path)
    assert message(path) == (
        f"{path} holds no dictionary of tensors at its top; save the state_dict alone "
        "and bring that file"
    )
    torch.save({"state_dict": torch.nn.Linear(2, 2)}, path)
    assert "names torch.nn.modules.linear.Linear" in message(path)


def test_parameters_of_the_oldest_files_are_read(tmp_path):
    """PyTorch 0.1 stored a Parameter with its flags, and tensors without hooks."""
    storage = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000"
    storage += b"X\x03\x00\x00\x00cpuK\x02tQ"
    tensor = (
        b"ctorch._utils\n_rebuild_tensor\n(" + storage + b"K\x00K\x02\x85K\x01\x85tR"
    )
    parameter = b"ctorch.nn.parameter\nParameter\n(" + tensor + b"tR(\x88\x89}tb"
    program = b"\x80\x02ccollections\nOrderedDict\n)RX\x01\x00\x00\x00a"
    program += parameter + b"s."
    numbers = np.array([1, 2], np.float32)
    path = write_zip(tmp_path / "net.pth", program, numbers.tobytes())
    np.testing.assert_array_equal(pickled.read(path)["a"].read(), numbers)

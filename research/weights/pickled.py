"""Reads PyTorch's `.pth` and `.bin` files without PyTorch and without running code.

Two containers are read: the zip of PyTorch >= 1.6, whose records have checksums, and
the stream of pickles before it, which has the one in a published file's name.
`unpickler.py` refuses all that a file of plain tensors does not need.
"""

import hashlib
import io
import pathlib
import pickle
import re
import struct
import zipfile
import zlib

import ml_dtypes
import numpy as np

from research.weights import stored, unpickler

_MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of the stream container
_PROTOCOL = 1001
# What damage to a pickle or container makes the standard library raise.
_DAMAGE = (
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RecursionError,
    struct.error,
    TypeError,
    UnicodeError,
    ValueError,
)
# Names of torchvision's files, which hold the beginning of their SHA-256.
_PUBLISHED = re.compile(
    r"(?:alexnet-owt|(?:vgg|resnet|vit_|retinanet_)\w+)-([0-9a-f]{8})\.pth"
)
# Dictionaries that training scripts wrap the tensors in.
_WRAPPERS = ("state_dict", "model", "model_state_dict")


def read(path: pathlib.Path) -> dict[str, stored.Stored]:
    """Lists the tensors of a `.pth` or `.bin` file.

    A dictionary that wraps them as "state_dict" or "model" is opened.

    Raises:
      ValueError: the file is damaged, no file of tensors, or names anything that such
        a file does not need.
    """
    try:
        with path.open("rb") as file:
            is_zip = file.read(4) == b"PK\x03\x04"
        found, fetch = _open_zip(path) if is_zip else _open_stream(path)
    except unpickler.Refused as error:
        raise ValueError(f"{path} {error}") from error
    except _DAMAGE as error:
        raise ValueError(
            f"{path} is no readable PyTorch file ({error or type(error).__name__}); "
            "download it again, or bring its safetensors form"
        ) from error
    tensors = _tensors(found)
    if not tensors:
        raise ValueError(
            f"{path} holds no dictionary of tensors at its top; save the state_dict "
            "alone and bring that file"
        )
    return {name: _stored(path, each, fetch) for name, each in tensors.items()}


def _tensors(found) -> dict[str, unpickler.Tensor]:
    if not isinstance(found, dict):
        return {}
    for key in _WRAPPERS:
        if isinstance(dict.get(found, key), dict):
            found = found[key]
    return {
        name: value
        for name, value in found.items()
        if isinstance(name, str) and isinstance(value, unpickler.Tensor)
    }


def _stored(path, tensor: unpickler.Tensor, fetch) -> stored.Stored:
    def values() -> np.ndarray:
        try:
            return tensor.take(fetch(tensor.storage))
        except _DAMAGE as error:
            raise ValueError(
                f"{path} is damaged ({error or type(error).__name__}); "
                "download it again"
            ) from error

    return stored.Stored(tensor.shape, tensor.storage.dtype, values)


def _dtype(name: str) -> np.dtype:
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def _open_zip(path: pathlib.Path):
    """Reads the description in a zip: <top>/data.pkl, numbers in <top>/data/<key>.

    Returns:
      (the unpickled object, fetch(storage) -> its numbers)
    """
    with zipfile.ZipFile(path) as archive:
        entries = {e.filename.partition("/")[2]: e for e in archive.infolist()}
    # PyTorch stores; a compressed record could unpack to any size.
    if any(e.compress_type != zipfile.ZIP_STORED for e in entries.values()):
        raise unpickler.Refused(
            "holds compressed records, which PyTorch does not write, and was not read; "
            "bring the safetensors file of these weights"
        )
    if "data.pkl" not in entries:
        raise unpickler.Refused(
            "is a zip without data.pkl, so no file of torch.save; bring a state_dict "
            "saved with torch.save, or its safetensors form"
        )
    order = entries.get("byteorder")  # written since PyTorch 2.1
    little = order is None or _record(path, order).strip() == b"little"
    found = unpickler.Unpickler(io.BytesIO(_record(path, entries["data.pkl"]))).load()

    def fetch(storage: unpickler.Storage) -> np.ndarray:
        return _numbers(_record(path, entries[f"data/{storage.key}"]), storage, little)

    return found, fetch


def _record(path: pathlib.Path, entry: zipfile.ZipInfo) -> bytes:
    """Reads a stored record of a zip without parsing its directory again."""
    if entry.header_offset < 0:
        raise zipfile.BadZipFile(f"{entry.filename} lies before the file's begin")
    with path.open("rb") as file:
        file.seek(entry.header_offset)
        name, extra = struct.unpack("<26xHH", file.read(30))
        file.seek(name + extra, io.SEEK_CUR)
        if file.tell() + entry.file_size > path.stat().st_size:
            raise EOFError("a record ends early")
        raw = file.read(entry.file_size)
    if zlib.crc32(raw) != entry.CRC:
        raise zipfile.BadZipFile(f"the checksum of {entry.filename} is wrong")
    return raw


def _open_stream(path: pathlib.Path):
    """Reads the container before PyTorch 1.6: pickles, then every storage in turn.

    Returns:
      (the unpickled object, fetch(storage) -> its numbers)
    """
    _check_digest(path)
    with path.open("rb") as file:
        if (
            unpickler.Unpickler(file).load() != _MAGIC
            or unpickler.Unpickler(file).load() != _PROTOCOL
        ):
            raise pickle.UnpicklingError("it does not begin as torch.save begins")
        little = bool(unpickler.Unpickler(file).load()["little_endian"])
        program = unpickler.Unpickler(file)
        found, storages = program.load(), program.storages
        places, end = {}, path.stat().st_size
        for key in unpickler.Unpickler(file).load():
            size = _dtype(storages[str(key)].dtype).itemsize
            (count,) = struct.unpack("<q" if little else ">q", file.read(8))
            places[str(key)] = file.tell()
            file.seek(count * size, io.SEEK_CUR)
            if count != storages[str(key)].count or file.tell() > end:
                raise EOFError("it ends early")

    def fetch(storage: unpickler.Storage) -> np.ndarray:
        with path.open("rb") as file:
            file.seek(places[storage.key])
            raw = file.read(storage.count * _dtype(storage.dtype).itemsize)
        return _numbers(raw, storage, little)

    return found, fetch


def _check_digest(path: pathlib.Path) -> None:
    """Compares a stream, which has no checksums, with the one in its published name."""
    stated = _PUBLISHED.fullmatch(path.name)
    if stated is None:
        return
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:8]
    if digest != stated[1]:
        raise unpickler.Refused(
            f"is damaged or another file: its SHA-256 begins with {digest}, not with "
            f"the {stated[1]} of its name; download it again, or rename your own"
        )


def _numbers(raw: bytes, storage: unpickler.Storage, little: bool) -> np.ndarray:
    """Reads a storage's bytes as numbers of this machine's byte order."""
    dtype = _dtype(storage.dtype)
    if len(raw) < storage.count * dtype.itemsize:
        raise EOFError("a storage ends early")
    numbers = np.frombuffer(raw, dtype, storage.count)
    return numbers if little else numbers.byteswap()

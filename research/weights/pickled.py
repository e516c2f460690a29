"""Reads PyTorch's `.pth` and `.bin` files without PyTorch and without running code.

A weight file of PyTorch is a pickle, and a pickle is a program. The unpickler here
knows the handful of names that a file of plain tensors needs, as stand-ins that only
describe tensors, and refuses every other name before it is looked up. Two containers
are read: the zip of PyTorch >= 1.6 and the stream of pickles before it.
"""

import dataclasses
import io
import math
import pathlib
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

from research.weights import stored

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
_STORAGES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
# Dictionaries that training scripts wrap the tensors in.
_WRAPPERS = ("state_dict", "model", "model_state_dict")


class _Refused(ValueError):
    """The sentence for a file that is no plain file of tensors."""


@dataclasses.dataclass(frozen=True)
class _Storage:
    """A run of numbers in the file: its key there, type and count."""

    key: str
    dtype: str
    count: int


class _Tensor:
    """What a pickled tensor says of itself: storage, offset, shape and strides."""

    def __init__(self, storage, offset, shape, strides):
        if not isinstance(storage, _Storage):
            raise TypeError("a tensor without a storage")
        self.storage, self.offset = storage, int(offset)
        self.shape = tuple(int(n) for n in shape)
        self.strides = tuple(int(n) for n in strides)
        self._check()

    def __setstate__(self, state):
        """Ignores what old files append to a parameter: hooks and gradient flags."""

    def _check(self):
        last = self.offset
        if len(self.shape) != len(self.strides) or min((0, last, *self.shape)) < 0:
            raise ValueError("a tensor of impossible shape")
        if min((1, *self.strides)) < 0:
            raise ValueError("a tensor of negative strides")
        if math.prod(self.shape):
            pairs = zip(self.shape, self.strides, strict=True)
            last += sum((size - 1) * stride for size, stride in pairs) + 1
        if last > self.storage.count or math.prod(self.shape) > self.storage.count:
            raise ValueError("a tensor beyond the end of its storage")

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """Cuts the tensor out of its storage's numbers, without a copy."""
        steps = [stride * numbers.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(
            numbers[self.offset :], self.shape, steps, writeable=False
        )


class _Entries(dict):
    """An OrderedDict of the file, without the attributes that it carries."""

    def __setstate__(self, state):
        """Ignores `_metadata`, the only attribute that PyTorch stores."""


class _Allowed:
    """A name that the pickle may call; nothing can be attached to it."""

    __slots__ = ("call", "dtype")

    def __init__(self, call: Callable[..., Any] | None = None, dtype: str = ""):
        self.call, self.dtype = call, dtype

    def __call__(self, *args):
        if self.call is None:
            raise TypeError("a storage type is not called")
        return self.call(*args)

    def __setstate__(self, state):
        raise TypeError("an allowed name takes no state")


def _parameter(data=None, *ignored) -> _Tensor:
    if not isinstance(data, _Tensor):
        raise TypeError("a parameter without a tensor")
    return data


_NAMES = {
    ("collections", "OrderedDict"): _Allowed(_Entries),
    ("torch._utils", "_rebuild_tensor"): _Allowed(_Tensor),
    ("torch._utils", "_rebuild_tensor_v2"): _Allowed(lambda *a: _Tensor(*a[:4])),
    ("torch._utils", "_rebuild_parameter"): _Allowed(_parameter),
    ("torch.nn.parameter", "Parameter"): _Allowed(_parameter),
} | {
    (module, name): _Allowed(dtype=dtype)
    for module in ("torch", "torch.cuda")
    for name, dtype in _STORAGES.items()
}


class _Unpickler(pickle.Unpickler):
    """Builds descriptions of tensors; any name outside of _NAMES ends it.

    Attributes:
      storages: those met so far, by key.
    """

    def __init__(self, file):
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module, name):
        try:
            return _NAMES[module, name]
        except KeyError:
            raise _Refused(
                f"names {module}.{name}, which a file of plain tensors does not need, "
                "and was not run; bring the safetensors file of these weights, or save "
                "the state_dict alone again"
            ) from None

    def persistent_load(self, pid):
        kind, storage_type, key, _, count = pid[:5]
        view = pid[5] if len(pid) > 5 else None
        if kind != "storage" or view is not None or not storage_type.dtype:
            raise pickle.UnpicklingError("a storage of unknown form")
        storage = _Storage(str(key), storage_type.dtype, int(count))
        return self.storages.setdefault(storage.key, storage)


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
    except _Refused as error:
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


def _tensors(found) -> dict[str, _Tensor]:
    if not isinstance(found, dict):
        return {}
    for key in _WRAPPERS:
        if isinstance(dict.get(found, key), dict):
            found = found[key]
    return {
        name: value
        for name, value in found.items()
        if isinstance(name, str) and isinstance(value, _Tensor)
    }


def _stored(path, tensor: _Tensor, fetch) -> stored.Stored:
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
        raise _Refused(
            "holds compressed records, which PyTorch does not write, and was not read; "
            "bring the safetensors file of these weights"
        )
    if "data.pkl" not in entries:
        raise _Refused(
            "is a zip without data.pkl, so no file of torch.save; bring a state_dict "
            "saved with torch.save, or its safetensors form"
        )
    order = entries.get("byteorder")  # written since PyTorch 2.1
    little = order is None or _record(path, order).strip() == b"little"
    found = _Unpickler(io.BytesIO(_record(path, entries["data.pkl"]))).load()

    def fetch(storage: _Storage) -> np.ndarray:
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
    with path.open("rb") as file:
        if _Unpickler(file).load() != _MAGIC or _Unpickler(file).load() != _PROTOCOL:
            raise pickle.UnpicklingError("it does not begin as torch.save begins")
        little = bool(_Unpickler(file).load()["little_endian"])
        program = _Unpickler(file)
        found, storages = program.load(), program.storages
        places, end = {}, path.stat().st_size
        for key in _Unpickler(file).load():
            size = _dtype(storages[str(key)].dtype).itemsize
            (count,) = struct.unpack("<q" if little else ">q", file.read(8))
            places[str(key)] = file.tell()
            file.seek(count * size, io.SEEK_CUR)
            if count != storages[str(key)].count or file.tell() > end:
                raise EOFError("it ends early")

    def fetch(storage: _Storage) -> np.ndarray:
        with path.open("rb") as file:
            file.seek(places[storage.key])
            raw = file.read(storage.count * _dtype(storage.dtype).itemsize)
        return _numbers(raw, storage, little)

    return found, fetch


def _numbers(raw: bytes, storage: _Storage, little: bool) -> np.ndarray:
    """Reads a storage's bytes as numbers of this machine's byte order."""
    dtype = _dtype(storage.dtype)
    if len(raw) < storage.count * dtype.itemsize:
        raise EOFError("a storage ends early")
    numbers = np.frombuffer(raw, dtype, storage.count)
    return numbers if little else numbers.byteswap()

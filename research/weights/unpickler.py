"""An unpickler that runs nothing: it builds descriptions of tensors.

A pickle is a program: it may call any function that it names. Here the handful of names
that a file of plain tensors needs are stand-ins that only describe tensors, and any
other name is refused before it is looked up.
"""

import dataclasses
import math
import pickle
import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np

_MOST_PUTS = 10_000_000  # far above any file of tensors
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


class Refused(ValueError):
    """The sentence for a file that is no plain file of tensors."""


@dataclasses.dataclass(frozen=True)
class Storage:
    """A run of numbers in the file: its key there, type and count."""

    key: str
    dtype: str
    count: int


class Tensor:
    """What a pickled tensor says of itself: storage, offset, shape and strides."""

    def __init__(self, storage, offset, shape, strides):
        if not isinstance(storage, Storage):
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


def _parameter(data=None, *ignored) -> Tensor:
    if not isinstance(data, Tensor):
        raise TypeError("a parameter without a tensor")
    return data


_NAMES = {
    ("collections", "OrderedDict"): _Allowed(_Entries),
    ("torch._utils", "_rebuild_tensor"): _Allowed(Tensor),
    ("torch._utils", "_rebuild_tensor_v2"): _Allowed(lambda *a: Tensor(*a[:4])),
    ("torch._utils", "_rebuild_parameter"): _Allowed(_parameter),
    ("torch.nn.parameter", "Parameter"): _Allowed(_parameter),
} | {
    (module, name): _Allowed(dtype=dtype)
    for module in ("torch", "torch.cuda")
    for name, dtype in _STORAGES.items()
}


class Unpickler(pickle.Unpickler):
    """Builds descriptions of tensors; any name outside of _NAMES ends it.

    Attributes:
      storages: those met so far, by key.
    """

    def __init__(self, file):
        # The unpickler makes a table up to the highest index that the file names.
        start = file.tell()
        for opcode, value, _ in pickletools.genops(file):
            if "PUT" in opcode.name and value is not None and value > _MOST_PUTS:
                raise pickle.UnpicklingError(f"a memo of {value} entries")
        file.seek(start)
        super().__init__(file, encoding="utf-8")
        self.storages: dict[str, Storage] = {}

    def find_class(self, module, name):
        """Returns the stand-in of an allowed name."""
        try:
            return _NAMES[module, name]
        except KeyError:
            named = "".join(c for c in f"{module}.{name}"[:200] if c.isprintable())
            raise Refused(
                f"names {named}, which a file of plain tensors does not need, "
                "and was not run; bring the safetensors file of these weights, or save "
                "the state_dict alone again"
            ) from None

    def persistent_load(self, pid):
        """Describes the storage that a tensor lies in."""
        kind, storage_type, key, _, count = pid[:5]
        view = pid[5] if len(pid) > 5 else None
        if kind != "storage" or view is not None or not storage_type.dtype:
            raise pickle.UnpicklingError("a storage of unknown form")
        storage = Storage(str(key), storage_type.dtype, int(count))
        return self.storages.setdefault(storage.key, storage)

"""Finds and opens the files of published weights: what lies in them, by name.

A folder is read as Hugging Face and timm write it: `model.safetensors` or
`pytorch_model.bin`, or an index of several such files, beside JSON files that describe
them. A single `.safetensors`, `.pth`, `.pt` or `.bin` file is read with the JSON files
beside it when it bears one of those names, else alone.
"""

import dataclasses
import json
import os
import pathlib
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
from safetensors import numpy as safetensors_numpy

from research.weights import pickled, stored

SAFETENSORS = "model.safetensors"
# Where a folder's weights lie, the first that is there.
_WEIGHTS = (SAFETENSORS, f"{SAFETENSORS}.index.json")
_WEIGHTS += ("pytorch_model.bin", "pytorch_model.bin.index.json")
_WEIGHTS += ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin")
_PICKLED = (".pth", ".pt", ".bin")
_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


@dataclasses.dataclass(frozen=True)
class Opened:
    """The tensors of a file or folder and what lies beside them.

    Attributes:
      path: the file or folder.
      tensors: by published name; none of them is read yet.
      configs: content of each JSON file beside the weights, by file name.
    """

    path: pathlib.Path
    tensors: dict[str, stored.Stored]
    configs: dict[str, Any]


def open_weights(path: str | os.PathLike) -> Opened:
    """Opens a weight file, or a folder with one, whole or in shards.

    Raises:
      FileNotFoundError: there is no such file, or no weights in the folder.
      ValueError: a file is damaged, or of a kind that is not read.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        file = next((path / n for n in _WEIGHTS if (path / n).is_file()), None)
        if file is None:
            raise FileNotFoundError(
                f"the folder {path} holds no weights; bring one of "
                f"{', '.join(_WEIGHTS)} into it"
            )
        return Opened(path, _read(file), _configs(path))
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no weight file {path}; correct the path or bring the file there"
        )
    return Opened(
        path, _read(path), _configs(path.parent) if path.name in _WEIGHTS else {}
    )


def _read(file: pathlib.Path) -> dict[str, stored.Stored]:
    if file.name.endswith(".index.json"):
        return _read_shards(file)
    if file.suffix == ".safetensors":
        return _read_safetensors(file)
    if file.suffix in _PICKLED:
        return pickled.read(file)
    raise ValueError(
        f"weights are read from .safetensors, {', '.join(_PICKLED)} files and folders "
        f"of them, got {file}; bring one of those"
    )


def _read_shards(index: pathlib.Path) -> dict[str, stored.Stored]:
    places = read_json(index).get("weight_map", None)
    if not isinstance(places, dict) or not places:
        raise ValueError(f"{index} has no weight_map; download it again")
    tensors = {}
    for name in sorted(set(map(str, places.values()))):
        shard = index.parent / name
        if pathlib.PurePath(name).name != name or name.endswith(".index.json"):
            raise ValueError(
                f"{index} names {name!r}, which is no file beside it; download it again"
            )
        if not shard.is_file():
            raise FileNotFoundError(
                f"{index.name} names {shard}, which is not there; bring that file"
            )
        tensors |= _read(shard)
    absent = sorted(set(places) - set(tensors))
    if absent:
        raise ValueError(
            f"{index} promises {absent[0]!r}, which none of its files holds; download "
            "them again"
        )
    return tensors


def _read_safetensors(file: pathlib.Path) -> dict[str, stored.Stored]:
    try:
        opened = safetensors.safe_open(file, framework="numpy")
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise ValueError(
            f"{file} is no readable safetensors file ({error}); download it again"
        ) from error

    def lazily(name):
        part = opened.get_slice(name)
        dtype = _DTYPES.get(part.get_dtype(), part.get_dtype())
        return stored.Stored(
            tuple(part.get_shape()), dtype, lambda: opened.get_tensor(name)
        )

    return {name: lazily(name) for name in opened.keys()}


def _configs(folder: pathlib.Path) -> dict[str, Any]:
    names = ("config.json", "preprocessor_config.json", "model.json")
    return {n: read_json(folder / n) for n in names if (folder / n).is_file()}


def read_json(file: pathlib.Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
      ValueError: the file holds something else.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON ({error}); bring it again") from error
    if not isinstance(found, dict):
        raise ValueError(f"{file} is no JSON object; bring it again")
    return found


def write(
    target: pathlib.Path,
    tensors: Mapping[str, np.ndarray],
    configs: Mapping[str, dict],
    *,
    alone: bool = False,
) -> list[pathlib.Path]:
    """Writes safetensors and JSON files; each appears whole or not at all.

    Args:
      target: folder, made where needed; with `alone`, the `.safetensors` file itself.
      tensors: by name.
      configs: content of each JSON file, by file name.
      alone: write one file, no folder.

    Returns:
      The files written.

    Raises:
      ValueError: one of the files is there already, or the name is no safetensors
        file's.
    """
    target = pathlib.Path(target)
    if alone and target.suffix != ".safetensors":
        raise ValueError(
            f"this format is one .safetensors file, got {target}; end the name so"
        )
    folder = target.parent if alone else target
    weights = target if alone else target / SAFETENSORS
    wanted = [weights, *(folder / name for name in configs)]
    for file in wanted:
        if file.exists():
            raise ValueError(
                f"{file} is there already and is not overwritten; choose another place"
            )
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; choose a folder")
    folder.mkdir(parents=True, exist_ok=True)
    # The mark "pt" is what transformers asks of a file before it reads it.
    _appear(
        weights,
        lambda f: safetensors_numpy.save_file(
            dict(tensors), f, metadata={"format": "pt"}
        ),
    )
    for name, content in configs.items():
        text = json.dumps(content, indent=2) + "\n"
        _appear(folder / name, lambda f, text=text: pathlib.Path(f).write_text(text))
    return wanted


def _appear(file: pathlib.Path, save) -> None:
    """Writes beside the file, then renames, so that no half of it is ever seen."""
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=".writing-") as folder:
        part = pathlib.Path(folder) / file.name
        save(part)
        os.replace(part, file)

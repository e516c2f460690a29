"""Runs an exported model. Needs jax, numpy, safetensors and flatbuffers only.

    from load import load
    predict = load("FOLDER")
    predict(image=images)["probability"]     # images (b, h, w, c) uint8

`about.json` beside it gives shapes, outputs and the names of the classes.
"""

import json
import pathlib
from collections.abc import Callable

import jax
import numpy as np
from jax import export
from safetensors import numpy as safetensors

PROGRAM, PARAMETERS = "program.stablehlo", "parameters.safetensors"
ABOUT = "about.json"


def load(folder: str | pathlib.Path) -> Callable[..., dict[str, np.ndarray]]:
    """Loads an exported folder.

    Returns:
      predict(**inputs) -> outputs by name; inputs and outputs are as about.json says,
      with any number of examples.
    """
    folder = pathlib.Path(folder)
    about = json.loads((folder / ABOUT).read_text())
    program = export.deserialize(bytearray((folder / PROGRAM).read_bytes()))
    arrays = safetensors.load_file(folder / PARAMETERS)
    leaves = jax.device_put([arrays[name] for name in about["parameters"]])
    call = jax.jit(program.call)

    def predict(**inputs) -> dict[str, np.ndarray]:
        outputs = call(leaves, {k: np.asarray(v) for k, v in inputs.items()})
        return {name: np.asarray(value) for name, value in outputs.items()}

    return predict

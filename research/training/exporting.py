"""Writes a trained model as one program that runs without this framework.

A folder with program.stablehlo (`jax.export`: StableHLO for every platform asked for,
any batch size), parameters.safetensors, about.json, and load.py, a copy of
`exported.py`, which needs only jax, numpy, safetensors and flatbuffers.
"""

import json
import pathlib
import shutil
import tempfile

import jax
import jax.numpy as jnp
import numpy as np
from jax import export
from safetensors import numpy as safetensors

from research.training import exported
from research.training import state as states

PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def write(opened, folder: pathlib.Path, platforms: tuple[str, ...]) -> dict:
    """Exports the predictions of a run.

    Args:
      opened: a `run.Run`.
      folder: must not exist yet, or be empty.
      platforms: of PLATFORMS.

    Returns:
      What about.json holds.

    Raises:
      ValueError: an unknown platform, a folder that is in use, or a task whose
        predictions need more than one feature or hold random draws.
    """
    experiment = opened.programs.experiment
    _check(experiment, folder, platforms)
    state = opened.state.replace(
        params=opened.state.eval_params(),
        **dict.fromkeys(("ema_params", "trigger", "opt_state", "seed", "step")),
    )
    leaves, tree = jax.tree.flatten(state)
    names = [name for name, _ in states.named_leaves(state)]

    def predict(leaves, inputs):
        restored = jax.tree.unflatten(tree, leaves)
        return experiment.task.predict(restored, experiment.preprocess(inputs))

    inputs = {
        name: feature
        for name, feature in experiment.spec.features.items()
        if name == experiment.task.input
    }
    _check_predictions(experiment, opened.state)
    batch = export.symbolic_shape("batch")
    shapes = {
        name: jax.ShapeDtypeStruct((*batch, *feature.shape), feature.dtype)
        for name, feature in inputs.items()
    }
    leaf_shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in leaves]
    program = export.export(jax.jit(predict), platforms=platforms)(leaf_shapes, shapes)
    about = {
        "inputs": {
            name: {"shape": ["batch", *feature.shape], "dtype": feature.dtype}
            for name, feature in inputs.items()
        },
        "outputs": sorted(jax.eval_shape(predict, leaf_shapes, _sized(shapes))),
        "class_names": list(experiment.spec.class_names),
        "parameters": names,
        "platforms": list(platforms),
        "model": experiment.config.model.to_dict(),
        "step": opened.step,
        "jax": jax.__version__,
    }
    arrays = {name: np.asarray(x) for name, x in zip(names, leaves, strict=True)}
    _write_all(folder, program.serialize(), arrays, about)
    return about


def _check(experiment, folder: pathlib.Path, platforms: tuple[str, ...]) -> None:
    for platform in platforms:
        if platform not in PLATFORMS:
            raise ValueError(
                f"unknown platform {platform!r}; use some of {', '.join(PLATFORMS)}"
            )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is in use; choose a folder that does not exist")
    if not hasattr(experiment.task, "input"):
        raise ValueError(
            f"export writes networks that read one feature, such as classifiers, got "
            f"the task {experiment.config.task.name!r}; use scripts/predict.py"
        )


def _check_predictions(experiment, state) -> None:
    """Checks that predictions follow from the task's one input alone."""
    task, name = experiment.task, experiment.config.task.name
    shape = experiment.example_batch(1)[task.input]
    try:
        traced = jax.make_jaxpr(
            lambda state, x: task.predict(state, experiment.preprocess({task.input: x}))
        )(state, shape)
    except KeyError as error:
        if error.args[0] not in experiment.spec.features:
            raise
        raise ValueError(
            "export writes networks that read one feature, such as classifiers, but "
            f"the task {name!r} also reads {error.args[0]!r}; use scripts/predict.py"
        ) from error
    if "random_seed" in str(traced):
        raise ValueError(
            "export writes predictions that follow from the input alone, but those of "
            f"the task {name!r} hold random draws; use scripts/predict.py"
        )


def _sized(shapes: dict) -> dict:
    """Puts one example where the batch is symbolic."""
    return {
        name: jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype)
        for name, x in shapes.items()
    }


def _write_all(folder: pathlib.Path, program: bytes, arrays: dict, about: dict) -> None:
    """Writes beside the folder first: it exists only when it is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export") as name:
        part = pathlib.Path(name) / "whole"
        part.mkdir()
        (part / exported.PROGRAM).write_bytes(program)
        safetensors.save_file(arrays, part / exported.PARAMETERS)
        (part / exported.ABOUT).write_text(json.dumps(about, indent=2) + "\n")
        shutil.copyfile(exported.__file__, part / "load.py")
        if folder.exists():
            folder.rmdir()  # empty, as was checked
        part.rename(folder)


def largest_difference(opened, folder: pathlib.Path, batch: int = 3) -> float:
    """Compares the exported program with the run on random inputs.

    Returns:
      The largest absolute difference of any output.
    """
    experiment = opened.programs.experiment
    rng = np.random.default_rng(0)
    inputs = {}
    for name, x in experiment.example_batch(batch).items():
        if name == experiment.task.input:
            drawn = rng.integers(0, 256, x.shape)
            inputs[name] = jnp.asarray(drawn, x.dtype)
    expected = jax.jit(
        lambda state, batch: experiment.task.predict(
            state, experiment.preprocess(batch)
        )
    )(opened.state, inputs)
    reached = exported.load(folder)(**inputs)
    return max(
        float(np.abs(np.asarray(expected[k]) - reached[k]).max()) for k in expected
    )

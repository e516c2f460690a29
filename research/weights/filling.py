"""Fills a model's tree from published weights, every tensor accounted for."""

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from research import lookup
from research.models import kernels
from research.weights import positions, published, rules

_HEAD, _POSITIONS = "params/head/", "params/position_embedding"
# Fields that weights do not depend on: they only set how training starts or runs.
_STARTS = ("num_classes", "zero_init", "dropout")
_log = logging.getLogger("research.weights")

Variables = dict[str, Any]


def load(
    name: str | os.PathLike,
    path: str | os.PathLike | None = None,
    *,
    image_size: int | tuple[int, int] | None = None,
    seed: int = 0,
    **overrides: Any,
) -> tuple[nn.Module, Variables]:
    """Builds a published network and loads its weights.

        model, variables = weights.load("resnet50", path="resnet50-0676ba61.pth")
        logits = model.apply(variables, images, train=False)

    What differs from the file is logged as a warning: a head that starts anew because
    `num_classes` is another, position embeddings interpolated to `image_size`.

    Args:
      name: as `describe` takes it.
      path: likewise.
      image_size: side, or (height, width), that a ViT shall read; None: the file's.
      seed: of a new head.
      **overrides: fields of the model, such as num_classes, dtype or kernels.

    Returns:
      (model, its variables)

    Raises:
      FileNotFoundError: as `describe`.
      ValueError: as `describe`, or tensors and model do not fit; a table tells which.
    """
    found = published.describe(name, path)
    model = found.build(**overrides)
    return model, fill(found, model, image_size, seed=seed, place=jnp.asarray)


def read(
    source: str | os.PathLike | published.Published,
    model: nn.Module,
    image_size: int | tuple[int, int] | None = None,
    *,
    seed: int = 0,
) -> Variables:
    """Reads published weights into a given model, which may have another head.

    Args:
      source: file, folder or name, or what `describe` returned.
      model: of the weights' architecture and fields; num_classes may differ.
      image_size: side, or (height, width), that it will read; None: the weights'.
      seed: of a new head.

    Returns:
      The model's variables, arrays in host memory.

    Raises:
      FileNotFoundError: as `describe`.
      ValueError: as `describe`, or the model is another network than the weights'.
    """
    found = (
        source
        if isinstance(source, published.Published)
        else published.describe(source)
    )
    module = lookup.module("models", found.architecture)
    if type(model).__module__ != module.__name__:
        raise ValueError(
            f"{found.source} holds a {found.architecture}, but the model is a "
            f"{type(model).__name__}; set the model's name to {found.architecture!r}"
        )
    stated = {**found.form.implied, **found.fields}
    other = [
        f"{key}={value!r} (here {getattr(model, key)!r})"
        for key, value in stated.items()
        if key not in (*_STARTS, *found.form.parts)
        and not _same(getattr(model, key), value)
    ]
    if other:
        raise ValueError(
            f"{found.source} was made by a {found.architecture} with "
            f"{', '.join(other)}; give the model these fields"
        )
    return fill(found, model, image_size, seed=seed)


def _same(here, there) -> bool:
    """Compares a field; a batch norm may be frozen, its tensors are the same."""
    return here == there or (here, there) == ("frozen", "batch")


def fill(
    found: published.Published,
    model: nn.Module,
    image_size: int | tuple[int, int] | None = None,
    *,
    seed: int = 0,
    place: Callable[[np.ndarray], Any] = np.asarray,
) -> Variables:
    """Reads weights into the model's tree, leaf by leaf, each accounted for.

    Args:
      found: the weights.
      model: of their architecture.
      image_size: as `read` takes it.
      seed: of a new head.
      place: where each leaf goes as soon as it is read.

    Raises:
      ValueError: a tensor is missing, extra or mis-shaped; a table lists all of them.
    """
    size = found.image_size
    if image_size is not None:
        size = positions.height_width(image_size)
    if size is not None and found.image_size is None:
        raise ValueError(
            f"{found.source} holds a {found.architecture}, which reads no images, but "
            f"image_size={image_size} is asked for; leave it out"
        )
    differs = _other_parts(found, model)
    theirs = _shapes(model.clone(**differs), found.image_size, found.channels)
    sources, unread = _account(found, theirs)
    for reason, names in unread.items():
        _log.info("%s: %d tensors not read: %s", found.source, len(names), reason)
    wanted, leaves = theirs, {}
    if differs or size != found.image_size:
        wanted = _shapes(model, size, found.channels)
    fresh = [
        path
        for path in wanted
        if path not in theirs
        or ("num_classes" in differs and _of_head(path, wanted[path], theirs[path]))
    ]
    if fresh:
        leaves |= _drawn(_init(model, size, found.channels), fresh, seed, place)
    _tell(found, model, differs)
    for path, leaf in wanted.items():
        if path in leaves:
            continue
        values = rules.convert(sources[path], found.tensors, leaf.dtype)
        if path == _POSITIONS and size != found.image_size:
            values = _fit_positions(found, values, size, model.patch)
        if values.shape != leaf.shape:
            raise ValueError(
                f"{path} is {values.shape} in {found.source} but {leaf.shape} for "
                f"images of {size}; use the weights' own image size, {found.image_size}"
            )
        leaves[path] = place(values)
    return flax.traverse_util.unflatten_dict(leaves, sep="/")


def _of_head(path: str, here, there) -> bool:
    """Tells the leaves of a classifier's head, and of a detector's by their shape."""
    return path.startswith(_HEAD) or (path != _POSITIONS and here.shape != there.shape)


def _other_parts(found: published.Published, model: nn.Module) -> dict[str, Any]:
    """Lists the parts that the model has otherwise, with the file's values."""
    parts = {"num_classes": found.num_classes} if hasattr(model, "num_classes") else {}
    parts |= {name: found.fields[name] for name in found.form.parts}
    return {name: v for name, v in parts.items() if getattr(model, name) != v}


def _tell(found: published.Published, model: nn.Module, differs: Mapping) -> None:
    """Logs what starts anew and what is left out."""
    for name, there in differs.items():
        here = getattr(model, name)
        if name == "num_classes":
            _log.warning(
                "%s has a head of %d classes, the model one of %d: %s",
                *(found.source, there, here),
                "it starts anew" if here else "it is left out",
            )
        elif here:
            _log.warning("%s has no %s: it starts anew", found.source, name)
        else:
            _log.info("%s: the %s is left out", found.source, name)


def _account(found: published.Published, theirs: Mapping):
    """Matches leaves and tensors; a mismatch is an error with a table."""
    shapes = {path: leaf.shape for path, leaf in theirs.items()}
    sources, unread, problems = rules.match(found.form, shapes, found.tensors)
    if problems:
        raise ValueError(
            f"{found.source} does not fit the {found.architecture} that it says it is: "
            f"{len(problems)} tensors are missing, extra or mis-shaped; bring weights "
            f"of that network, or override the fields that differ\n"
            f"{rules.shown(problems)}"
        )
    return sources, unread


def _shapes(model: nn.Module, image_size, channels: int) -> dict[str, Any]:
    """Lists shape and type of every leaf by path; computes nothing."""
    tree = jax.eval_shape(_init(model, image_size, channels), jax.random.key(0))
    return flax.traverse_util.flatten_dict(tree, sep="/")


def _init(model: nn.Module, image_size, channels: int):
    """Makes key -> variables, with the smallest inputs that the network reads."""
    if image_size is not None:
        inputs = (jnp.zeros((1, *image_size, channels)),)
        if hasattr(model, "classes"):  # diffusion reads a time and a label as well
            inputs += (jnp.zeros(1), jnp.zeros(1, jnp.int32))
    elif channels:
        inputs = (jnp.zeros((1, 1, channels)),)
    elif hasattr(model, "sample_rate"):  # a second of sound
        inputs = (jnp.zeros((1, model.sample_rate)),)
    else:  # tokens; an encoder and decoder read two texts
        texts = 2 if hasattr(model, "source_vocab_size") else 1
        inputs = (jnp.zeros((1, 1), jnp.int32),) * texts
    return lambda key: model.init(key, *inputs, train=False)


def _drawn(init, paths: list[str], seed: int, place) -> dict[str, Any]:
    """Initialises some leaves alone: the compiler drops the rest of the network."""

    def some(key):
        flat = flax.traverse_util.flatten_dict(init(key), sep="/")
        return {path: flat[path] for path in paths}

    drawn = jax.jit(some)(kernels.key(seed))
    return {path: place(np.asarray(leaf)) for path, leaf in drawn.items()}


def _fit_positions(found: published.Published, table, size, patch: int) -> np.ndarray:
    grids = [tuple(side // patch for side in each) for each in (size, found.image_size)]
    _log.warning(
        "%s has positions of %s patches, interpolated to %s", found.source, *grids[::-1]
    )
    # As each publisher's own code does it.
    antialias = found.form.publisher != "huggingface"
    return positions.resize_positions(
        table, grids[0], old_grid=grids[1], antialias=antialias
    )

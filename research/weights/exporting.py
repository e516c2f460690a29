"""Writes a network's weights in a publisher's form."""

import os
import pathlib
from collections.abc import Mapping
from typing import Any

import flax
import numpy as np
from flax import linen as nn

from research import lookup
from research.weights import files, own, positions, published, rules
from research.weights.preprocessing import Preprocessing

# Fields of networks that read tokens.
_OF_TOKENS = ("vocab_size", "source_vocab_size")
_POSITIONS = "params/position_embedding"
# Of a recurrent network: where values enter, and where tokens do.
_VALUES, _EMBEDDING = "params/rnn/layer1/input/kernel", "params/embedding/embedding"
# The first convolution's kernel, which tells the channels of the images.
_FIRST = (
    *("stem_conv", "backbone/stem_conv", "patch_embedding"),
    *("conv1_1", "conv1", "conv_in", "C1"),
)


def export(
    model: nn.Module,
    variables: Mapping[str, Any],
    path: str | os.PathLike,
    format: str = "menagerie",
    *,
    image_size: int | tuple[int, int] | None = None,
    preprocessing: Preprocessing | None = None,
    class_names: tuple[str, ...] | None = None,
) -> list[pathlib.Path]:
    """Writes weights in a publisher's form, as safetensors with its config files.

    Args:
      model: the network.
      variables: its parameters and batch statistics.
      path: folder to make; for "torchvision" and "pytorch" the `.safetensors` file.
        Nothing that is there is overwritten.
      format: "huggingface", "timm", "torchvision", "pytorch", or "menagerie" (our own
        names).
      image_size: that the network reads; None: 224, or a ViT's by its positions.
      preprocessing: what images go through, for the config files.
      class_names: by index, likewise.

    Returns:
      The files written.

    Raises:
      ValueError: the format has no such network, or a file is there already.
    """
    form = _export_form(model, format)
    tree = flax.traverse_util.flatten_dict(dict(variables), sep="/")
    sizes = _sizes(model, tree, image_size)
    tensors = {}
    for leaf_path, source in rules.sources(form, tree).items():
        if source is None:
            raise ValueError(
                f"{format} has no name for {leaf_path}; use format='menagerie'"
            )
        tensors |= rules.publish(source, np.asarray(tree[leaf_path]))
    configs = form.configs(model, sizes, preprocessing, class_names)
    return files.write(pathlib.Path(path), tensors, configs, alone=form.alone)


def _sizes(model: nn.Module, tree: Mapping[str, Any], image_size) -> rules.Sizes:
    """Tells what the network reads: images of some size, sounds, or tokens."""
    values = tree.get(_VALUES)
    if values is not None and _EMBEDDING not in tree:
        return rules.Sizes(own.fields(model), channels=values.shape[0])
    if any(hasattr(model, name) for name in (*_OF_TOKENS, "sample_rate")):
        return rules.Sizes(own.fields(model))
    kernels = (tree.get(f"params/{name}/kernel") for name in _FIRST)
    first = next((kernel for kernel in kernels if kernel is not None), None)
    if first is None:
        raise ValueError(
            "only networks for text are exported, and those for images whose first "
            f"convolution is one of {', '.join(_FIRST)}; got a {type(model).__name__}"
        )
    if image_size is None and _POSITIONS in tree:
        token, count = model.pool == "token", tree[_POSITIONS].shape[1]
        image_size = positions.image_size(count, token, model.patch)
    size = positions.height_width(image_size or 224)
    return rules.Sizes(own.fields(model), size, first.shape[-2])


def _export_form(model: nn.Module, publisher: str) -> rules.Format:
    """Finds the form that the publisher has for this very network."""
    architecture = type(model).__module__.rpartition(".")[2]
    publishers = sorted({form.publisher for form in published.FORMATS if form.exports})
    if publisher not in publishers:
        raise ValueError(lookup.unknown("format", publisher, publishers))
    forms = [
        f
        for f in published.FORMATS
        if (f.publisher, f.architecture) == (publisher, architecture)
    ]
    others = []  # of each form of the model's class, what the model has otherwise
    for form in forms:
        other = [k for k, v in form.implied.items() if getattr(model, k, None) != v]
        if not other:
            return form
        if all(hasattr(model, k) for k in other):
            others.append(other)
    nearest = min(others, key=len, default=[])
    differs = ", ".join(f"{k}={getattr(model, k)!r}" for k in nearest)
    reason = f" with {differs}" if differs else ""
    raise ValueError(
        f"{publisher} has no {architecture}{reason}; use format='menagerie'"
    )

"""Published weights: recognising them, and what their files say of themselves."""

import dataclasses
import json
import logging
import os
import pathlib
from typing import Any

from flax import linen as nn

from research import lookup
from research.weights import (
    diffusers,
    dit,
    files,
    hub,
    huggingface,
    huggingface_ast,
    huggingface_bert,
    huggingface_detr,
    huggingface_gpt2,
    own,
    preprocessing,
    pytorch,
    rules,
    stored,
    timm,
    torchvision,
    torchvision_detection,
)

_log = logging.getLogger("research.weights")

# A file belongs to the first form that it fits; a new one is added here.
FORMATS = (
    *own.FORMATS,
    *diffusers.FORMATS,
    *dit.FORMATS,
    *huggingface.FORMATS,
    *huggingface_ast.FORMATS,
    *huggingface_bert.FORMATS,
    *huggingface_detr.FORMATS,
    *huggingface_gpt2.FORMATS,
    *pytorch.FORMATS,
    *timm.FORMATS,
    *torchvision.FORMATS,
    *torchvision_detection.FORMATS,
)

# Fields that tell one variant from another.
_SIZES = (
    *("stage_sizes", "features", "block"),
    *("patch", "width", "depth", "mlp_dim", "vocab_size"),
)


@dataclasses.dataclass(frozen=True)
class Published:
    """Weights of a file, recognised but not read yet.

    Attributes:
      source: the file or folder.
      form: how they are published.
      fields: of the model, as far as the file tells; "num_classes" is the file's.
      image_size: (height, width) that they were made for; None: they read no images.
      channels: of the images, or values per step of a sequence; 0: neither.
      preprocessing: what images go through before the network; None: not stated.
      class_names: by index; None: not stated.
      tensors: by published name.
    """

    source: pathlib.Path
    form: rules.Format
    fields: dict[str, Any]
    image_size: tuple[int, int] | None
    channels: int
    preprocessing: preprocessing.Preprocessing | None
    class_names: tuple[str, ...] | None
    tensors: dict[str, stored.Stored]

    @property
    def architecture(self) -> str:
        """The model's file, `research/models/<architecture>.py`."""
        return self.form.architecture

    @property
    def num_classes(self) -> int:
        """Width of the classifier; 0: there is none."""
        return self.fields.get("num_classes", 0)

    def build(self, **overrides: Any) -> nn.Module:
        """Builds the weights' model, with any of its fields overridden.

        Raises:
          ValueError: an override is unknown, or a field is open that must be given.
        """
        fields = {**self.form.implied, **self.fields, **overrides}
        if self.architecture == "vit" and "heads" not in fields:
            raise ValueError(
                f"{self.source} does not tell the number of attention heads and width "
                f"{fields['width']} is no published one; give heads=NUMBER"
            )
        module = lookup.module("models", self.architecture)
        bases = {name: own.fields(module.build(name)) for name in module.VARIANTS}
        fits = (
            name for name, base in bases.items() if base.keys() >= self.fields.keys()
        )
        return module.build(next(fits, next(iter(bases))), **fields)


def describe(
    name: str | os.PathLike,
    path: str | os.PathLike | None = None,
    *,
    class_names: str | os.PathLike | None = None,
) -> Published:
    """Recognises published weights and reads what their files say of them.

    Args:
      name: short name ("resnet50"), repository of the hub ("microsoft/resnet-50"), or
        a file or folder.
      path: file or folder of these weights; None fetches or finds the name.
      class_names: JSON list or object, or text file with one name per line, where the
        weights have none.

    Raises:
      FileNotFoundError: no such file, or it cannot be fetched; the sentence says what
        to bring.
      ValueError: damaged, of unknown form, or other weights than the name says.
    """
    if path is None:
        path = name if pathlib.Path(name).exists() else hub.fetch(os.fspath(name))
    opened = files.open_weights(path)
    form = _recognise(opened)
    tensors = form.spelled(opened.tensors)
    sizes = form.sizes({n: t.shape for n, t in tensors.items()}, opened.configs)
    prepared = None
    if sizes.image_size is not None:
        prepared = form.preprocessing(
            opened.path.name, opened.configs, sizes.image_size
        )
    classes = sizes.fields.get("num_classes", 0)
    found = Published(
        source=opened.path,
        form=form,
        fields=sizes.fields,
        image_size=sizes.image_size,
        channels=sizes.channels,
        preprocessing=prepared,
        class_names=form.class_names(opened.configs) if classes else None,
        tensors=tensors,
    )
    _check_name(os.fspath(name), found)
    if class_names is not None:
        named = read_class_names(class_names)
        found = dataclasses.replace(found, class_names=named)
    if found.class_names is not None and len(found.class_names) != classes:
        raise ValueError(
            f"{len(found.class_names)} class names for {classes} classes of "
            f"{found.source}; give the names of its classes"
        )
    return found


def task(name: str | os.PathLike) -> str:
    """Names the task that published weights serve, fetching nothing for a short name.

    Raises:
      FileNotFoundError, ValueError: as `describe`.
    """
    if name in hub.NAMES and not pathlib.Path(name).exists():
        architecture = hub.NAMES[name][1]
        of_others = (form for form in FORMATS if form not in own.FORMATS)
        return next(f.task for f in of_others if f.architecture == architecture)
    return describe(name).form.task


def _recognise(opened: files.Opened) -> rules.Format:
    for form in FORMATS:
        names = form.spelled(opened.tensors)
        if all(mark in names for mark in form.marks) and form.belongs(opened.configs):
            return form
    first = ", ".join(list(opened.tensors)[:3])
    known = sorted({f"{f.publisher} {f.architecture}" for f in FORMATS if f.marks})
    raise ValueError(
        f"{opened.path} holds tensors of no known form ({first}, ...); the forms read "
        f"are {', '.join(known)}"
    )


def _check_name(name: str, found: Published) -> None:
    """Checks weights that were brought under a short name against that name."""
    if name not in hub.NAMES:
        if not pathlib.Path(name).exists():
            hub.repository(name)
        return
    _, architecture, variant = hub.NAMES[name]
    module = lookup.module("models", architecture)
    wanted = own.fields(module.build(variant))
    stated = {**found.form.implied, **found.fields}
    shared = {k: stated[k] for k in _SIZES if k in stated and k in wanted}
    other = {k: v for k, v in shared.items() if wanted[k] != v}
    said = ", ".join(f"{k}={v}" for k, v in (other or shared).items())
    if other and architecture == found.architecture and found.image_size is None:
        # A text model's config.json decides its sizes, whatever it is called.
        _log.warning("%s is no %s: its config.json says %s", found.source, name, said)
        return
    if architecture != found.architecture or other:
        raise ValueError(
            f"{found.source} is not {name} but a {found.architecture} with {said}; "
            "bring that file or give the right name"
        )


def read_class_names(path: str | os.PathLike) -> tuple[str, ...]:
    """Reads class names: a JSON list, an object {"0": name}, or one name per line.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is none of these.
    """
    file = pathlib.Path(path)
    if not file.is_file():
        raise FileNotFoundError(f"there is no file of class names {file}; correct it")
    text = file.read_text(encoding="utf-8")
    if file.suffix != ".json":
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    try:
        found = json.loads(text)
        if isinstance(found, dict):
            found = [found[str(i)] for i in range(len(found))]
    except (ValueError, KeyError) as error:
        raise ValueError(
            f"{file} is no JSON list of names or object of them by index; correct it"
        ) from error
    return tuple(map(str, found))

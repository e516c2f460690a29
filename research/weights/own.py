"""Our own form of weights: leaves by their paths, and model.json.

model.json holds the architecture, the model's fields, the names of the classes, and for
images their size and how they are prepared.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from research import lookup
from research.weights import preprocessing, rules

_KEYS = ("fields", "image_size", "channels", "preprocessing", "class_names")
_MACHINE = ("dtype", "param_dtype", "kernels", "parent", "name")
# What networks are for that do not classify images, sounds or sequences.
_TASKS = {
    **dict.fromkeys(("autoencoder", "vqvae"), "reconstruction"),
    **dict.fromkeys(("dcgan", "gan", "sngan", "stylegan2"), "adversarial"),
    **dict.fromkeys(("centernet", "detr", "retinanet"), "detection"),
    **dict.fromkeys(("dit", "unet"), "diffusion"),
    **dict.fromkeys(("dlinear", "itransformer", "patchtst"), "forecasting"),
    **dict.fromkeys(("lstm_forecaster", "transformer_forecaster"), "forecasting"),
    **dict.fromkeys(("gpt", "rnn"), "language_modeling"),
    **dict.fromkeys(("seq2seq", "transformer"), "translation"),
    "bert": "masked_language_modeling",
    "vae": "variational",
}
# (architecture, a field that is set where the network serves another task, that task)
_OTHER_TASKS = (
    ("bert", "num_classes", "text_classification"),
    ("rnn", "pool", "classification"),
)


def _sizes(shapes: Mapping, configs: Mapping) -> rules.Sizes:
    del shapes
    if "model.json" not in configs:
        raise ValueError(
            "weights under our own names need the model.json that was written with "
            "them; bring it into their folder and give that folder as path"
        )
    found = configs["model.json"]
    absent = [key for key in _KEYS if key not in found]
    if absent:
        raise ValueError(
            f"model.json lacks {absent[0]!r}; bring the one that was written with the "
            "weights"
        )
    fields = {
        k: tuple(v) if isinstance(v, list) else v for k, v in found["fields"].items()
    }
    size = found["image_size"]
    return rules.Sizes(fields, tuple(size) if size else None, found["channels"])


def _prepares(file_name, configs: Mapping, image_size):
    found = configs["model.json"]["preprocessing"]
    return preprocessing.from_json(found) if found else None


def _class_names(configs: Mapping) -> tuple[str, ...] | None:
    names = configs["model.json"]["class_names"]
    return tuple(names) if names else None


def _configs(model, sizes: rules.Sizes, prepared, class_names) -> dict[str, dict]:
    content = dict(
        architecture=type(model).__module__.rpartition(".")[2],
        fields=fields(model),
        image_size=list(sizes.image_size) if sizes.image_size else None,
        channels=sizes.channels,
        preprocessing=prepared.to_json() if prepared else None,
        class_names=list(class_names) if class_names else None,
    )
    return {"model.json": content}


def fields(model) -> dict[str, Any]:
    """Lists the fields that make the network what it is, not where it runs."""
    return {
        field.name: getattr(model, field.name)
        for field in dataclasses.fields(model)
        if field.init and field.name not in _MACHINE
    }


def _format(architecture: str, task: str, field: str | None = None) -> rules.Format:
    """Makes the form of an architecture, or of its networks that set a field."""

    def belongs(configs: Mapping) -> bool:
        found = configs.get("model.json", {})
        return found.get("architecture") == architecture and (
            field is None or bool(found.get("fields", {}).get(field))
        )

    return rules.Format(
        publisher="menagerie",
        architecture=architecture,
        rules=(rules.Rule("{path}", ("{path}",)),),
        marks=(),
        sizes=_sizes,
        belongs=belongs,
        preprocessing=_prepares,
        class_names=_class_names,
        configs=_configs,
        task=task,
    )


FORMATS = (
    *(_format(name, task, field) for name, field, task in _OTHER_TASKS),
    *(_format(n, _TASKS.get(n, "classification")) for n in lookup.names("models")),
)

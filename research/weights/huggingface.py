"""Weights as Hugging Face transformers saves them: ResNet and Vision Transformer.

`save_pretrained` writes config.json, which decides all sizes, the weights, and
preprocessor_config.json. With a head (`...ForImageClassification`) or without.
https://huggingface.co/docs/transformers/model_doc/resnet and .../vit
"""

from collections.abc import Mapping
from typing import Any

from research.weights import positions, preprocessing, rules, torchvision

_STAGE = "resnet.encoder.stages.{s-1}.layers.{b-1}"
RESNET_RULES = rules.table(
    rules.conv("stem_conv", "resnet.embedder.embedder.convolution"),
    rules.batch_norm("stem_norm", "resnet.embedder.embedder.normalization"),
    rules.conv("stage{s}_block{b}/conv{c}", f"{_STAGE}.layer.{{c-1}}.convolution"),
    rules.batch_norm(
        "stage{s}_block{b}/norm{c}", f"{_STAGE}.layer.{{c-1}}.normalization"
    ),
    rules.conv("stage{s}_block{b}/shortcut_conv", f"{_STAGE}.shortcut.convolution"),
    rules.batch_norm(
        "stage{s}_block{b}/shortcut_norm", f"{_STAGE}.shortcut.normalization"
    ),
    rules.dense("head", "classifier.1"),
)

_LAYER = "vit.encoder.layer.{i-1}"
_ATTENTION = f"{_LAYER}.attention.attention"
VIT_RULES = rules.table(
    rules.conv(
        "patch_embedding", "vit.embeddings.patch_embeddings.projection", biased=True
    ),
    rules.Rule("params/class_token", ("vit.embeddings.cls_token",)),
    rules.Rule("params/position_embedding", ("vit.embeddings.position_embeddings",)),
    rules.layer_norm("block{i}/norm1", f"{_LAYER}.layernorm_before"),
    rules.dense(
        "block{i}/attention/qkv",
        *(f"{_ATTENTION}.{n}" for n in ("query", "key", "value")),
    ),
    rules.dense("block{i}/attention/out", f"{_LAYER}.attention.output.dense"),
    rules.layer_norm("block{i}/norm2", f"{_LAYER}.layernorm_after"),
    rules.dense("block{i}/mlp_in", f"{_LAYER}.intermediate.dense"),
    rules.dense("block{i}/mlp_out", f"{_LAYER}.output.dense"),
    rules.layer_norm("norm", "vit.layernorm"),
    rules.dense("head", "classifier"),
)

_FILTERS = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")  # Pillow's


def read_config(configs: Mapping, *needed: str) -> Mapping[str, Any]:
    """Finds config.json among the files, with the keys that are needed.

    Raises:
      ValueError: it is not there, or lacks one.
    """
    if "config.json" not in configs:
        raise ValueError(
            "weights in Hugging Face's names need their config.json; bring it into the "
            "folder of model.safetensors and give that folder as path"
        )
    found = configs["config.json"]
    absent = [key for key in needed if key not in found]
    if absent:
        raise ValueError(
            f"config.json lacks {absent[0]!r}; bring the one that save_pretrained wrote"
        )
    return found


def check_computed(config: Mapping, key: str, *computed: Any) -> None:
    """Checks that a network is computed here as its config says.

    Args:
      config: content of config.json; a missing key stands for the first value.
      key: of it.
      *computed: values that are.

    Raises:
      ValueError: the config has another.
    """
    if config.get(key, computed[0]) not in computed:
        raise ValueError(
            f"config.json has {key}={config[key]!r}, but the network here computes "
            f"{computed[0]!r} only; bring weights made with that"
        )


def _resnet_sizes(shapes: Mapping, configs: Mapping) -> rules.Sizes:
    config = read_config(
        configs,
        *("embedding_size", "hidden_sizes", "depths", "layer_type", "hidden_act"),
        *("downsample_in_first_stage",),
    )
    check_computed(config, "hidden_act", "relu")
    v1 = config.get("downsample_in_bottleneck", False)  # absent before 4.35
    fields = dict(
        stage_sizes=tuple(config["depths"]),
        features=tuple(config["hidden_sizes"]),
        stem_features=config["embedding_size"],
        block=config["layer_type"],
        stride_in="conv1" if v1 else "conv2",
        downsample_first_stage=bool(config["downsample_in_first_stage"]),
        num_classes=shapes.get("classifier.1.weight", (0,))[0],
    )
    channels = int(config.get("num_channels", 3))
    return rules.Sizes(fields, _prepared_size(configs) or (224, 224), channels)


def _vit_sizes(shapes: Mapping, configs: Mapping) -> rules.Sizes:
    config = read_config(
        configs,
        *("patch_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
        *("intermediate_size", "image_size", "layer_norm_eps", "hidden_act"),
    )
    check_computed(config, "hidden_act", "gelu")
    fields = dict(
        patch=config["patch_size"],
        width=config["hidden_size"],
        depth=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        mlp_dim=config["intermediate_size"],
        qkv_bias=bool(config.get("qkv_bias", True)),
        norm_epsilon=float(config["layer_norm_eps"]),
        num_classes=shapes.get("classifier.weight", (0,))[0],
    )
    size = positions.height_width(config["image_size"])
    return rules.Sizes(fields, size, int(config.get("num_channels", 3)))


def _prepared_size(configs: Mapping) -> tuple[int, int] | None:
    prepared = _prepares("", configs, (224, 224))
    return prepared.crop if prepared else None


def _prepares(
    file_name: str, configs: Mapping, image_size: tuple[int, int]
) -> preprocessing.Preprocessing | None:
    """Reads preprocessor_config.json: of ViT, ConvNeXt (ResNets too), Bit."""
    del file_name
    found = configs.get("preprocessor_config.json")
    if found is None or not found.get("do_rescale", True):
        return None
    size, resize, crop = found.get("size", image_size[0]), None, None
    short = size.get("shortest_edge") if isinstance(size, dict) else size
    if "crop_pct" in found and isinstance(short, int):
        crop = (short, short)
        resize = int(short / (found["crop_pct"] or 224 / 256)) if short < 384 else crop
    elif isinstance(size, dict) and "shortest_edge" in size:
        resize = int(short)
    else:
        resize = crop = positions.height_width(size)
    if found.get("do_center_crop") and "crop_size" in found:
        crop = positions.height_width(found["crop_size"])
    normalised = found.get("do_normalize", True)
    return preprocessing.Preprocessing(
        resize=resize if found.get("do_resize", True) else None,
        interpolation=_FILTERS[found.get("resample", 2)],
        crop=crop or image_size,
        mean=tuple(found.get("image_mean", (0.5,) * 3)) if normalised else (0.0,) * 3,
        std=tuple(found.get("image_std", (0.5,) * 3)) if normalised else (1.0,) * 3,
    )


def class_names(configs: Mapping) -> tuple[str, ...] | None:
    """Reads the classes of config.json; None where it has none, or made-up names."""
    named = configs.get("config.json", {}).get("id2label") or {}
    names = tuple(str(named[key]) for key in sorted(named, key=int))
    made_up = all(name == f"LABEL_{i}" for i, name in enumerate(names))
    return None if made_up else names


def _resnet_configs(
    model, sizes: rules.Sizes, prepared, class_names
) -> dict[str, dict]:
    own = dict(
        architectures=["ResNetForImageClassification"],
        model_type="resnet",
        num_channels=sizes.channels,
        embedding_size=model.stem_features,
        hidden_sizes=list(model.features),
        depths=list(model.stage_sizes),
        layer_type=model.block,
        hidden_act="relu",
        downsample_in_first_stage=model.downsample_first_stage,
        downsample_in_bottleneck=model.stride_in == "conv1",
    )
    return with_labels(own, model.num_classes, class_names) | _preprocessor(prepared)


def _vit_configs(model, sizes: rules.Sizes, prepared, class_names) -> dict[str, dict]:
    height, width = sizes.image_size
    own = dict(
        architectures=["ViTForImageClassification"],
        model_type="vit",
        num_channels=sizes.channels,
        image_size=height if height == width else [height, width],
        patch_size=model.patch,
        hidden_size=model.width,
        num_hidden_layers=model.depth,
        num_attention_heads=model.heads,
        intermediate_size=model.mlp_dim,
        hidden_act="gelu",
        layer_norm_eps=model.norm_epsilon,
        qkv_bias=model.qkv_bias,
    )
    return with_labels(own, model.num_classes, class_names) | _preprocessor(prepared)


def with_labels(config: dict, count: int, names) -> dict[str, dict]:
    """Adds the classes to what config.json will hold."""
    names = names or [f"LABEL_{i}" for i in range(count)]
    config["id2label"] = {str(i): name for i, name in enumerate(names)}
    config["label2id"] = {name: i for i, name in enumerate(names)}
    return {"config.json": config}


def _preprocessor(prepared) -> dict[str, dict]:
    """Writes the rule as ViT's processor, or Bit's where the aspect ratio stays."""
    if prepared is None:
        return {}
    height, width = prepared.crop
    config = dict(
        do_resize=prepared.resize is not None,
        do_rescale=True,
        rescale_factor=1 / 255,
        do_normalize=True,
        image_mean=list(prepared.mean),
        image_std=list(prepared.std),
        resample=_FILTERS.index(prepared.interpolation),
        image_processor_type="ViTImageProcessor",
        size=dict(height=height, width=width),
    )
    if prepared.resize not in (None, prepared.crop):
        edge = prepared.resize
        config |= dict(
            image_processor_type="BitImageProcessor",
            size=dict(shortest_edge=edge)
            if isinstance(edge, int)
            else dict(height=edge[0], width=edge[1]),
            do_center_crop=True,
            crop_size=dict(height=height, width=width),
        )
    return {"preprocessor_config.json": config}


_SHARED = dict(
    publisher="huggingface", preprocessing=_prepares, class_names=class_names
)

FORMATS = (
    rules.Format(
        architecture="resnet",
        rules=RESNET_RULES,
        marks=("resnet.embedder.embedder.convolution.weight",),
        sizes=_resnet_sizes,
        implied=dict(stem="imagenet", shortcut="projection"),
        spellings=((r"^(?=embedder\.|encoder\.stages\.)", "resnet."),),  # ResNetModel
        harmless=torchvision.COUNTERS,
        configs=_resnet_configs,
        **_SHARED,
    ),
    rules.Format(
        architecture="vit",
        rules=VIT_RULES,
        marks=("vit.embeddings.cls_token", "vit.embeddings.position_embeddings"),
        sizes=_vit_sizes,
        implied=dict(pool="token"),
        spellings=(
            (r"^(?=embeddings\.|encoder\.layer\.|layernorm\.|pooler\.)", "vit."),
        ),
        harmless={
            r"^vit\.pooler\.": "the tanh layer behind a class token without head"
        },
        configs=_vit_configs,
        **_SHARED,
    ),
)

"""Weights in timm's names: ResNet (torchvision's names) and Vision Transformer.

The hub's folders hold a config.json with the architecture's name and how images are
prepared; sizes are read from the tensors. A file without it is read too.
https://github.com/huggingface/pytorch-image-models
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from research.weights import positions, preprocessing, rules, torchvision

# Names whose networks are the plain ones; others share tensors and compute otherwise.
_PLAIN = re.compile(
    r"(tv_|gluon_)?resnet\d+(_v1b)?"
    r"|(vit|deit)_(tiny|small|base|large|huge)_patch\d+_\d+(_in21k|_miil)?"
)


def _vit_rules(last_norm: str) -> tuple[rules.Rule, ...]:
    return rules.table(
        rules.conv("patch_embedding", "patch_embed.proj", biased=True),
        rules.Rule("params/class_token", ("cls_token",)),
        rules.Rule("params/position_embedding", ("pos_embed",)),
        rules.layer_norm("block{i}/norm1", "blocks.{i-1}.norm1"),
        rules.dense("block{i}/attention/qkv", "blocks.{i-1}.attn.qkv"),
        rules.dense("block{i}/attention/out", "blocks.{i-1}.attn.proj"),
        rules.layer_norm("block{i}/norm2", "blocks.{i-1}.norm2"),
        rules.dense("block{i}/mlp_in", "blocks.{i-1}.mlp.fc1"),
        rules.dense("block{i}/mlp_out", "blocks.{i-1}.mlp.fc2"),
        rules.layer_norm("norm", last_norm),
        rules.dense("head", "head"),
    )


def _resnet_sizes(shapes: Mapping, configs: Mapping) -> rules.Sizes:
    _check_architecture(configs)
    sizes = torchvision.resnet_sizes(shapes, configs)
    return rules.Sizes(sizes.fields, _input_size(configs), sizes.channels)


def _vit_sizes(shapes: Mapping, configs: Mapping) -> rules.Sizes:
    _check_architecture(configs)
    width, channels, patch, _ = shapes["patch_embed.proj.weight"]
    layers = [re.match(r"blocks\.(\d+)\.", name) for name in shapes]
    fields = dict(
        patch=patch,
        width=width,
        depth=len({match[1] for match in layers if match}),
        mlp_dim=shapes.get("blocks.0.mlp.fc1.weight", (0,))[0],
        qkv_bias="blocks.0.attn.qkv.bias" in shapes,
        num_classes=shapes.get("head.weight", (0,))[0],
    ) | torchvision.heads(width)
    arguments = configs.get("config.json", {}).get("model_args") or {}
    if "num_heads" in arguments:
        fields["heads"] = int(arguments["num_heads"])
    if arguments.get("img_size"):
        size = positions.height_width(arguments["img_size"])
    else:
        token = "cls_token" in shapes
        size = positions.image_size(shapes["pos_embed"][1], token, patch)
    return rules.Sizes(fields, size, channels)


def _check_architecture(configs: Mapping) -> None:
    name = configs.get("config.json", {}).get("architecture")
    if name is not None and not _PLAIN.fullmatch(str(name)):
        raise ValueError(
            f"timm's {name!r} is another network than the plain ResNet and ViT "
            "built here; bring weights such as timm's resnet50 or vit_base_patch16_224"
        )


def _belongs(configs: Mapping) -> bool:
    return "architecture" in configs.get("config.json", {})


def _input_size(configs: Mapping) -> tuple[int, int]:
    found = configs["config.json"].get("pretrained_cfg") or {}
    _, height, width = found.get("input_size", (3, 224, 224))
    return int(height), int(width)


def _prepares(
    file_name: str, configs: Mapping, image_size: tuple[int, int]
) -> preprocessing.Preprocessing | None:
    """Reads timm's evaluation rule; a file without config.json has none."""
    del file_name
    found = configs.get("config.json", {}).get("pretrained_cfg") or {}
    known = {"crop_pct", "interpolation", "mean", "std"} <= set(found)
    if not known or found.get("crop_mode", "center") == "border":
        return None
    scaled = tuple(math.floor(side / found["crop_pct"]) for side in image_size)
    square = scaled[0] == scaled[1] and found.get("crop_mode") != "squash"
    return preprocessing.Preprocessing(
        resize=scaled[0] if square else scaled,
        interpolation=found["interpolation"],
        crop=image_size,
        mean=tuple(found["mean"]),
        std=tuple(found["std"]),
    )


def _class_names(configs: Mapping) -> tuple[str, ...] | None:
    config = configs.get("config.json", {})
    names = config.get("label_names") or (config.get("pretrained_cfg") or {}).get(
        "label_names"
    )
    return tuple(map(str, names)) if names else None


# (block, stage sizes) and (width, patch): timm's names; model_args say the rest.
_RESNETS = {
    ("basic", (2, 2, 2, 2)): "resnet18",
    ("basic", (3, 4, 6, 3)): "resnet34",
    ("bottleneck", (3, 4, 6, 3)): "resnet50",
    ("bottleneck", (3, 4, 23, 3)): "resnet101",
    ("bottleneck", (3, 8, 36, 3)): "resnet152",
}
_VITS = {
    (192, 16): "vit_tiny_patch16_224",
    (384, 16): "vit_small_patch16_224",
    (384, 32): "vit_small_patch32_224",
    (768, 8): "vit_base_patch8_224",
    (768, 16): "vit_base_patch16_224",
    (768, 32): "vit_base_patch32_224",
    (1024, 16): "vit_large_patch16_224",
    (1024, 32): "vit_large_patch32_224",
    (1280, 14): "vit_huge_patch14_224",
}


def _configs(model, sizes: rules.Sizes, prepared, class_names) -> dict[str, dict]:
    """Writes the config.json from which timm builds the same network."""
    height, width = sizes.image_size
    arguments: dict[str, Any] = {}
    if hasattr(model, "stage_sizes"):
        key = (model.block, tuple(model.stage_sizes))
        name = _RESNETS.get(key)
        if name is None:
            name = "resnet18" if model.block == "basic" else "resnet50"
            arguments = dict(layers=list(model.stage_sizes))
    else:
        name = _VITS.get((model.width, model.patch), "vit_base_patch16_224")
        arguments = dict(
            img_size=[height, width],
            patch_size=model.patch,
            embed_dim=model.width,
            depth=model.depth,
            num_heads=model.heads,
            mlp_ratio=model.mlp_dim / model.width,
            qkv_bias=model.qkv_bias,
        )
        if model.pool == "mean":
            arguments |= dict(global_pool="avg", class_token=False)
    stated: dict[str, Any] = dict(
        input_size=[sizes.channels, height, width], num_classes=model.num_classes
    )
    if prepared is not None:
        resize, crop = prepared.resize, prepared.crop
        side = resize if isinstance(resize, int) else (resize or crop)[0]
        stated |= dict(
            crop_pct=crop[0] / side,
            crop_mode="center" if isinstance(resize, int) else "squash",
            interpolation=prepared.interpolation,
            mean=list(prepared.mean),
            std=list(prepared.std),
        )
    config = dict(
        architecture=name,
        num_classes=model.num_classes,
        model_args=arguments,
        pretrained_cfg=stated,
    )
    if class_names is not None:
        config["label_names"] = list(class_names)
    return {"config.json": config}


_SHARED = dict(
    publisher="timm",
    spellings=torchvision.WRAPPED,
    preprocessing=_prepares,
    class_names=_class_names,
    configs=_configs,
)
_VIT = dict(architecture="vit", sizes=_vit_sizes)

FORMATS = (
    rules.Format(
        architecture="resnet",
        rules=torchvision.RESNET_RULES,
        marks=("conv1.weight", "bn1.weight", "layer1.0.conv1.weight"),
        sizes=_resnet_sizes,
        belongs=_belongs,
        implied=torchvision.RESNET_IMPLIED,
        harmless=torchvision.COUNTERS,
        **_SHARED,
    ),
    rules.Format(
        rules=_vit_rules("norm"),
        marks=("patch_embed.proj.weight", "pos_embed", "cls_token", "norm.weight"),
        implied=dict(pool="token", norm_epsilon=1e-6),
        **_VIT,
        **_SHARED,
    ),
    rules.Format(  # mean pooling without a class token: the norm comes after the mean
        rules=_vit_rules("fc_norm"),
        marks=("patch_embed.proj.weight", "pos_embed", "fc_norm.weight"),
        implied=dict(pool="mean", norm_epsilon=1e-6),
        **_VIT,
        **_SHARED,
    ),
)

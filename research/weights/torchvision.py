"""Weights in torchvision's names: ResNet, ViT, VGG, AlexNet; files without config.

Sizes are read from the tensors' shapes. What shapes cannot tell is torchvision's own:
ResNets stride in the 3x3 convolution ("v1.5"), ViT's heads follow from its width.
https://github.com/pytorch/vision/tree/main/torchvision/models
"""

import re
from collections.abc import Mapping

from research.weights import positions, preprocessing, rules

# Width of every published ViT -> its heads: Table 1 of the ViT and DeiT papers.
HEADS = {192: 3, 384: 6, 768: 12, 1024: 16, 1280: 16}

RESNET_RULES = rules.table(
    rules.conv("stem_conv", "conv1"),
    rules.batch_norm("stem_norm", "bn1"),
    rules.conv("stage{s}_block{b}/conv{c}", "layer{s}.{b-1}.conv{c}"),
    rules.batch_norm("stage{s}_block{b}/norm{c}", "layer{s}.{b-1}.bn{c}"),
    rules.conv("stage{s}_block{b}/shortcut_conv", "layer{s}.{b-1}.downsample.0"),
    rules.batch_norm("stage{s}_block{b}/shortcut_norm", "layer{s}.{b-1}.downsample.1"),
    rules.dense("head", "fc"),
)

_BLOCK = "encoder.layers.encoder_layer_{i-1}"
VIT_RULES = rules.table(
    rules.conv("patch_embedding", "conv_proj", biased=True),
    rules.Rule("params/class_token", ("class_token",)),
    rules.Rule("params/position_embedding", ("encoder.pos_embedding",)),
    rules.layer_norm("block{i}/norm1", f"{_BLOCK}.ln_1"),
    # queries, keys and values are stacked in this order, as they are here
    rules.dense("block{i}/attention/qkv", f"{_BLOCK}.self_attention.in_proj", dot="_"),
    rules.dense("block{i}/attention/out", f"{_BLOCK}.self_attention.out_proj"),
    rules.layer_norm("block{i}/norm2", f"{_BLOCK}.ln_2"),
    rules.dense("block{i}/mlp_in", f"{_BLOCK}.mlp.0"),
    rules.dense("block{i}/mlp_out", f"{_BLOCK}.mlp.3"),
    rules.layer_norm("norm", "encoder.ln"),
    rules.dense("head", "heads.head"),
)

COUNTERS = {r"\.num_batches_tracked$": "counters that PyTorch's batch norms keep"}
WRAPPED = ((r"^module\.", ""),)  # torch.nn.DataParallel
RESNET_IMPLIED = dict(
    stem="imagenet",
    shortcut="projection",
    stride_in="conv2",
    downsample_first_stage=False,
)


def resnet_sizes(
    shapes: Mapping[str, tuple[int, ...]], configs: Mapping
) -> rules.Sizes:
    """Reads a ResNet's sizes from its tensors' shapes."""
    del configs
    blocks = {
        (int(match[1]), int(match[2]))
        for match in (re.match(r"layer(\d+)\.(\d+)\.conv1\.weight", n) for n in shapes)
        if match
    }
    stages = range(1, 1 + max(stage for stage, _ in blocks))
    last = "conv3" if "layer1.0.conv3.weight" in shapes else "conv2"
    fields = dict(
        stage_sizes=tuple(sum(s == stage for s, _ in blocks) for stage in stages),
        features=tuple(
            shapes.get(f"layer{s}.0.{last}.weight", (0,))[0] for s in stages
        ),
        stem_features=shapes["conv1.weight"][0],
        block="bottleneck" if last == "conv3" else "basic",
        num_classes=shapes.get("fc.weight", (0,))[0],
    )
    return rules.Sizes(fields, (224, 224), shapes["conv1.weight"][1])


def trunk_sizes(shapes: Mapping, configs: Mapping, trunk: str) -> tuple[dict, int]:
    """Reads the sizes of a detector's ResNet, whose names begin with `trunk`.

    Returns:
      (fields without classes, channels of its images)
    """
    inner = {
        name.removeprefix(f"{trunk}."): shape
        for name, shape in shapes.items()
        if name.startswith(trunk)
    }
    found = resnet_sizes(inner, configs)
    fields = {k: v for k, v in found.fields.items() if k != "num_classes"}
    return fields, found.channels


def vit_sizes(shapes: Mapping[str, tuple[int, ...]], configs: Mapping) -> rules.Sizes:
    """Reads a ViT's sizes from its tensors' shapes."""
    del configs
    width, channels, patch, _ = shapes["conv_proj.weight"]
    layers = [re.match(r"encoder\.layers\.encoder_layer_(\d+)\.", n) for n in shapes]
    fields = dict(
        patch=patch,
        width=width,
        depth=len({match[1] for match in layers if match}),
        mlp_dim=shapes.get(f"{_BLOCK.replace('{i-1}', '0')}.mlp.0.weight", (0,))[0],
        num_classes=shapes.get("heads.head.weight", (0,))[0],
    )
    count = shapes["encoder.pos_embedding"][1]
    size = positions.image_size(count, token=True, patch=patch)
    return rules.Sizes(fields | heads(width), size, channels)


def heads(width: int) -> dict[str, int]:
    """Tells the heads of a published ViT by its width; nothing for other widths."""
    return {"heads": HEADS[width]} if width in HEADS else {}


def prepares(
    file_name: str, configs: Mapping, image_size: tuple[int, int]
) -> preprocessing.Preprocessing:
    """Tells how torchvision prepares images for the weights of this file name."""
    del configs
    tag = re.search(r"-([0-9a-f]{8})\.", file_name)
    usual = (round(min(image_size) / 0.875), "bilinear")
    resize, interpolation = _RESIZES.get(tag[1] if tag else "", usual)
    return preprocessing.Preprocessing(
        resize=resize,
        interpolation=interpolation,
        crop=image_size,
        mean=preprocessing.IMAGENET_MEAN,
        std=preprocessing.IMAGENET_STD,
    )


# Files whose shorter side does not become 256, bilinearly: hash in the name -> rule.
_RESIZES = {
    "11ad3fa6": (232, "bilinear"),  # resnet50, second weights
    "cd907fc2": (232, "bilinear"),  # resnet101, second weights
    "f82ba261": (232, "bilinear"),  # resnet152, second weights
    "852ce7e3": (242, "bilinear"),  # vit_l_16
    "9ac1b537": (384, "bicubic"),  # vit_b_16, SWAG
    "4e70ced5": (224, "bicubic"),  # vit_b_16, SWAG, linear
    "4f3808c9": (512, "bicubic"),  # vit_l_16, SWAG
    "4d563306": (224, "bicubic"),  # vit_l_16, SWAG, linear
    "80465313": (518, "bicubic"),  # vit_h_14, SWAG
    "c1eb923e": (224, "bicubic"),  # vit_h_14, SWAG, linear
}


def _vgg(stage_sizes: tuple[int, ...], norm: str) -> rules.Format:
    """Makes the form of one VGG, whose layers, ReLUs and pools are numbered."""
    table, marks, places, place = [], [], [], 0
    for i, count in enumerate(stage_sizes, 1):
        for j in range(1, count + 1):
            table.append(rules.conv(f"conv{i}_{j}", f"features.{place}", biased=True))
            marks.append(f"features.{place}.weight")
            if j == 1:
                places.append(place)
            if norm == "batch":
                table.append(rules.batch_norm(f"norm{i}_{j}", f"features.{place + 1}"))
                marks.append(f"features.{place + 1}.running_mean")
            place += 3 if norm == "batch" else 2
        place += 1

    def sizes(shapes: Mapping, configs: Mapping) -> rules.Sizes:
        del configs
        fields = dict(
            features=tuple(shapes[f"features.{p}.weight"][0] for p in places),
            hidden=shapes["classifier.0.weight"][0],
            num_classes=shapes["classifier.6.weight"][0],
        )
        return rules.Sizes(fields, (224, 224), shapes["features.0.weight"][1])

    return rules.Format(
        architecture="vgg",
        rules=rules.table(
            *table,
            rules.dense("hidden1", "classifier.0", form=rules.flattened(7)),
            rules.dense("hidden2", "classifier.3"),
            rules.dense("head", "classifier.6"),
        ),
        marks=(*marks, "classifier.0.weight", "classifier.6.weight"),
        sizes=sizes,
        implied=dict(stage_sizes=stage_sizes, norm=norm),
        **_SHARED,
    )


def _alexnet_sizes(shapes: Mapping, configs: Mapping) -> rules.Sizes:
    del configs
    fields = dict(
        features=tuple(shapes[f"features.{p}.weight"][0] for p in _ALEXNET_PLACES),
        hidden=shapes["classifier.1.weight"][0],
        num_classes=shapes["classifier.6.weight"][0],
    )
    return rules.Sizes(fields, (224, 224), shapes["features.0.weight"][1])


_ALEXNET_PLACES = (0, 3, 6, 8, 10)
ALEXNET_RULES = rules.table(
    *(
        rules.conv(f"conv{i}", f"features.{place}", biased=True)
        for i, place in enumerate(_ALEXNET_PLACES, 1)
    ),
    rules.dense("hidden1", "classifier.1", form=rules.flattened(6)),
    rules.dense("hidden2", "classifier.4"),
    rules.dense("head", "classifier.6"),
)

_SHARED = dict(
    publisher="torchvision", harmless=COUNTERS, preprocessing=prepares, alone=True
)
# Table 1 of the VGG paper: A, B, D, E.
_VGGS = ((1, 1, 2, 2, 2), (2, 2, 2, 2, 2), (2, 2, 3, 3, 3), (2, 2, 4, 4, 4))

FORMATS = (
    rules.Format(
        architecture="resnet",
        rules=RESNET_RULES,
        marks=("conv1.weight", "bn1.weight", "layer1.0.conv1.weight"),
        sizes=resnet_sizes,
        implied=RESNET_IMPLIED,
        belongs=lambda configs: "config.json" not in configs,
        spellings=WRAPPED,
        **_SHARED,
    ),
    rules.Format(
        architecture="vit",
        rules=VIT_RULES,
        marks=("conv_proj.weight", "class_token", "encoder.pos_embedding"),
        sizes=vit_sizes,
        implied=dict(pool="token", qkv_bias=True, norm_epsilon=1e-6),
        # published files have the names of torchvision 0.12
        spellings=(
            *WRAPPED,
            (r"\.mlp\.linear_1\.", ".mlp.0."),
            (r"\.mlp\.linear_2\.", ".mlp.3."),
        ),
        **_SHARED,
    ),
    rules.Format(
        architecture="alexnet",
        rules=ALEXNET_RULES,
        marks=(
            *(f"features.{place}.weight" for place in _ALEXNET_PLACES),
            *("classifier.1.weight", "classifier.6.weight"),
        ),
        sizes=_alexnet_sizes,
        **_SHARED,
    ),
    *(_vgg(sizes, norm) for sizes in _VGGS for norm in ("none", "batch")),
)

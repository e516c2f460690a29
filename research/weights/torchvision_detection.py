"""RetinaNet in torchvision's names (`retinanet_resnet50_fpn`); files without config.

https://github.com/pytorch/vision/blob/main/torchvision/models/detection/retinanet.py
"""

from collections.abc import Mapping

from research.weights import rules, torchvision

_ANCHORS = 9
_BODY, _PYRAMID = "backbone.body", "backbone.fpn"


def _conv(ours: str, theirs: str) -> tuple[rules.Rule, ...]:
    return rules.conv(ours, theirs, biased=True)


_CLASSES, _BOXES = "head.classification_head", "head.regression_head"
_RULES = rules.table(
    rules.trunk(torchvision.RESNET_RULES, _BODY),
    # before out{l}, which names every level
    _conv("pyramid/out6", f"{_PYRAMID}.extra_blocks.p6"),
    _conv("pyramid/out7", f"{_PYRAMID}.extra_blocks.p7"),
    _conv("pyramid/lateral{l}", f"{_PYRAMID}.inner_blocks.{{l-3}}.0"),
    _conv("pyramid/out{l}", f"{_PYRAMID}.layer_blocks.{{l-3}}.0"),
    _conv("class_head/conv{i}", f"{_CLASSES}.conv.{{i-1}}.0"),
    _conv("class_head/out", f"{_CLASSES}.cls_logits"),
    _conv("box_head/conv{i}", f"{_BOXES}.conv.{{i-1}}.0"),
    _conv("box_head/out", f"{_BOXES}.bbox_reg"),
)


def _sizes(shapes: Mapping[str, tuple[int, ...]], configs: Mapping) -> rules.Sizes:
    fields, channels = torchvision.trunk_sizes(shapes, configs, _BODY)
    fields |= dict(
        pyramid=shapes[f"{_PYRAMID}.inner_blocks.0.0.weight"][0],
        depth=sum(
            name.startswith(f"{_CLASSES}.conv.") and name.endswith(".weight")
            for name in shapes
        ),
        num_classes=shapes[f"{_CLASSES}.cls_logits.weight"][0] // _ANCHORS,
    )
    return rules.Sizes(fields, (800, 1344), channels)


# torchvision 0.13 put each convolution into a block of its own: files have both forms
_OLDER = (
    (r"\.(inner|layer)_blocks\.(\d)\.(weight|bias)$", r".\1_blocks.\2.0.\3"),
    *(
        (rf"_head\.conv\.{2 * k}\.(weight|bias)$", rf"_head.conv.{k}.0.\1")
        for k in range(4)
    ),
)

FORMATS = (
    rules.Format(
        publisher="torchvision",
        architecture="retinanet",
        rules=_RULES,
        marks=(f"{_BODY}.conv1.weight", f"{_CLASSES}.cls_logits.weight"),
        sizes=_sizes,
        spellings=(*torchvision.WRAPPED, *_OLDER),
        harmless=torchvision.COUNTERS,
        alone=True,
        task="detection",
    ),
)

"""Weights of the Diffusion Transformer as its authors publish them.

A file (DiT-XL-2-256x256.pt) holds the averaged network's tensors alone; sizes are read
from them. The table of positions in it is fixed and made anew here.
https://github.com/facebookresearch/DiT
"""

import math
import re
from collections.abc import Mapping

from research.weights import rules

RULES = rules.table(
    rules.conv("patch_embedding", "x_embedder.proj", biased=True),
    rules.dense("time_in", "t_embedder.mlp.0"),
    rules.dense("time_out", "t_embedder.mlp.2"),
    rules.Rule("params/label/embedding", ("y_embedder.embedding_table.weight",)),
    rules.dense("block{i}/modulation", "blocks.{i-1}.adaLN_modulation.1"),
    rules.dense("block{i}/attention/qkv", "blocks.{i-1}.attn.qkv"),
    rules.dense("block{i}/attention/out", "blocks.{i-1}.attn.proj"),
    rules.dense("block{i}/mlp_in", "blocks.{i-1}.mlp.fc1"),
    rules.dense("block{i}/mlp_out", "blocks.{i-1}.mlp.fc2"),
    rules.dense("modulation", "final_layer.adaLN_modulation.1"),
    rules.dense("head", "final_layer.linear"),
)


def _sizes(shapes: Mapping, configs: Mapping) -> rules.Sizes:
    del configs
    width, channels, patch, _ = shapes["x_embedder.proj.weight"]
    blocks = [re.match(r"blocks\.(\d+)\.", name) for name in shapes]
    fields = dict(
        patch=patch,
        width=width,
        depth=len({match[1] for match in blocks if match}),
        # XL's heads are 72 wide, all others 64 (their models.py).
        heads=16 if width == 1152 else max(1, width // 64),
        mlp_ratio=shapes["blocks.0.mlp.fc1.weight"][0] // width,
        classes=shapes["y_embedder.embedding_table.weight"][0] - 1,
        outputs=shapes["final_layer.linear.weight"][0] // patch**2,
    )
    side = patch * math.isqrt(shapes["pos_embed"][1])
    return rules.Sizes(fields, (side, side), channels)


FORMATS = (
    rules.Format(
        publisher="dit",
        architecture="dit",
        rules=RULES,
        marks=("x_embedder.proj.weight", "pos_embed", "final_layer.linear.weight"),
        sizes=_sizes,
        harmless={r"^pos_embed$": "fixed positions, which are made anew"},
        exports=False,
        task="diffusion",
    ),
)

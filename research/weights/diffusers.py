"""Weights of DDPM's U-Net as Hugging Face's diffusers saves them (UNet2DModel).

A folder holds config.json, which decides all sizes, and the weights, as in
google/ddpm-cifar10-32. https://huggingface.co/docs/diffusers/api/models/unet2d
"""

from collections.abc import Mapping
from functools import partial

from research.weights import huggingface, rules


def _block(ours: str, theirs: str) -> tuple[rules.Rule, ...]:
    return rules.table(
        rules.layer_norm(f"{ours}/norm1", f"{theirs}.norm1"),
        rules.conv(f"{ours}/conv1", f"{theirs}.conv1", biased=True),
        rules.dense(f"{ours}/time", f"{theirs}.time_emb_proj"),
        rules.layer_norm(f"{ours}/norm2", f"{theirs}.norm2"),
        rules.conv(f"{ours}/conv2", f"{theirs}.conv2", biased=True),
        rules.conv(f"{ours}/shortcut", f"{theirs}.conv_shortcut", biased=True),
    )


def _attention(ours: str, theirs: str) -> tuple[rules.Rule, ...]:
    qkv = (f"{theirs}.to_{letter}" for letter in "qkv")
    return rules.table(
        rules.layer_norm(f"{ours}/norm", f"{theirs}.group_norm"),
        rules.dense(f"{ours}/attention/qkv", *qkv),
        rules.dense(f"{ours}/attention/out", f"{theirs}.to_out.0"),
    )


def _rules(levels: int) -> tuple[rules.Rule, ...]:
    """Makes the table of a net of so many levels; its way up begins at the last."""
    up = []
    for i in range(levels):
        theirs = f"up_blocks.{levels - 1 - i}"
        up += _block(f"up{i}_{{j}}", f"{theirs}.resnets.{{j}}")
        up += _attention(f"up{i}_{{j}}_attention", f"{theirs}.attentions.{{j}}")
        up += rules.conv(f"up{i}_double", f"{theirs}.upsamplers.0.conv", biased=True)
    down = "down_blocks.{i}"
    return rules.table(
        rules.conv("conv_in", "conv_in", biased=True),
        rules.dense("time_in", "time_embedding.linear_1"),
        rules.dense("time_out", "time_embedding.linear_2"),
        _block("down{i}_{j}", f"{down}.resnets.{{j}}"),
        _attention("down{i}_{j}_attention", f"{down}.attentions.{{j}}"),
        rules.conv("down{i}_halve", f"{down}.downsamplers.0.conv", biased=True),
        _block("middle_{j}", "mid_block.resnets.{j}"),
        _attention("middle_{j}_attention", "mid_block.attentions.{j}"),
        *up,
        rules.layer_norm("norm_out", "conv_norm_out"),
        rules.conv("conv_out", "conv_out", biased=True),
    )


def _sizes(shapes: Mapping, configs: Mapping) -> rules.Sizes:
    del shapes
    config = huggingface.read_config(
        configs,
        *("block_out_channels", "layers_per_block", "down_block_types", "sample_size"),
        *("in_channels", "out_channels"),
    )
    for key, computed in (
        ("act_fn", "silu"),
        ("norm_eps", 1e-6),
        ("freq_shift", 1),
        ("flip_sin_to_cos", False),
        ("downsample_padding", 0),
        ("attention_head_dim", None),
        ("time_embedding_type", "positional"),
    ):
        # Absent keys stand for the library's own values, some of them others.
        huggingface.check_computed({key: config.get(key)}, key, computed)
    widths, side = config["block_out_channels"], int(config["sample_size"])
    attending = [kind.startswith("Attn") for kind in config["down_block_types"]]
    fields = dict(
        channels=widths[0],
        multipliers=tuple(width // widths[0] for width in widths),
        blocks=config["layers_per_block"],
        attention=tuple(side // 2**i for i, attends in enumerate(attending) if attends),
        groups=config.get("norm_num_groups", 32),
        classes=0,
        outputs=config["out_channels"],
    )
    return rules.Sizes(fields, (side, side), config["in_channels"])


def _has(levels: int, configs: Mapping) -> bool:
    return len(configs.get("config.json", {}).get("block_out_channels", ())) == levels


FORMATS = tuple(
    rules.Format(
        publisher="diffusers",
        architecture="unet",
        rules=_rules(levels),
        marks=("time_embedding.linear_1.weight", "mid_block.resnets.0.conv1.weight"),
        sizes=_sizes,
        belongs=partial(_has, levels),
        spellings=(  # names before diffusers 0.15
            (r"\.query\.", ".to_q."),
            (r"\.key\.", ".to_k."),
            (r"\.value\.", ".to_v."),
            (r"\.proj_attn\.", ".to_out.0."),
        ),
        exports=False,
        task="diffusion",
    )
    for levels in range(1, 8)
)

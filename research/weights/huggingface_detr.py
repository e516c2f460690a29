"""DETR as Hugging Face transformers saves it (`DetrForObjectDetection`).

The trunk has timm's names, as in facebook/detr-resnet-50, or transformers' own; both
are read, the latter written. config.json decides all sizes.
https://huggingface.co/docs/transformers/model_doc/detr
"""

from collections.abc import Mapping

from research.weights import huggingface, rules, torchvision

_TRUNK = "model.backbone.conv_encoder.model"
_ENCODER = "model.encoder.layers.{i-1}"
_DECODER = "model.decoder.layers.{i-1}"


def _attention(ours: str, theirs: str) -> tuple[rules.Rule, ...]:
    return rules.table(
        rules.dense(f"{ours}/query", f"{theirs}.q_proj"),
        rules.dense(f"{ours}/key", f"{theirs}.k_proj"),
        rules.dense(f"{ours}/value", f"{theirs}.v_proj"),
        rules.dense(f"{ours}/out", f"{theirs}.out_proj"),
    )


_TRANSFORMER = rules.table(
    rules.conv("input_projection", "model.input_projection", biased=True),
    rules.Rule("params/queries", ("model.query_position_embeddings.weight",)),
    _attention("encoder{i}/self_attention", f"{_ENCODER}.self_attn"),
    rules.layer_norm("encoder{i}/norm1", f"{_ENCODER}.self_attn_layer_norm"),
    rules.dense("encoder{i}/mlp_in", f"{_ENCODER}.fc1"),
    rules.dense("encoder{i}/mlp_out", f"{_ENCODER}.fc2"),
    rules.layer_norm("encoder{i}/norm2", f"{_ENCODER}.final_layer_norm"),
    _attention("decoder{i}/self_attention", f"{_DECODER}.self_attn"),
    rules.layer_norm("decoder{i}/norm1", f"{_DECODER}.self_attn_layer_norm"),
    _attention("decoder{i}/cross_attention", f"{_DECODER}.encoder_attn"),
    rules.layer_norm("decoder{i}/norm2", f"{_DECODER}.encoder_attn_layer_norm"),
    rules.dense("decoder{i}/mlp_in", f"{_DECODER}.fc1"),
    rules.dense("decoder{i}/mlp_out", f"{_DECODER}.fc2"),
    rules.layer_norm("decoder{i}/norm3", f"{_DECODER}.final_layer_norm"),
    rules.layer_norm("decoder_norm", "model.decoder.layernorm"),
    rules.dense("class_head", "class_labels_classifier"),
    rules.dense("box_head{i}", "bbox_predictor.layers.{i-1}"),
)
# timm gives its ResNets torchvision's names
_TIMM_RULES = rules.trunk(torchvision.RESNET_RULES, _TRUNK) + _TRANSFORMER
_OWN_RULES = rules.trunk(huggingface.RESNET_RULES, _TRUNK, "resnet.") + _TRANSFORMER


def _transformer_sizes(config: Mapping, shapes: Mapping) -> dict:
    huggingface.check_computed(config, "activation_function", "relu")
    huggingface.check_computed(config, "position_embedding_type", "sine")
    huggingface.check_computed(config, "dilation", False)
    if config["encoder_layers"] != config["decoder_layers"]:
        raise ValueError(
            f"config.json has {config['encoder_layers']} encoder and "
            f"{config['decoder_layers']} decoder layers, but the network here has as "
            "many of each; bring weights made with that"
        )
    return dict(
        depth=config["encoder_layers"],
        width=config["d_model"],
        heads=config["encoder_attention_heads"],
        mlp_dim=config["encoder_ffn_dim"],
        queries=shapes["model.query_position_embeddings.weight"][0],
        num_classes=shapes["class_labels_classifier.weight"][0] - 1,
    )


def _config(configs: Mapping) -> Mapping:
    return huggingface.read_config(
        configs,
        *("encoder_layers", "decoder_layers", "d_model", "encoder_attention_heads"),
        "encoder_ffn_dim",
    )


def _timm_sizes(shapes: Mapping, configs: Mapping) -> rules.Sizes:
    fields, channels = torchvision.trunk_sizes(shapes, configs, _TRUNK)
    told = _transformer_sizes(_config(configs), shapes)
    return rules.Sizes(fields | told, (800, 1344), channels)


def _own_sizes(shapes: Mapping, configs: Mapping) -> rules.Sizes:
    config = _config(configs)
    trunk = config.get("backbone_config") or {}
    huggingface.check_computed(trunk, "model_type", "resnet")
    huggingface.check_computed(trunk, "hidden_act", "relu")
    huggingface.check_computed(trunk, "downsample_in_first_stage", False)
    huggingface.check_computed(trunk, "downsample_in_bottleneck", False)
    fields = dict(
        stage_sizes=tuple(trunk["depths"]),
        features=tuple(trunk["hidden_sizes"]),
        stem_features=trunk["embedding_size"],
        block=trunk["layer_type"],
    )
    told = _transformer_sizes(config, shapes)
    return rules.Sizes(fields | told, (800, 1344), int(trunk.get("num_channels", 3)))


def _configs(model, sizes: rules.Sizes, prepared, class_names) -> dict[str, dict]:
    trunk = dict(
        model_type="resnet",
        num_channels=sizes.channels,
        embedding_size=model.stem_features,
        hidden_sizes=list(model.features),
        depths=list(model.stage_sizes),
        layer_type=model.block,
        hidden_act="relu",
        out_features=["stage4"],
    )
    own = dict(
        architectures=["DetrForObjectDetection"],
        model_type="detr",
        backbone_config=trunk,
        use_timm_backbone=False,
        num_queries=model.queries,
        d_model=model.width,
        encoder_layers=model.depth,
        decoder_layers=model.depth,
        encoder_attention_heads=model.heads,
        decoder_attention_heads=model.heads,
        encoder_ffn_dim=model.mlp_dim,
        decoder_ffn_dim=model.mlp_dim,
        activation_function="relu",
        position_embedding_type="sine",
    )
    return huggingface.with_labels(own, model.num_classes, class_names)


_SHARED = dict(
    publisher="huggingface",
    architecture="detr",
    # transformers 5 has other names in memory, and in files that it did not rename
    spellings=(
        (r"^model\.backbone\.model\.", f"{_TRUNK}."),
        (r"\.o_proj\.", ".out_proj."),
        (r"\.mlp\.(fc[12])\.", r".\1."),
    ),
    harmless=torchvision.COUNTERS,
    class_names=huggingface.class_names,
    task="detection",
)
_MARKS = ("class_labels_classifier.weight", "model.query_position_embeddings.weight")

FORMATS = (
    rules.Format(
        rules=_OWN_RULES,
        marks=(*_MARKS, f"{_TRUNK}.embedder.embedder.convolution.weight"),
        sizes=_own_sizes,
        configs=_configs,
        **_SHARED,
    ),
    rules.Format(
        rules=_TIMM_RULES,
        marks=(*_MARKS, f"{_TRUNK}.conv1.weight"),
        sizes=_timm_sizes,
        **_SHARED,
    ),
)

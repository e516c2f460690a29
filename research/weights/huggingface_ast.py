"""The Audio Spectrogram Transformer's weights as Hugging Face transformers saves them.

Read are `ASTModel` and `ASTForAudioClassification`: config.json decides the sizes,
preprocessor_config.json the rate and the normalisation of the filter bank.
https://huggingface.co/docs/transformers/model_doc/audio-spectrogram-transformer
"""

from collections.abc import Mapping

from research.weights import huggingface, rules

_NET = "audio_spectrogram_transformer"
_EMBEDDINGS, _LAYER = f"{_NET}.embeddings", f"{_NET}.encoder.layer.{{i-1}}"
RULES = rules.table(
    rules.conv(
        "patch_embedding", f"{_EMBEDDINGS}.patch_embeddings.projection", biased=True
    ),
    rules.Rule("params/class_token", (f"{_EMBEDDINGS}.cls_token",)),
    rules.Rule("params/distillation_token", (f"{_EMBEDDINGS}.distillation_token",)),
    rules.Rule("params/position_embedding", (f"{_EMBEDDINGS}.position_embeddings",)),
    rules.layer_norm("block{i}/norm1", f"{_LAYER}.layernorm_before"),
    rules.dense(
        "block{i}/attention/qkv",
        *(f"{_LAYER}.attention.attention.{n}" for n in ("query", "key", "value")),
    ),
    rules.dense("block{i}/attention/out", f"{_LAYER}.attention.output.dense"),
    rules.layer_norm("block{i}/norm2", f"{_LAYER}.layernorm_after"),
    rules.dense("block{i}/mlp_in", f"{_LAYER}.intermediate.dense"),
    rules.dense("block{i}/mlp_out", f"{_LAYER}.output.dense"),
    rules.layer_norm("norm", f"{_NET}.layernorm"),
    rules.layer_norm("head_norm", "classifier.layernorm"),
    rules.dense("head", "classifier.dense"),
)
_PREPROCESSOR = "preprocessor_config.json"


def _sizes(shapes: Mapping, configs: Mapping) -> rules.Sizes:
    config = huggingface.read_config(
        configs,
        *("patch_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
        *("intermediate_size", "layer_norm_eps", "hidden_act", "max_length"),
        *("num_mel_bins", "frequency_stride", "time_stride"),
    )
    huggingface.check_computed(config, "hidden_act", "gelu")
    huggingface.check_computed(config, "time_stride", config["frequency_stride"])
    found = configs.get(_PREPROCESSOR, {})
    huggingface.check_computed(found, "do_normalize", True)
    prepared = {"mean": "mean", "std": "std", "sampling_rate": "sample_rate"}
    return rules.Sizes(
        dict(
            frames=config["max_length"],
            mels=config["num_mel_bins"],
            patch=config["patch_size"],
            stride=config["frequency_stride"],
            width=config["hidden_size"],
            depth=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            mlp_dim=config["intermediate_size"],
            qkv_bias=bool(config.get("qkv_bias", True)),
            norm_epsilon=float(config["layer_norm_eps"]),
            num_classes=shapes.get("classifier.dense.weight", (0,))[0],
        )
        | {ours: found[theirs] for theirs, ours in prepared.items() if theirs in found}
    )


def _configs(model, sizes: rules.Sizes, prepared, class_names) -> dict[str, dict]:
    del sizes, prepared
    config = dict(
        architectures=["ASTForAudioClassification"],
        model_type="audio-spectrogram-transformer",
        patch_size=model.patch,
        frequency_stride=model.stride,
        time_stride=model.stride,
        max_length=model.frames,
        num_mel_bins=model.mels,
        hidden_size=model.width,
        num_hidden_layers=model.depth,
        num_attention_heads=model.heads,
        intermediate_size=model.mlp_dim,
        hidden_act="gelu",
        layer_norm_eps=model.norm_epsilon,
        qkv_bias=model.qkv_bias,
    )
    prepares = dict(
        feature_extractor_type="ASTFeatureExtractor",
        sampling_rate=model.sample_rate,
        num_mel_bins=model.mels,
        max_length=model.frames,
        do_normalize=True,
        mean=model.mean,
        std=model.std,
        feature_size=1,
        padding_value=0.0,
        padding_side="right",
        return_attention_mask=False,
    )
    labelled = huggingface.with_labels(config, model.num_classes, class_names)
    return labelled | {_PREPROCESSOR: prepares}


FORMATS = (
    rules.Format(
        publisher="huggingface",
        architecture="ast",
        rules=RULES,
        marks=(f"{_EMBEDDINGS}.distillation_token",),
        sizes=_sizes,
        spellings=((r"^(?=embeddings\.|encoder\.layer\.|layernorm\.)", f"{_NET}."),),
        class_names=huggingface.class_names,
        configs=_configs,
    ),
)

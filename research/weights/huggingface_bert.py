"""BERT's weights as Hugging Face transformers saves them.

Read are `BertModel`, `BertForPreTraining`, `BertForMaskedLM`,
`BertForNextSentencePrediction` and `BertForSequenceClassification`; config.json decides
the sizes, the tensors which heads there are. Files of the first years name scale and
bias of a layer norm gamma and beta, and hold copies of tied tensors.
https://huggingface.co/docs/transformers/model_doc/bert
"""

from collections.abc import Mapping
from functools import partial

from research.weights import huggingface, rules

_MLM = "cls.predictions"
_HEADS = rules.table(
    rules.dense("mlm_dense", f"{_MLM}.transform.dense"),
    rules.layer_norm("mlm_norm", f"{_MLM}.transform.LayerNorm"),
    rules.Rule("params/mlm_bias", (f"{_MLM}.bias",)),
    rules.dense("nsp_head", "cls.seq_relationship"),
    rules.dense("head", "classifier"),
)


def _embedding(ours: str, theirs: str) -> rules.Rule:
    return rules.Rule(f"params/{ours}_embedding/embedding", (f"{theirs}.weight",))


def _encoder(prefix: str) -> tuple[rules.Rule, ...]:
    """Makes the rules of all but the heads; a network with heads has a prefix."""
    embeddings, layer = f"{prefix}embeddings", f"{prefix}encoder.layer.{{i-1}}"
    attention = f"{layer}.attention"
    return rules.table(
        _embedding("token", f"{embeddings}.word_embeddings"),
        _embedding("position", f"{embeddings}.position_embeddings"),
        _embedding("type", f"{embeddings}.token_type_embeddings"),
        rules.layer_norm("embedding_norm", f"{embeddings}.LayerNorm"),
        rules.dense(
            "layer{i}/attention/qkv",
            *(f"{attention}.self.{name}" for name in ("query", "key", "value")),
        ),
        rules.dense("layer{i}/attention/out", f"{attention}.output.dense"),
        rules.layer_norm("layer{i}/attention_norm", f"{attention}.output.LayerNorm"),
        rules.dense("layer{i}/mlp_in", f"{layer}.intermediate.dense"),
        rules.dense("layer{i}/mlp_out", f"{layer}.output.dense"),
        rules.layer_norm("layer{i}/mlp_norm", f"{layer}.output.LayerNorm"),
        rules.dense("pooler", f"{prefix}pooler.dense"),
    )


# What the network here computes; a config that lacks a key means its first value.
_COMPUTED = {
    "hidden_act": ("gelu",),
    "position_embedding_type": ("absolute",),
    "is_decoder": (False,),
    "add_cross_attention": (False,),
    "tie_word_embeddings": (True,),
}


def _sizes(shapes: Mapping, configs: Mapping, prefix: str) -> rules.Sizes:
    config = huggingface.read_config(
        configs,
        *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
        *("intermediate_size", "max_position_embeddings"),
    )
    for key, computed in _COMPUTED.items():
        huggingface.check_computed(config, key, *computed)
    return rules.Sizes(
        dict(
            vocab_size=config["vocab_size"],
            width=config["hidden_size"],
            depth=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            mlp_dim=config["intermediate_size"],
            max_length=config["max_position_embeddings"],
            types=config.get("type_vocab_size", 2),
            dropout=float(config.get("hidden_dropout_prob", 0.1)),
            norm_epsilon=float(config.get("layer_norm_eps", 1e-12)),
            pooler=f"{prefix}pooler.dense.weight" in shapes,
            mlm_head=f"{_MLM}.bias" in shapes,
            nsp_head="cls.seq_relationship.weight" in shapes,
            num_classes=shapes.get("classifier.weight", (0,))[0],
        )
    )


def _belongs(configs: Mapping) -> bool:
    """Tells BERT from its descendants, whose tensors bear the same names."""
    return configs.get("config.json", {}).get("model_type", "bert") == "bert"


def _configs(model, sizes, prepared, class_names, network: str) -> dict[str, dict]:
    del sizes, prepared
    if network == "BertForPreTraining" and not model.nsp_head:
        network = "BertForMaskedLM"
    config = dict(
        architectures=[network],
        model_type="bert",
        vocab_size=model.vocab_size,
        hidden_size=model.width,
        num_hidden_layers=model.depth,
        num_attention_heads=model.heads,
        intermediate_size=model.mlp_dim,
        max_position_embeddings=model.max_length,
        type_vocab_size=model.types,
        hidden_act="gelu",
        hidden_dropout_prob=model.dropout,
        attention_probs_dropout_prob=model.dropout,
        layer_norm_eps=model.norm_epsilon,
        initializer_range=0.02,
        pad_token_id=0,
        tie_word_embeddings=True,
    )
    if model.num_classes:
        return huggingface.with_labels(config, model.num_classes, class_names)
    return {"config.json": config}


def _form(network: str, prefix: str, marks: tuple[str, ...], task: str, **implied):
    return rules.Format(
        publisher="huggingface",
        architecture="bert",
        rules=_encoder(prefix) + _HEADS,
        marks=(f"{prefix}embeddings.token_type_embeddings.weight", *marks),
        sizes=partial(_sizes, prefix=prefix),
        belongs=_belongs,
        implied=implied,
        parts=("pooler", "mlm_head", "nsp_head"),
        spellings=((r"LayerNorm\.gamma$", "LayerNorm.weight"),)
        + ((r"LayerNorm\.beta$", "LayerNorm.bias"),),
        harmless={
            r"^cls\.predictions\.decoder\.": "copies of tied tensors",
            r"embeddings\.position_ids$": "the numbers of the positions",
        },
        class_names=huggingface.class_names,
        configs=partial(_configs, network=network),
        task=task,
    )


_MASKED, _NONE = "masked_language_modeling", dict(mlm_head=False, nsp_head=False)
FORMATS = (
    _form("BertModel", "", (), _MASKED, **_NONE, num_classes=0),
    _form(
        "BertForPreTraining",
        "bert.",
        (f"{_MLM}.bias",),
        _MASKED,
        mlm_head=True,
        num_classes=0,
    ),
    _form(
        "BertForNextSentencePrediction",
        "bert.",
        ("cls.seq_relationship.weight",),
        _MASKED,
        mlm_head=False,
        nsp_head=True,
        num_classes=0,
    ),
    _form(
        "BertForSequenceClassification",
        "bert.",
        ("classifier.weight",),
        "text_classification",
        **_NONE,
    ),
)

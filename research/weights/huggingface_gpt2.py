"""GPT-2's weights as Hugging Face transformers saves them.

Read are `GPT2LMHeadModel` and `GPT2Model`; config.json decides the sizes. Linear layers
are stored as (in, out) there, as here. Older files also hold the causal mask of every
layer, and the tied head once more.
https://huggingface.co/docs/transformers/model_doc/gpt2
"""

from collections.abc import Mapping

from research.weights import huggingface, rules

_LAYER = "transformer.h.{i-1}"
RULES = rules.table(
    rules.Rule("params/token_embedding/embedding", ("transformer.wte.weight",)),
    rules.Rule("params/position_embedding/embedding", ("transformer.wpe.weight",)),
    rules.layer_norm("block{i}/norm1", f"{_LAYER}.ln_1"),
    rules.dense("block{i}/attention/qkv", f"{_LAYER}.attn.c_attn", form=rules.SAME),
    rules.dense("block{i}/attention/out", f"{_LAYER}.attn.c_proj", form=rules.SAME),
    rules.layer_norm("block{i}/norm2", f"{_LAYER}.ln_2"),
    rules.dense("block{i}/mlp_in", f"{_LAYER}.mlp.c_fc", form=rules.SAME),
    rules.dense("block{i}/mlp_out", f"{_LAYER}.mlp.c_proj", form=rules.SAME),
    rules.layer_norm("norm", "transformer.ln_f"),
    rules.Rule("params/head/kernel", ("lm_head.weight",), rules.TRANSPOSED),
)

# What the network here computes; a config that lacks a key means its first value.
_COMPUTED = {
    "activation_function": ("gelu_new", "gelu_pytorch_tanh"),  # one function
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention": (False,),
}


def _sizes(shapes: Mapping, configs: Mapping) -> rules.Sizes:
    del shapes
    config = huggingface.read_config(
        configs, "vocab_size", "n_positions", "n_embd", "n_layer", "n_head"
    )
    for key, computed in _COMPUTED.items():
        huggingface.check_computed(config, key, *computed)
    return rules.Sizes(
        dict(
            context=config["n_positions"],
            width=config["n_embd"],
            depth=config["n_layer"],
            heads=config["n_head"],
            mlp_dim=config.get("n_inner") or 4 * config["n_embd"],
            tied=bool(config.get("tie_word_embeddings", True)),
            norm_epsilon=float(config.get("layer_norm_epsilon", 1e-5)),
            vocab_size=config["vocab_size"],
        )
    )


def _configs(model, sizes: rules.Sizes, prepared, class_names) -> dict[str, dict]:
    del sizes, prepared, class_names
    end = 50_256 if model.vocab_size == 50_257 else None  # <|endoftext|>
    inner = None if model.mlp_dim == 4 * model.width else model.mlp_dim
    config = dict(
        architectures=["GPT2LMHeadModel"],
        model_type="gpt2",
        vocab_size=model.vocab_size,
        n_positions=model.context,
        n_embd=model.width,
        n_layer=model.depth,
        n_head=model.heads,
        n_inner=inner,
        activation_function="gelu_new",
        layer_norm_epsilon=model.norm_epsilon,
        tie_word_embeddings=model.tied,
        **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), model.dropout),
        bos_token_id=end,
        eos_token_id=end,
    )
    return {"config.json": config}


FORMATS = (
    rules.Format(
        publisher="huggingface",
        architecture="gpt",
        rules=RULES,
        marks=("transformer.wte.weight", "transformer.h.0.attn.c_attn.weight"),
        sizes=_sizes,
        implied=dict(bias=True),
        spellings=((r"^(?=h\.|wte\.|wpe\.|ln_f\.)", "transformer."),),  # GPT2Model
        harmless={
            r"\.attn\.(masked_)?bias$": "causal masks, which are computed here",
            r"^lm_head\.weight$": "the head, which is the token embedding",
        },
        configs=_configs,
        task="language_modeling",
    ),
)

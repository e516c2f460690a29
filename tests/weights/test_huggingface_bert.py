"""BERT's published forms: parity with transformers, round trips, other heads."""

import json

import jax
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from research import weights
from research.models import bert
from research.weights import published

SMALL = dict(
    vocab_size=99,
    hidden_size=32,
    num_hidden_layers=3,
    num_attention_heads=4,
    intermediate_size=48,
    max_position_embeddings=24,
    num_labels=5,
)
CLASSES = {
    "BertModel": {},
    "BertForPreTraining": {
        "mlm_logits": "prediction_logits",
        "nsp_logits": "seq_relationship_logits",
    },
    "BertForMaskedLM": {"mlm_logits": "logits"},
    "BertForNextSentencePrediction": {"nsp_logits": "logits"},
    "BertForSequenceClassification": {"logits": "logits"},
}


@pytest.fixture
def reference(transformers, torch):
    """Makes a network of transformers in which every parameter matters."""

    def make(name, **fields):
        config = transformers.BertConfig(**SMALL | fields)
        module = getattr(transformers, name)(config)
        with torch.no_grad():
            for value in module.parameters():
                value.add_(0.1 * torch.randn_like(value))
        return module.eval()

    return make


@pytest.fixture
def inputs():
    """Rows of two segments, and of different lengths: a whole one, one token."""
    rng = np.random.default_rng(0)
    mask = np.arange(17) < np.array([[17], [9], [1]])
    return dict(
        input_ids=rng.integers(0, 99, (3, 17)),
        token_type_ids=rng.integers(0, 2, (3, 17)),
        attention_mask=mask.astype(np.int64),
    )


def _hidden(module, _):
    return isinstance(module, bert.Layer)


@pytest.fixture
def agrees(torch, inputs):
    """Asserts that all hidden states and logits are the reference's within 1e-4."""

    def check(model, variables, module, heads):
        @jax.jit
        def run(variables, inputs):
            ids = inputs.pop("input_ids")
            return model.apply(
                variables,
                ids,
                **inputs,
                train=False,
                capture_intermediates=_hidden,
                mutable=["intermediates"],
            )

        found, states = run(variables, dict(inputs))
        with torch.no_grad():
            tensors = {k: torch.from_numpy(v) for k, v in inputs.items()}
            there = module(**tensors, output_hidden_states=True)
        real = inputs["attention_mask"].astype(bool)
        for i in range(model.depth):
            here = states["intermediates"][f"layer{i + 1}"]["__call__"][0]
            expected = there.hidden_states[i + 1].numpy()
            assert np.max(np.abs(here - expected)[real]) <= 1e-4
        np.testing.assert_array_equal(here, found["hidden"])
        names = {"hidden", *heads} | ({"pooled"} if model.pooler else set())
        assert set(found) == names
        if getattr(there, "pooler_output", None) is not None:
            heads = heads | {"pooled": "pooler_output"}
        for name, theirs in heads.items():
            expected = getattr(there, theirs).numpy()
            assert np.std(expected) > 0.01
            error = np.abs(found[name] - expected)
            assert np.max(error[real] if name == "mlm_logits" else error) <= 1e-4

    return check


@pytest.mark.parametrize("name", CLASSES)
def test_every_class_agrees_and_is_written_back_byte_by_byte(
    name, reference, agrees, tmp_path
):
    module = reference(name)
    module.save_pretrained(tmp_path / "net")
    model, variables = weights.load("bert-base-uncased", path=tmp_path / "net")
    agrees(model, variables, module, CLASSES[name])
    weights.export(model, variables, tmp_path / "out", "huggingface")
    there = safetensors_numpy.load_file(tmp_path / "net" / "model.safetensors")
    here = safetensors_numpy.load_file(tmp_path / "out" / "model.safetensors")
    assert here.keys() == there.keys()
    for key, values in there.items():
        assert here[key].shape == values.shape
        assert here[key].tobytes() == values.tobytes()
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == [name]
    again = type(module).from_pretrained(tmp_path / "out").eval()
    agrees(model, variables, again, CLASSES[name])


def test_old_names_copies_and_pickles_are_read(torch, reference, agrees, tmp_path):
    module = reference("BertForPreTraining")
    module.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): value
        for name, value in module.state_dict().items()
    }
    assert "cls.predictions.decoder.weight" in old
    old["bert.embeddings.position_ids"] = torch.arange(24)[None]
    torch.save(old, tmp_path / "pytorch_model.bin")
    agrees(*weights.load(tmp_path), module, CLASSES["BertForPreTraining"])


def test_other_sizes(reference, agrees, tmp_path):
    module = reference(
        "BertForPreTraining",
        hidden_size=48,
        num_attention_heads=2,
        layer_norm_eps=1e-5,
        type_vocab_size=3,
        num_hidden_layers=1,
    )
    module.save_pretrained(tmp_path)
    agrees(*weights.load(tmp_path), module, CLASSES["BertForPreTraining"])


def test_a_classifier_takes_the_encoder_and_draws_its_head(reference, tmp_path, caplog):
    reference("BertForPreTraining").save_pretrained(tmp_path)
    _, whole = weights.load(tmp_path)
    caplog.set_level("INFO", "research.weights")
    model, variables = weights.load(
        tmp_path, mlm_head=False, nsp_head=False, num_classes=3
    )
    assert caplog.messages == [
        f"{tmp_path} has a head of 0 classes, the model one of 3: it starts anew",
        f"{tmp_path}: the mlm_head is left out",
        f"{tmp_path}: the nsp_head is left out",
    ]
    own, theirs = variables["params"], whole["params"]
    assert own["head"]["kernel"].shape == (32, 3)
    assert set(theirs) - set(own) == {"mlm_dense", "mlm_norm", "mlm_bias", "nsp_head"}
    for name in set(own) - {"head"}:
        jax.tree.map(np.testing.assert_array_equal, own[name], theirs[name])


def test_a_missing_pooler_starts_anew(reference, tmp_path, caplog):
    reference("BertForMaskedLM").save_pretrained(tmp_path)
    _, variables = weights.load(tmp_path, pooler=True, mlm_head=False, num_classes=2)
    assert f"{tmp_path} has no pooler: it starts anew" in caplog.messages
    assert np.std(variables["params"]["pooler"]["kernel"]) == pytest.approx(
        0.0176, rel=0.1
    )


def test_names_and_tasks_come_with_the_weights(reference, tmp_path):
    names = {0: "bad", 1: "good"}
    for name, fields, task in (
        ("BertForSequenceClassification", dict(id2label=names), "text_classification"),
        ("BertForMaskedLM", {}, "masked_language_modeling"),
        ("BertModel", {}, "masked_language_modeling"),
    ):
        folder = tmp_path / name
        fields = {"num_labels": 2, **fields}
        reference(name, **fields).save_pretrained(folder)
        assert weights.task(folder) == task
    found = weights.describe(tmp_path / "BertForSequenceClassification")
    assert found.class_names == ("bad", "good")


def test_a_name_with_other_sizes_is_told(reference, tmp_path, caplog):
    reference("BertModel").save_pretrained(tmp_path)
    weights.describe("bert-base-uncased", path=tmp_path)
    assert caplog.messages == [
        f"{tmp_path} is no bert-base-uncased: its config.json says width=32, depth=3, "
        "mlp_dim=48, vocab_size=99"
    ]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            dict(hidden_act="gelu_new"),
            "config.json has hidden_act='gelu_new', but the network here computes "
            "'gelu' only; bring weights made with that",
        ),
        (
            dict(tie_word_embeddings=False),
            "config.json has tie_word_embeddings=False, but the network here computes "
            "True only; bring weights made with that",
        ),
        (
            dict(position_embedding_type="relative_key"),
            "config.json has position_embedding_type='relative_key', but the network "
            "here computes 'absolute' only; bring weights made with that",
        ),
    ],
)
def test_what_is_not_computed_here_is_refused(change, sentence, reference, tmp_path):
    reference("BertModel").save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ValueError) as error:
        weights.load(tmp_path)
    assert str(error.value) == sentence


def test_a_wrong_vocabulary_size_is_told_with_the_tensor(reference, tmp_path):
    reference("BertModel").save_pretrained(tmp_path)
    with pytest.raises(ValueError) as error:
        weights.load(tmp_path, vocab_size=98)
    assert "embeddings.word_embeddings.weight: gives (99, 32)" in str(error.value)
    assert "token_embedding/embedding is (98, 32)" in str(error.value)


def test_a_descendant_of_bert_is_no_bert(transformers, tmp_path):
    config = transformers.RobertaConfig(**SMALL)
    transformers.RobertaModel(config).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="holds tensors of no known form"):
        published.describe(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["base", "tiny"])
def test_full_networks(transformers, reference, agrees, name, tmp_path):
    sizes = dict(vocab_size=30522, max_position_embeddings=512)
    sizes |= {
        "base": dict(
            hidden_size=768,
            num_hidden_layers=12,
            num_attention_heads=12,
            intermediate_size=3072,
        ),
        "tiny": dict(
            hidden_size=128,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=512,
        ),
    }[name]
    config = transformers.BertConfig(**sizes)
    module = transformers.BertForPreTraining(config).eval()
    module.save_pretrained(tmp_path)
    model, variables = weights.load(tmp_path)
    agrees(model, variables, module, CLASSES["BertForPreTraining"])

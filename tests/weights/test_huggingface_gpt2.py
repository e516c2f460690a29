"""GPT-2 as transformers computes it: logits, hidden states, masks, greedy texts.

Within 1e-4, for float32 sums in another order.
"""

import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from research import weights
from research.models import gpt
from research.tasks import generation

SMALL = dict(vocab_size=97, n_positions=24, n_embd=32, n_layer=3, n_head=4)
LENGTH = 10


@pytest.fixture
def gpt2(transformers, lively):
    """Makes a small GPT-2 with random weights, each of which counts."""

    def make(kind="GPT2LMHeadModel", **fields):
        tokens = dict(bos_token_id=None, eos_token_id=None)
        config = transformers.GPT2Config(**SMALL | tokens | fields)
        return lively(getattr(transformers, kind)(config))

    return make


def _tokens():
    return np.random.default_rng(0).integers(0, 97, (3, LENGTH)).astype(np.int32)


def _mask():
    """The second row begins behind 4 places of padding, the third behind 9."""
    return np.arange(LENGTH)[None] >= np.asarray([[0], [4], [9]])


def _run(module, torch, **options):
    """Runs the reference on the masked tokens, positions counted from its first."""
    mask = _mask()
    with torch.no_grad():
        return module(
            torch.from_numpy(_tokens()).long(),
            attention_mask=torch.from_numpy(mask).long(),
            position_ids=torch.from_numpy(np.maximum(mask.cumsum(1) - 1, 0)),
            **options,
        )


def _assert_agrees(model, variables, module, torch):
    run = jax.jit(partial(model.apply, train=False))
    here = run(variables, jnp.asarray(_tokens()), mask=jnp.asarray(_mask()))
    there = _run(module, torch).logits.numpy()
    assert here.shape == there.shape and here.dtype == np.float32
    assert np.std(there) > 0.01
    assert np.max(np.abs(here - there)[_mask()]) <= 1e-4


@pytest.mark.parametrize(
    "fields",
    [
        dict(),
        dict(n_inner=48, n_head=2, layer_norm_epsilon=1e-3),
        dict(tie_word_embeddings=False),
    ],
    ids=["plain", "other sizes", "a head of its own"],
)
def test_gpt2(torch, transformers, gpt2, fields, tmp_path):
    module = gpt2(**fields)
    module.save_pretrained(tmp_path / "net")
    model, variables = weights.load("gpt2-of-mine/net", path=tmp_path / "net")
    _assert_agrees(model, variables, module, torch)
    weights.export(model, variables, tmp_path / "out", "huggingface")
    first, second = (
        safetensors_numpy.load_file(tmp_path / name / "model.safetensors")
        for name in ("net", "out")
    )
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        assert tensor.tobytes() == second[name].tobytes(), name
    again = transformers.GPT2LMHeadModel.from_pretrained(tmp_path / "out").eval()
    _assert_agrees(model, variables, again, torch)


def test_hidden_states_and_a_network_without_head(torch, gpt2, tmp_path):
    module = gpt2("GPT2Model")
    module.save_pretrained(tmp_path)
    model, variables = weights.load(tmp_path)
    there = _run(module, torch, output_hidden_states=True).hidden_states
    _, kept = model.apply(
        variables,
        jnp.asarray(_tokens()),
        mask=jnp.asarray(_mask()),
        train=False,
        capture_intermediates=True,
        mutable=["intermediates"],
    )
    kept = kept["intermediates"]
    here = [kept[f"block{i}"]["__call__"][0][0] for i in (1, 2)]
    here.append(kept["norm"]["__call__"][0])  # theirs is normalised at the end
    for ours, reference in zip(here, there[1:], strict=True):
        assert np.max(np.abs(ours - reference.numpy())[_mask()]) <= 1e-4


def test_files_of_the_first_years(torch, gpt2, tmp_path, caplog):
    """Names without prefix, masks as tensors, the tied head once more, a pickle."""
    module = gpt2()
    module.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    old = {n.removeprefix("transformer."): t for n, t in module.state_dict().items()}
    for i in range(3):
        old[f"h.{i}.attn.bias"] = torch.ones(1, 1, 24, 24).tril()
        old[f"h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
    torch.save(old, tmp_path / "pytorch_model.bin")
    config = json.loads((tmp_path / "config.json").read_text())
    for key in ("tie_word_embeddings", "n_inner", "add_cross_attention"):
        del config[key]
    (tmp_path / "config.json").write_text(json.dumps(config))
    caplog.set_level("INFO", "research.weights")
    model, variables = weights.load(tmp_path)
    assert caplog.messages == [
        f"{tmp_path}: 1 tensors not read: the head, which is the token embedding",
        f"{tmp_path}: 6 tensors not read: causal masks, which are computed here",
    ]
    _assert_agrees(model, variables, module, torch)


def test_greedy_texts_are_the_same_token_for_token(torch, gpt2, tmp_path):
    module = gpt2(tie_word_embeddings=False)
    with torch.no_grad():  # far from ties, and from saying one thing again and again
        for value in module.parameters():
            value.mul_(5 if value.ndim == 2 else 1)
        module.transformer.wpe.weight.mul_(10)
    module.save_pretrained(tmp_path)
    model, variables = weights.load(tmp_path)
    given = torch.from_numpy(_tokens()).long()
    mask = torch.from_numpy(_mask()).long()
    stop = int(
        module.generate(
            given,
            attention_mask=mask,
            do_sample=False,
            max_new_tokens=14,
            pad_token_id=0,
        )[0, LENGTH + 5]
    )
    for end in (None, stop):
        there = module.generate(
            given,
            attention_mask=mask,
            do_sample=False,
            max_new_tokens=14,
            pad_token_id=end or 0,
            eos_token_id=end,
        )[:, LENGTH:].numpy()
        write = jax.jit(partial(generation.generate, model, max_tokens=14, stop=end))
        here = write(
            variables,
            jnp.asarray(_tokens()),
            mask=jnp.asarray(_mask()),
            key=jax.random.key(0),
        )
        assert len(np.unique(there)) > 5
        np.testing.assert_array_equal(here[:, : there.shape[1]], there)


def test_our_own_form_brings_texts_back(gpt2, tmp_path):
    gpt2().save_pretrained(tmp_path / "net")
    model, variables = weights.load(tmp_path / "net")
    weights.export(model, variables, tmp_path / "ours")
    found = weights.describe(tmp_path / "ours")
    assert (found.image_size, found.channels, found.preprocessing) == (None, 0, None)
    again, same = weights.load(tmp_path / "ours")
    assert again == model
    jax.tree.map(np.testing.assert_array_equal, same, variables)


def test_what_does_not_fit_is_one_sentence(gpt2, tmp_path):
    gpt2().save_pretrained(tmp_path)

    def message(function):
        with pytest.raises(ValueError) as error:
            function()
        return str(error.value)

    fields = dict(context=24, width=32, depth=3, heads=4, mlp_dim=128, vocab_size=96)
    other = gpt.build("124M", **fields)
    assert message(lambda: weights.read(tmp_path, other)) == (
        f"{tmp_path} was made by a gpt with vocab_size=97 (here 96); give the model "
        "these fields"
    )
    assert message(lambda: weights.load(tmp_path, image_size=224)) == (
        f"{tmp_path} holds a gpt, which reads no images, but image_size=224 is asked "
        "for; leave it out"
    )
    config = json.loads((tmp_path / "config.json").read_text())
    config["scale_attn_by_inverse_layer_idx"] = True
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert message(lambda: weights.load(tmp_path)) == (
        "config.json has scale_attn_by_inverse_layer_idx=True, but the network here "
        "computes False only; bring weights made with that"
    )


def test_a_name_with_other_sizes_is_told(gpt2, tmp_path, caplog):
    gpt2().save_pretrained(tmp_path)
    weights.describe("gpt2", path=tmp_path)
    assert caplog.messages == [
        f"{tmp_path} is no gpt2: its config.json says width=32, depth=3, mlp_dim=128, "
        "vocab_size=97"
    ]


@pytest.mark.slow
def test_full_gpt2(torch, transformers, lively, tmp_path):
    config = transformers.GPT2Config()
    module = lively(transformers.GPT2LMHeadModel(config))
    module.save_pretrained(tmp_path)
    model, variables = weights.load("gpt2", path=tmp_path)
    count = sum(leaf.size for leaf in jax.tree.leaves(variables))
    assert count == 124_439_808
    _assert_agrees(model, variables, module, torch)

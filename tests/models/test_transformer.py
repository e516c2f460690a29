"""The Transformer against PyTorch's layers, and step by step against all at once."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import transformer

SOURCE = np.array([[3, 4, 5, 6, 0, 0], [7, 8, 9, 3, 2, 1]], np.int32)
TARGET = np.array([[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]], np.int32)


@functools.cache
def _model(norm="post", **overrides):
    """Builds a small model with random parameters."""
    model = transformer.build("debug", depth=2, norm=norm, **overrides)
    shapes = jax.eval_shape(
        functools.partial(model.init, train=False),
        jax.random.key(0),
        *map(jnp.asarray, (SOURCE, TARGET)),
    )
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        middle = path[-1].key == "scale"
        return jnp.asarray(rng.normal(middle, 0.3, leaf.shape), jnp.float32)

    return model, jax.tree_util.tree_map_with_path(draw, shapes)


@functools.partial(jax.jit, static_argnums=0, static_argnames=("method", "mutable"))
def _jitted(model, variables, *arguments, **options):
    return model.apply(variables, *arguments, train=False, **options)


def _apply(model, variables, *arguments, **options):
    return _jitted(model, variables, *jax.tree.map(jnp.asarray, arguments), **options)


def _torch_layer(torch, kind, params, norm: str):
    """Copies a layer's parameters into PyTorch's layer of the same form."""
    layer = kind(16, 2, 32, 0.0, batch_first=True, norm_first=norm == "pre")
    layer.eval()
    for each in (layer.norm1, layer.norm2, getattr(layer, "norm3", layer.norm1)):
        each.eps = 1e-6
    state = {
        "linear1": params["mlp"]["inner"],
        "linear2": params["mlp"]["outer"],
        "self_attn.in_proj_": params["self_attention"]["qkv"],
        "self_attn.out_proj": params["self_attention"]["out"],
    }
    if "cross_attention" in params:
        cross = params["cross_attention"]
        state["multihead_attn.in_proj_"] = {
            name: jnp.concatenate(
                [cross["query"][name], cross["key_value"][name]], axis=-1
            )
            for name in ("kernel", "bias")
        }
        state["multihead_attn.out_proj"] = cross["out"]
    flat = {}
    for name, leaves in state.items():
        dot = "" if name.endswith("_") else "."
        flat[f"{name}{dot}weight"] = leaves["kernel"].T
        flat[f"{name}{dot}bias"] = leaves["bias"]
    for name in ("norm1", "norm2", "norm3"):
        if name in params:
            flat[f"{name}.weight"] = params[name]["scale"]
            flat[f"{name}.bias"] = params[name]["bias"]
    layer.load_state_dict({k: torch.tensor(np.asarray(v)) for k, v in flat.items()})
    return layer


def _positions(count: int, width: int) -> np.ndarray:
    """Section 3.5, one number at a time."""
    table = np.empty((count, width))
    for pos in range(count):
        for i in range(width // 2):
            angle = pos / 10_000 ** (2 * i / width)
            table[pos, 2 * i : 2 * i + 2] = np.sin(angle), np.cos(angle)
    return table


def _torch_logits(torch, params, norm: str) -> np.ndarray:
    """Applies PyTorch's layers between our embedding and our output table."""
    table = np.asarray(params["embedding"]["embedding"], np.float64)

    def embed(tokens):
        x = table[tokens] * 4 + _positions(tokens.shape[1], 16)[None]
        return torch.tensor(x, dtype=torch.float32)

    def finish(side, x):
        if norm == "post":
            return x
        scale, bias = (
            torch.tensor(np.asarray(params[f"{side}_norm"][name]))
            for name in ("scale", "bias")
        )
        return torch.nn.functional.layer_norm(x, (16,), scale, bias, 1e-6)

    hidden = torch.tensor(SOURCE == 0)
    memory, y = embed(SOURCE), embed(TARGET)
    causal = torch.triu(torch.full((5, 5), True), 1)
    with torch.inference_mode():
        for i in range(2):
            kind, own = torch.nn.TransformerEncoderLayer, params[f"encoder_{i}"]
            layer = _torch_layer(torch, kind, own, norm)
            memory = layer(memory, src_key_padding_mask=hidden)
        memory = finish("encoder", memory)
        for i in range(2):
            kind, own = torch.nn.TransformerDecoderLayer, params[f"decoder_{i}"]
            layer = _torch_layer(torch, kind, own, norm)
            y = layer(y, memory, tgt_mask=causal, memory_key_padding_mask=hidden)
        return finish("decoder", y).numpy() @ table.T


# PyTorch's fast path for inference, on which it warns, is not what is compared.
@pytest.mark.filterwarnings("ignore::UserWarning:torch")
@pytest.mark.parametrize("norm", transformer.NORMS)
def test_logits_equal_torch(norm):
    torch = pytest.importorskip("torch", reason="PyTorch is the reference")
    model, variables = _model(norm=norm)
    expected = _torch_logits(torch, variables["params"], norm)
    logits = _apply(model, variables, SOURCE, TARGET)
    np.testing.assert_allclose(logits, expected, atol=1e-4 * np.abs(expected).max())


_LEARNED = dict(positions="learned", max_length=6, tied=False)


@pytest.mark.parametrize(
    "overrides", [{"norm": "pre"}, pytest.param(_LEARNED, marks=pytest.mark.slow)]
)
def test_writing_step_by_step_equals_all_at_once(overrides):
    model, variables = _model(**overrides)
    memory = _apply(model, variables, SOURCE, method="encode")
    carry = model.apply(variables, memory, 6, method="initial_carry")
    parts = []
    for first, last in ((0, 2), (2, 4)):
        logits, carry = _apply(
            model, variables, TARGET[:, first:last], carry, memory, method="decode"
        )
        parts.append(logits)
    expected = _apply(model, variables, SOURCE, TARGET)[:, :4]
    np.testing.assert_allclose(jnp.concatenate(parts, 1), expected, atol=1e-5)


@pytest.mark.slow
def test_padding_of_the_source_changes_nothing():
    model, variables = _model()
    short = _apply(model, variables, SOURCE[:1, :4], TARGET[:1])
    padded = _apply(model, variables, SOURCE[:1], TARGET[:1])
    np.testing.assert_allclose(padded, short, atol=1e-6)


def test_no_position_sees_later_ones():
    model, variables = _model()
    changed = TARGET.copy()
    changed[:, 3:] = 7
    before, after = (_apply(model, variables, SOURCE, t) for t in (TARGET, changed))
    np.testing.assert_allclose(after[:, :3], before[:, :3], atol=1e-6)
    assert np.abs(after[:, 3:] - before[:, 3:]).max() > 0.1


def test_attention_maps_are_shares_of_the_real_tokens():
    model, variables = _model()
    _, seen = _apply(model, variables, SOURCE, TARGET, mutable="intermediates")
    for layer in ("decoder_0", "decoder_1"):
        (weights,) = seen["intermediates"][layer]["attention"]
        assert weights.shape == (2, 2, 5, 6)
        np.testing.assert_allclose(weights.sum(-1), 1.0, rtol=1e-5)
        assert (weights[0, :, :, 4:] == 0).all()


def test_the_tables_start_at_the_scale_that_is_stated():
    init = jax.jit(
        functools.partial(transformer.build("tiny", depth=1).init, train=False)
    )
    arguments = jax.tree.map(jnp.asarray, (SOURCE, TARGET))
    params = init(jax.random.key(0), *arguments)["params"]
    table = params["embedding"]["embedding"]
    assert abs(float(jnp.std(table)) * 128**0.5 - 1) < 0.01
    for name, fan in (("qkv", 256), ("out", 256)):
        kernel = params["encoder_0"]["self_attention"][name]["kernel"]
        assert abs(float(jnp.abs(kernel).max()) / (6 / fan) ** 0.5 - 1) < 0.01


def test_fields_that_contradict_each_other_are_refused():
    with pytest.raises(ValueError) as error:
        transformer.build("base", source_vocab_size=8)
    assert str(error.value) == (
        "tied embeddings need one vocabulary, got 8 source and 37000 target tokens; "
        "train one joint tokenizer or set tied=False"
    )
    with pytest.raises(ValueError) as error:
        transformer.build("base", heads=7)
    assert str(error.value) == (
        "transformer heads=7 must divide width=512; choose another number of heads"
    )
    model, variables = _model(**_LEARNED)
    with pytest.raises(ValueError) as error:
        _apply(model, variables, np.ones((1, 7), np.int32), TARGET[:1])
    assert str(error.value) == (
        "a sequence has 7 tokens, more than the max_length=6 learned positions; "
        "shorten it or raise max_length"
    )

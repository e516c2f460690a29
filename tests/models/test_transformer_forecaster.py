"""The Transformer forecaster's layers against PyTorch's, to 1e-4; what it reads."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import transformer_forecaster


def _normal(*shape, seed=0):
    drawn = np.random.default_rng(seed).normal(size=shape)
    return jnp.asarray(drawn, jnp.float32)


def _copy(torch, module, tree):
    weight = tree["scale"] if "scale" in tree else tree["kernel"].T
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.array(weight)))
        module.bias.copy_(torch.from_numpy(np.array(tree["bias"])))


def _attention(torch, module, tree, parts):
    """Fills a MultiheadAttention from projections side by side."""
    kernel, bias = (
        np.concatenate([np.array(tree[part][key]) for part in parts], axis=-1)
        for key in ("kernel", "bias")
    )
    with torch.no_grad():
        module.in_proj_weight.copy_(torch.from_numpy(kernel.T.copy()))
        module.in_proj_bias.copy_(torch.from_numpy(bias))
    _copy(torch, module.out_proj, tree["out"])


@pytest.mark.parametrize("decoder", [False, True])
def test_layers_equal_those_of_torch(decoder):
    torch = pytest.importorskip("torch")
    layer = transformer_forecaster.Layer(2, decoder, 0.1, {}, "native")
    z, memory = _normal(2, 5, 8), _normal(2, 7, 8, seed=1) if decoder else None
    variables = layer.init(jax.random.key(0), z, memory, train=False)
    found = layer.apply(variables, z, memory, train=False)
    params, fields = variables["params"], dict(activation="gelu", batch_first=True)
    given = [torch.from_numpy(np.array(z))]
    if decoder:
        theirs = torch.nn.TransformerDecoderLayer(8, 2, 32, **fields).eval()
        cross = params["cross_attention"]
        _attention(torch, theirs.multihead_attn, cross, ("query", "key_value"))
        given.append(torch.from_numpy(np.array(memory)))
        mask = torch.nn.Transformer.generate_square_subsequent_mask(5)
        norms = {"norm1": theirs.norm1, "norm2": theirs.norm2, "norm3": theirs.norm3}
    else:
        theirs = torch.nn.TransformerEncoderLayer(8, 2, 32, **fields).eval()
        norms, mask = {"norm1": theirs.norm1, "norm3": theirs.norm2}, None
    _attention(torch, theirs.self_attn, params["self_attention"], ("qkv",))
    dense = {"mlp_in": theirs.linear1, "mlp_out": theirs.linear2}
    for name, module in (norms | dense).items():
        _copy(torch, module, params[name])
    with torch.no_grad():
        wanted = theirs(*given, mask) if not decoder else theirs(*given, tgt_mask=mask)
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.slow
def test_the_future_calendar_is_read():
    model = transformer_forecaster.build("debug", kernels="native")
    x, past, future = _normal(2, 12, 3), _normal(2, 12, 4), _normal(2, 4, 4)
    variables = model.init(jax.random.key(0), x, (past, future), train=False)
    y, other = (
        model.apply(variables, x, (past, marks), train=False)
        for marks in (future, future.at[:, 2].add(1.0))
    )
    moved = np.abs(y - other).max(axis=(0, 2, 3))
    # A step sees those before it, none behind it.
    assert (moved[:2] < 1e-6).all() and (moved[2:] > 1e-5).all()


def test_mistakes_are_one_sentence():
    with pytest.raises(ValueError) as error:
        transformer_forecaster.build("debug", heads=3)
    assert str(error.value) == (
        "transformer_forecaster heads=3 must divide width=16; choose another number of "
        "heads"
    )
    model = transformer_forecaster.build("debug", label=13)
    with pytest.raises(ValueError) as error:
        model.init(jax.random.key(0), _normal(2, 12, 3), train=False)
    assert str(error.value) == (
        "config.model.label=13 must be within the look-back of 12 steps; lower it"
    )

"""BERT against numpy, its published counts, and what its arguments do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import special

from research.models import bert

T = 9


@pytest.fixture(scope="module")
def small():
    """A network of two layers, with parameters that all matter."""
    model = bert.build("debug", dropout=0.0)
    ids = jnp.zeros((1, T), jnp.int32)
    variables = jax.jit(lambda key: model.init(key, ids, train=False))(
        jax.random.key(0)
    )
    rng = np.random.default_rng(0)
    return model, jax.tree.map(
        lambda leaf: leaf + 0.1 * rng.normal(size=leaf.shape).astype(np.float32),
        variables,
    )


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(1)
    ids, types = rng.integers(0, 64, (2, T)), rng.integers(0, 2, (2, T))
    return ids, types, np.arange(T) < np.array([[T], [4]])


def _norm(x, p):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-12) * p["scale"] + p["bias"]


def _dense(x, p):
    return x @ p["kernel"] + p["bias"]


def _gelu(x):
    return x * (1 + special.erf(x / np.sqrt(2))) / 2


def _reference(p, ids, types, mask, heads=2):
    """The equations in float64, head by head."""
    p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), p)
    tables = (p[f"{name}_embedding"]["embedding"] for name in ("token", "type"))
    x = sum(table[i] for table, i in zip(tables, (ids, types), strict=True))
    x = _norm(x + p["position_embedding"]["embedding"][: ids.shape[1]], _of(p, ""))
    for layer in (p["layer1"], p["layer2"]):
        q, k, v = np.split(_dense(x, layer["attention"]["qkv"]), 3, axis=-1)
        size, parts = q.shape[-1] // heads, []
        for h in range(heads):
            own = slice(h * size, (h + 1) * size)
            score = q[..., own] @ k[..., own].swapaxes(1, 2) / np.sqrt(size)
            score = np.where(mask[:, None], score, -np.inf)
            parts.append(special.softmax(score, axis=-1) @ v[..., own])
        y = _dense(np.concatenate(parts, -1), layer["attention"]["out"])
        x = _norm(x + y, layer["attention_norm"])
        y = _dense(_gelu(_dense(x, layer["mlp_in"])), layer["mlp_out"])
        x = _norm(x + y, layer["mlp_norm"])
    pooled = np.tanh(_dense(x[:, 0], p["pooler"]))
    y = _norm(_gelu(_dense(x, p["mlm_dense"])), p["mlm_norm"])
    return {
        "hidden": x,
        "pooled": pooled,
        "mlm_logits": y @ p["token_embedding"]["embedding"].T + p["mlm_bias"],
        "nsp_logits": _dense(pooled, p["nsp_head"]),
        "logits": _dense(pooled, p["head"]),
    }


def _of(p, name):
    return p[f"{name}embedding_norm"]


def test_it_equals_the_equations(small, inputs):
    model, variables = small
    ids, types, mask = inputs
    found = model.apply(
        variables, ids, token_type_ids=types, attention_mask=mask, train=False
    )
    expected = _reference(variables["params"], ids, types, mask)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        here, there = np.asarray(found[name]), values
        if values.shape[1] == T:  # what padding holds is of no meaning
            here, there = here[mask], values[mask]
        np.testing.assert_allclose(here, there, atol=2e-5, err_msg=name)


def test_defaults_are_one_segment_without_padding(small, inputs):
    model, variables = small
    ids = inputs[0]
    plain = model.apply(variables, ids, train=False)
    spelt = model.apply(
        variables,
        ids,
        token_type_ids=np.zeros_like(ids),
        attention_mask=np.ones_like(ids),
        train=False,
    )
    for name in plain:
        np.testing.assert_allclose(plain[name], spelt[name], atol=1e-6)


def test_predictions_at_chosen_positions_are_those_of_all(small, inputs):
    model, variables = small
    position = np.array([[3, 0], [1, 2]])
    every = model.apply(variables, inputs[0], train=False)["mlm_logits"]
    some = model.apply(variables, inputs[0], mlm_positions=position, train=False)
    expected = np.take_along_axis(np.asarray(every), position[..., None], axis=1)
    np.testing.assert_allclose(some["mlm_logits"], expected, atol=1e-5)


def test_nothing_but_padding_gives_no_nan(small, inputs):
    model, variables = small
    nothing = np.zeros((2, T), bool)
    found = model.apply(variables, inputs[0], attention_mask=nothing, train=False)
    assert all(np.isfinite(value).all() for value in found.values())


@pytest.mark.parametrize(
    ("variant", "fields", "count"),
    [
        ("base", dict(mlm_head=True, nsp_head=True), 110_106_428),
        ("large", dict(mlm_head=True, nsp_head=True), 336_226_108),
        ("base", dict(num_classes=2), 109_483_778),
        ("base", dict(pooler=False, mlm_head=True), 109_514_298),
    ],
)
def test_counts_with_heads(variant, fields, count):
    model = bert.build(variant, **fields)
    ids = jnp.zeros((1, 2), jnp.int32)
    shapes = jax.eval_shape(
        lambda k: model.init(k, ids, train=False), jax.random.key(0)
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == count


def test_weights_start_at_the_published_scale():
    model = bert.build("tiny", vocab_size=2000)
    ids = jnp.zeros((1, 2), jnp.int32)
    params = jax.jit(lambda k: model.init(k, ids, train=False))(jax.random.key(0))
    table = params["params"]["token_embedding"]["embedding"]
    # A normal one of deviation 0.02, cut off at two of them, which leaves 0.88 of it.
    assert float(abs(table).max()) <= 0.04
    assert float(table.std()) == pytest.approx(0.0176, rel=0.02)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        (
            dict(heads=3),
            "bert heads=3 must divide width=32; choose another number of heads",
        ),
        (
            dict(pooler=False, num_classes=0),
            "bert nsp_head=True and num_classes=0 read the pooled state, got "
            "pooler=False; set pooler to True",
        ),
    ],
)
def test_fields_that_do_not_fit_are_one_sentence(fields, sentence):
    with pytest.raises(ValueError) as error:
        bert.build("debug", **fields)
    assert str(error.value) == sentence


def test_a_text_longer_than_the_position_table_is_one_sentence():
    model = bert.build("debug")
    with pytest.raises(ValueError) as error:
        model.init(jax.random.key(0), jnp.zeros((1, 65), jnp.int32), train=False)
    assert str(error.value) == (
        "bert reads at most 64 tokens (max_length), got 65; cut the text"
    )

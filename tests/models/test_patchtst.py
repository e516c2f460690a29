"""PatchTST against Hugging Face's and against the authors' attention in PyTorch."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import patchtst

_SIZES = dict(width=16, heads=4, mlp_dim=24, patch=8, stride=4, length=32, horizon=6)


def _normal(*shape, seed=0):
    drawn = np.random.default_rng(seed).normal(size=shape)
    return jnp.asarray(drawn, jnp.float32)


def _model(**fields):
    return patchtst.build("debug", **_SIZES, **fields)


def _data():
    return _normal(3, 32, 2)


def _variables(model, x):
    """Draws parameters, norms among them, away from where they begin."""
    rng = np.random.default_rng(1)
    variables = model.init(jax.random.key(0), x, train=False)
    return jax.tree.map(
        lambda leaf: leaf + rng.uniform(0, 0.3, leaf.shape).astype(np.float32),
        variables,
    )


def _named(layer, stats, number):
    """Returns the tensors of a layer by the names of Hugging Face."""
    found = {}
    weights = np.split(np.array(layer["qkv"]["kernel"]), 3, axis=1)
    biases = np.split(np.array(layer["qkv"]["bias"]), 3)
    for name, weight, bias in zip("qkv", weights, biases, strict=True):
        found[f"self_attn.{name}_proj.weight"] = weight.T
        found[f"self_attn.{name}_proj.bias"] = bias
    dense = {"out": "self_attn.out_proj", "mlp_in": "ff.0", "mlp_out": "ff.3"}
    for ours, theirs in dense.items():
        found[f"{theirs}.weight"] = np.array(layer[ours]["kernel"]).T
        found[f"{theirs}.bias"] = np.array(layer[ours]["bias"])
    for ours, theirs in (("norm1", "norm_sublayer1"), ("norm2", "norm_sublayer3")):
        prefix = f"{theirs}.batchnorm"
        found[f"{prefix}.weight"] = np.array(layer[ours]["scale"])
        found[f"{prefix}.bias"] = np.array(layer[ours]["bias"])
        found[f"{prefix}.running_mean"] = np.array(stats[ours]["mean"])
        found[f"{prefix}.running_var"] = np.array(stats[ours]["var"])
    return {f"model.encoder.layers.{number}.{k}": v for k, v in found.items()}


@pytest.mark.slow  # importing it takes several seconds
def test_it_equals_hugging_face_where_both_can_say_the_same():
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    model, x = _model(padding=False, residual_attention=False), _data()
    variables = _variables(model, x)
    params, stats = variables["params"], variables["batch_stats"]
    theirs = transformers.PatchTSTForPrediction(
        transformers.PatchTSTConfig(
            num_input_channels=2,
            context_length=32,
            prediction_length=6,
            patch_length=8,
            patch_stride=4,
            num_hidden_layers=2,
            d_model=16,
            num_attention_heads=4,
            ffn_dim=24,
            pre_norm=False,
            positional_encoding_type="random",
            scaling="std",
            pooling_type=None,
            attn_implementation="eager",
        )
    ).eval()
    tensors = {
        "model.encoder.embedder.input_embedding.weight": np.array(
            params["embedding"]["kernel"]
        ).T,
        "model.encoder.embedder.input_embedding.bias": params["embedding"]["bias"],
        "model.encoder.positional_encoder.position_enc": params["position"],
        "head.projection.weight": np.array(params["head"]["kernel"]).T,
        "head.projection.bias": params["head"]["bias"],
    }
    for number in range(2):
        name = f"layer{number}"
        tensors |= _named(params[name], stats[name], number)
    state = {k: torch.from_numpy(np.array(v)) for k, v in tensors.items()}
    missing, unexpected = theirs.load_state_dict(state, strict=False)
    assert not unexpected and all("num_batches" in name for name in missing)
    with torch.no_grad():
        wanted = theirs(past_values=torch.from_numpy(np.array(x))).prediction_outputs
    y = model.apply(variables, x, train=False)
    np.testing.assert_allclose(y[..., 0], wanted, rtol=1e-4, atol=1e-4)


def test_a_layer_adds_the_scores_of_the_one_below():
    torch = pytest.importorskip("torch")
    layer = patchtst.Layer(2, 12, 0.0, True, {}, "auto")
    z, below = _normal(3, 5, 8), _normal(3, 2, 5, 5, seed=1)
    variables = _variables_of_layer(layer, z, below)
    found, scores = layer.apply(variables, z, below, train=False)
    t = jax.tree.map(lambda leaf: torch.from_numpy(np.array(leaf)), variables)
    p, stats, x = t["params"], t["batch_stats"], torch.from_numpy(np.array(z))

    def dense(name, x):
        return x @ p[name]["kernel"] + p[name]["bias"]

    def norm(name, x):
        return torch.nn.functional.batch_norm(
            x.transpose(1, 2),
            *(stats[name][key] for key in ("mean", "var")),
            *(p[name][key] for key in ("scale", "bias")),
            eps=1e-5,
        ).transpose(1, 2)

    q, k, v = (
        part.reshape(3, 5, 2, 4).transpose(1, 2) for part in dense("qkv", x).chunk(3, 2)
    )
    bias = torch.from_numpy(np.array(below))
    y = torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    x = norm("norm1", x + dense("out", y.transpose(1, 2).reshape(3, 5, 8)))
    hidden = torch.nn.functional.gelu(dense("mlp_in", x))
    wanted = norm("norm2", x + dense("mlp_out", hidden))
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    products = q @ k.transpose(2, 3) / 2 + bias
    np.testing.assert_allclose(scores, products, atol=1e-4)


def _variables_of_layer(layer, z, below):
    rng = np.random.default_rng(1)
    variables = layer.init(jax.random.key(0), z, below, train=False)
    return jax.tree.map(
        lambda leaf: leaf + rng.uniform(0, 0.3, leaf.shape).astype(np.float32),
        variables,
    )


def test_patches_overlap_and_the_end_is_repeated():
    x = jnp.arange(32.0)[None]
    plain, padded = (_model(padding=p)._patches(x) for p in (False, True))
    assert plain.shape == (1, 7, 8) and padded.shape == (1, 8, 8)
    assert plain[0, 1].tolist() == [*range(4, 12)]
    assert padded[0, -1].tolist() == [28, 29, 30, 31, 31, 31, 31, 31]


@pytest.mark.slow
def test_channels_do_not_see_each_other_and_keep_their_scale():
    model, x = _model(), _data()
    variables = model.init(jax.random.key(0), x, train=False)
    y = model.apply(variables, x, train=False)
    moved = x * jnp.array([[[1.0, 100.0]]]) + jnp.array([[[0.0, 7.0]]])
    other = model.apply(variables, moved, train=False)
    np.testing.assert_allclose(other[:, :, 0], y[:, :, 0], atol=1e-5)
    np.testing.assert_allclose(other[:, :, 1], 100 * y[:, :, 1] + 7, rtol=1e-2)


def test_mistakes_are_one_sentence():
    with pytest.raises(ValueError) as error:
        patchtst.build("debug", heads=3)
    assert str(error.value) == (
        "patchtst heads=3 must divide width=8; choose another number of heads"
    )
    with pytest.raises(ValueError) as error:
        patchtst.build("debug", patch=16)
    assert str(error.value) == (
        "patch and stride must be at least 1 and the patch at most the look-back, got "
        "16, 2 and 12; the paper's are 16 and 8"
    )

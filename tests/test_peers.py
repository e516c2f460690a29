"""The benchmark compares networks of the same size and names its contenders."""

import jax
import jax.numpy as jnp
import pytest

from research import lookup
from scripts.peers import work

NETWORKS = sorted(
    {
        name.split("_predict")[0]
        for name, item in work.WORK.items()
        if not (item.pairs or item.window or item.samples or item.objects)
        and item.model != "unet"
        and item.task != "adversarial"
    }
)


@pytest.mark.parametrize("name", NETWORKS)
def test_both_sides_have_the_same_parameters(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from scripts.peers import networks

    item = work.WORK[name]
    classifies = item.task == "classification"
    model = lookup.module("models", item.model).build(
        item.variant, **({"num_classes": item.classes} if classifies else {})
    )
    height, width, channels = item.image
    sides = (32, 32) if item.model == "lenet" else (height, width)
    image = jnp.zeros((1, *sides, channels))
    variables = jax.eval_shape(
        lambda x: model.init(jax.random.key(0), x, train=False), image
    )
    ours = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    with torch.device("meta"):
        theirs = getattr(networks, name)()
        assert sum(p.numel() for p in theirs.parameters()) == ours
        image = torch.zeros(2, channels, height, width)
        outputs = theirs(image) if classifies else theirs.loss(image)
    assert outputs.shape == ((2, item.classes) if classifies else ())


@pytest.mark.parametrize("hoisted", [False, True])
def test_both_sides_have_the_same_attention_network(hoisted):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from scripts.peers import attention_network, translation

    item = work.WORK["bahdanau"]
    model = lookup.module("models", item.model).build(item.variant)
    data = translation.batch(item)
    source, target = (jnp.asarray(data[side]) for side in ("source", "target"))
    variables = jax.eval_shape(
        lambda s, t: model.init(jax.random.key(0), s, t, train=False), source, target
    )
    ours = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    with torch.device("meta"):
        theirs = attention_network.bahdanau(hoisted)
        assert sum(p.numel() for p in theirs.parameters()) == ours == 20_518_405


def test_both_forms_of_the_attention_network_are_equal():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from scripts.peers import attention_network

    eager, hoisted = (attention_network._Bahdanau(h, 4, 6) for h in (False, True))
    hoisted.load_state_dict(eager.state_dict())
    source = torch.tensor([[4, 5, 6, 0], [7, 8, 9, 3]])
    target = torch.tensor([[4, 5, 6], [7, 8, 0]])
    with torch.inference_mode():
        logits = [net.eval()(source, target) for net in (eager, hoisted)]
    torch.testing.assert_close(*logits)


def test_both_sides_have_the_same_language_model():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from scripts.peers import language

    item = work.WORK["lstm_ptb"]
    model = lookup.module("models", item.model).build(item.variant)
    token = jnp.asarray(language.batch(item)["token"])
    variables = jax.eval_shape(
        lambda x: model.init(jax.random.key(0), x, train=False), token
    )
    ours = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    with torch.device("meta"):
        theirs = sum(p.numel() for p in language.network(item).parameters())
    second_biases = 2 * 4 * 650  # of 2 layers
    assert theirs - second_biases == ours == 19_775_200


@pytest.mark.parametrize("name", ["gpt_char", "gpt2"])
def test_both_sides_have_the_same_gpt(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from scripts.peers import gpt

    item = work.WORK[name]
    model = lookup.module("models", item.model).build(
        item.variant, vocab_size=item.classes
    )
    token = jnp.asarray(gpt.batch(item)[:, :-1])
    variables = jax.eval_shape(
        lambda x: model.init(jax.random.key(0), x, train=False), token
    )
    ours = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    with torch.device("meta"):
        theirs = gpt.network(item)
        assert sum(p.numel() for p in theirs.parameters()) == ours
        token = torch.zeros(2, 5, dtype=torch.long)
        assert theirs(token, token).shape == ()


def test_both_sides_have_the_same_bert():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from scripts.peers import bert

    item = work.WORK["bert_predict1"]
    model = lookup.module("models", item.model).build(item.variant)
    token = jnp.asarray(bert.batch(item))
    variables = jax.eval_shape(
        lambda x: model.init(jax.random.key(0), x, train=False), token
    )
    ours = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    with torch.device("meta"):
        theirs = bert.network(item)
        assert sum(p.numel() for p in theirs.parameters()) == ours == 109_482_240


@pytest.mark.parametrize("name", ["unet", "unet_mnist"])
def test_both_sides_have_the_same_u_net(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from scripts.peers import diffusion

    item = work.WORK[name]
    model = lookup.module("models", item.model).build(item.variant)
    image = jnp.zeros((2, *item.image))
    inputs = image, jnp.zeros(2), jnp.zeros(2, jnp.int32)
    variables = jax.eval_shape(
        lambda *a: model.init(jax.random.key(0), *a, train=False), *inputs
    )
    ours = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    with torch.device("meta"):
        theirs = diffusion.network(item)
        assert sum(p.numel() for p in theirs.parameters()) == ours
        height, width, channels = item.image
        x, label = torch.zeros(2, channels, height, width), torch.zeros(2).long()
        assert theirs(x, label, label).shape == x.shape


@pytest.mark.parametrize("name", ["dlinear", "patchtst"])
def test_both_sides_have_the_same_forecaster(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from scripts.peers import forecasting

    item = work.WORK[name]
    model = lookup.module("models", item.model).build(item.variant)
    history = jnp.zeros((2, item.window, forecasting.CHANNELS))
    variables = jax.eval_shape(
        lambda x: model.init(jax.random.key(0), x, train=False), history
    )
    ours = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    with torch.device("meta"):
        theirs = forecasting.network(item)
        assert sum(p.numel() for p in theirs.parameters()) == ours
        forecast = theirs(torch.zeros(history.shape))
    assert forecast.shape == (2, item.horizon, forecasting.CHANNELS)


def test_pytorchs_forecasters_read_the_windows_of_one_series():
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from scripts.peers import forecasting

    item = work.WORK["dlinear"]
    series = forecasting._series().astype("float32")
    known = {row.tobytes(): k for k, row in enumerate(series)}
    for feed in (forecasting._dataloader(item), forecasting._in_memory(item)):
        history, target = (part.numpy() for part in next(feed))
        assert history.shape == (32, 336, 7) and target.shape == (32, 96, 7)
        for past, future in zip(history, target, strict=True):
            first = known[past[0].tobytes()]
            assert (past == series[first : first + 336]).all()
            assert (future == series[first + 336 : first + 432]).all()


def test_the_first_contender_is_ours():
    for item in work.WORK.values():
        assert item.contenders[0] in ("loop", "step")


def test_both_sides_have_the_same_network_on_sounds():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from research.models import audio_cnn
    from scripts.peers import networks, sounds

    item = work.WORK["audio_cnn"]
    model = audio_cnn.build(item.variant, dropout=0.0)
    audio = jnp.asarray(sounds.batch(item)["audio"][:2] / 2**15, jnp.float32)
    variables = jax.jit(lambda: model.init(jax.random.key(0), audio, train=False))()
    theirs = networks.audio_cnn(model, sounds._rule(model)).eval()
    leaves = jax.tree.leaves(variables["params"])
    count = sum(leaf.size for leaf in leaves)
    assert sum(p.numel() for p in theirs.parameters()) == count == 61_690
    params = jax.tree.map(torch.tensor, jax.device_get(variables["params"]))
    with torch.no_grad():
        for i in range(4):
            kernel = params[f"conv_{i}"]["kernel"].permute(3, 2, 0, 1)
            theirs.blocks[4 * i].weight.copy_(kernel)
        # They flatten (c, m), we (m, c).
        head = params["head"]["kernel"].reshape(2, 64, 10).permute(2, 1, 0)
        theirs.head.weight.copy_(head.reshape(10, -1))
        theirs.head.bias.zero_()
        there = theirs(torch.tensor(jax.device_get(audio))).numpy()
    here = jax.jit(lambda: model.apply(variables, audio, train=False))()
    # Without statistics the bands are decibels, around -20.
    assert abs(here - there).max() < 1e-3 * abs(there).max()

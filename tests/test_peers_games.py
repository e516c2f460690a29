"""The benchmark's adversarial networks are ours, in size and in what they compute."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import lookup
from research.models import stylegan2
from scripts.peers import games, work

COUNTS = {"dcgan": 3_576_704 + 2_765_568, "stylegan2": 2_236_692}


@pytest.mark.parametrize("name", COUNTS)
def test_both_sides_have_the_same_networks(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    item = work.WORK[name]
    model = lookup.module("models", item.model).build(item.variant)
    z, x = jnp.zeros((4, model.latent)), jnp.zeros((4, *item.image))
    variables = jax.eval_shape(
        lambda *a: model.init(jax.random.key(0), *a, train=False), z, x
    )
    ours = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    height, width, channels = item.image
    with torch.device("meta"):
        made, judged = games.networks(item)
        theirs = sum(p.numel() for net in (made, judged) for p in net.parameters())
        assert theirs == ours == COUNTS[name]
        z = torch.zeros(4, model.latent)
        image = made(z[..., None, None] if name == "dcgan" else [z])
        assert image.shape == (4, channels, height, width)
        assert judged(image).numel() == 4


def _filled(torch, net, params):
    """Copies our parameters into those of PyTorch's network, by their names."""
    folders = {"convs": ("synthesis",), "images": ("synthesis",), "blocks": ()}
    with torch.no_grad():
        for name, tensor in net.named_parameters():
            *path, leaf = name.split(".")
            if path[:1] == ["mapping"]:
                path = ["mapping", f"dense_{path[1]}"]
            elif path and path[0] in folders:
                path = [*folders[path[0]], "_".join(path[1:])]
            elif path == ["last"]:
                path = ["conv_4"]
            ours = params["synthesis"] if name == "constant" else params
            for each in path:
                ours = ours[each]
            value = np.asarray(ours["kernel" if leaf == "weight" else leaf])
            if name == "constant":
                value = value.transpose(0, 3, 1, 2)
            elif name == "dense.weight":  # they flatten (c, h, w), we (h, w, c)
                value = value.reshape(16, -1, value.shape[-1]).swapaxes(0, 1)
                value = value.reshape(-1, value.shape[-1]).T
            elif value.ndim == 4:  # a transposed convolution is mirrored
                step = -1 if path[-1].startswith("up_") else 1
                value = value[::step, ::step].transpose(3, 2, 0, 1)
            elif value.ndim == 2:
                value = value.T
            tensor.copy_(torch.tensor(value.copy()))
    return net


def test_both_sides_compute_the_same_stylegan2():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from scripts.peers import game_networks

    model, drawn = stylegan2.build("debug"), np.random.default_rng(0).normal
    z, x = (jnp.asarray(drawn(size=s), "float32") for s in ((4, 8), (4, 8, 8, 3)))
    start = jax.jit(lambda: model.init(jax.random.key(0), z, x, train=False))()
    params = jax.tree_util.tree_map_with_path(
        lambda path, p: p if path[-1].key == "noise" else p + 0.1 * drawn(size=p.shape),
        jax.device_get(start["params"]),
    )
    params = jax.tree.map(np.float32, params)
    here = jax.jit(lambda p: model.apply({"params": p}, z, x, train=False))(params)
    generator = game_networks.Generator(model, 8, 3)
    discriminator = game_networks.Discriminator(model, 8, 3)
    with torch.no_grad():
        made = _filled(torch, generator, params["generator"])(
            [torch.tensor(np.array(z))]
        )
        image = torch.tensor(np.array(x)).permute(0, 3, 1, 2)
        judged = _filled(torch, discriminator, params["discriminator"])(image)
    np.testing.assert_allclose(here[0], made.permute(0, 2, 3, 1), atol=1e-4)
    np.testing.assert_allclose(here[1], judged, atol=1e-4)

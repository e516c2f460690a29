"""The benchmark compares networks of the same size and names its contenders."""

import jax
import jax.numpy as jnp
import pytest

from research import lookup
from scripts.peers import work

NETWORKS = sorted({name.split("_predict")[0] for name in work.WORK})


@pytest.mark.parametrize("name", NETWORKS)
def test_both_sides_have_the_same_parameters(name):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    from scripts.peers import networks

    item = work.WORK[name]
    model = lookup.module("models", item.model).build(
        item.variant, num_classes=item.classes
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
        logits = theirs(torch.zeros(2, channels, height, width))
    assert logits.shape == (2, item.classes)


def test_the_first_contender_is_ours():
    for item in work.WORK.values():
        assert item.contenders[0] in ("loop", "step")

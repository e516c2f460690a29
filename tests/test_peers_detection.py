"""The benchmark's CenterNet computes the same on both sides: network, loss, boxes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models import centernet
from research.tasks import detection_points
from scripts.peers import detection, work

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
ITEM = work.WORK["centernet"]


def test_both_sides_have_the_same_detector():
    model = centernet.build(ITEM.variant, num_classes=ITEM.classes)
    image = jnp.zeros((1, *ITEM.image))
    variables = jax.eval_shape(
        lambda x: model.init(jax.random.key(0), x, train=False), image
    )
    ours = sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))
    with torch.device("meta"):
        theirs = detection.network(ITEM)
        assert sum(p.numel() for p in theirs.parameters()) == ours == 12_841_940
        heat, size, offset = theirs(torch.zeros(2, 3, *ITEM.image[:2]))
    assert heat.shape == (2, 80, 32, 40) and size.shape == offset.shape == (
        2,
        2,
        32,
        40,
    )


@pytest.fixture(scope="module")
def told():
    """Outputs of a network on a batch, as ours (b, h, w, _) and as theirs."""
    height, width, _ = ITEM.image
    rng = np.random.default_rng(0)
    shapes = {"logits": ITEM.classes, "size": 2, "offset": 2}
    ours = {
        name: rng.normal(size=(ITEM.batch, height // 4, width // 4, outputs))
        for name, outputs in shapes.items()
    }
    ours = {name: value.astype(np.float32) for name, value in ours.items()}
    theirs = [torch.from_numpy(v.transpose(0, 3, 1, 2).copy()) for v in ours.values()]
    return ours, theirs


def test_both_sides_have_the_same_loss(told):
    """But for the radius, which theirs rounds down and cuts the Gaussian off at."""
    from scripts.peers import centernet_network

    ours, theirs = told
    rows = detection.batch(ITEM)
    batch = rows | {"mask": np.ones(ITEM.batch, np.float32)}
    parts, count = jax.jit(lambda o, b: detection_points.losses(o, b, ITEM.classes))(
        ours, batch
    )
    weights = detection_points.WEIGHTS
    here = sum(weights[name] * float(part) for name, part in parts.items())
    there = centernet_network.loss(theirs, *detection.wanted(ITEM, rows))
    assert count == ITEM.batch * ITEM.objects
    np.testing.assert_allclose(float(there), here / float(count), rtol=1e-2)


def test_both_sides_find_the_same_boxes(told):
    from scripts.peers import centernet_network

    ours, theirs = told
    shape = (ITEM.batch, *ITEM.image)
    here = jax.jit(lambda o: detection_points.decode(o, shape, 100))(ours)
    boxes, scores, labels = centernet_network.decode(theirs, 100)
    order = _by_class_and_place
    for k in range(ITEM.batch):
        # Ours counts a negative size as none.
        mine = np.asarray(here[0][k])
        np.testing.assert_allclose(scores[k], here[1][k], rtol=1e-5)
        one, other = order(labels[k].numpy(), boxes[k].numpy()), order(here[2][k], mine)
        np.testing.assert_allclose(one, other, atol=1e-3)


def _by_class_and_place(labels, boxes):
    """Sorts (class, centre x, centre y) rows."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    rows = np.concatenate([np.asarray(labels)[:, None], centres], axis=1)
    return rows[np.lexsort(rows.round(2).T)]

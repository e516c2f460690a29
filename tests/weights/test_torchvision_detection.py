"""RetinaNet under torchvision's names, against its text written out in PyTorch.

torchvision itself is not needed: the reference below has its names and computes what
`retinanet_resnet50_fpn` does before boxes are decoded. Within 1e-4.
"""

import jax
import numpy as np
import pytest

from research import weights


@pytest.fixture
def retinanet(torch, torch_resnet):
    """Makes a small RetinaNet with ResNet-18's kind of trunk, width 8."""
    nn, functional = torch.nn, torch.nn.functional

    def block(inputs, outputs, size):
        return nn.Sequential(nn.Conv2d(inputs, outputs, size, 1, size // 2))

    class Pyramid(nn.Module):
        def __init__(self, inputs, width):
            super().__init__()
            self.inner_blocks = nn.ModuleList([block(i, width, 1) for i in inputs])
            self.layer_blocks = nn.ModuleList([block(width, width, 3) for _ in inputs])
            self.extra_blocks = nn.Module()
            self.extra_blocks.p6 = nn.Conv2d(width, width, 3, 2, 1)
            self.extra_blocks.p7 = nn.Conv2d(width, width, 3, 2, 1)

        def forward(self, maps):
            above = self.inner_blocks[2](maps[2])
            found = [self.layer_blocks[2](above)]
            for k in (1, 0):
                inner = self.inner_blocks[k](maps[k])
                size = inner.shape[-2:]
                above = inner + functional.interpolate(above, size=size, mode="nearest")
                found.insert(0, self.layer_blocks[k](above))
            found.append(self.extra_blocks.p6(found[-1]))
            found.append(self.extra_blocks.p7(torch.relu(found[-1])))
            return found

    class Head(nn.Module):
        def __init__(self, width, last, outputs):
            super().__init__()
            self.conv = nn.ModuleList([block(width, width, 3) for _ in range(2)])
            self.last, self.outputs = last, outputs
            setattr(self, last, nn.Conv2d(width, 9 * outputs, 3, 1, 1))

        def forward(self, maps):
            told = []
            for x in maps:
                for step in self.conv:
                    x = torch.relu(step(x))
                y = getattr(self, self.last)(x)
                n, _, h, w = y.shape
                y = y.view(n, -1, self.outputs, h, w).permute(0, 3, 4, 1, 2)
                told.append(y.reshape(n, -1, self.outputs))
            return torch.cat(told, dim=1)

    class RetinaNet(nn.Module):
        def __init__(self, width=12, classes=3):
            super().__init__()
            self.backbone, self.head = nn.Module(), nn.Module()
            self.backbone.body = torch_resnet((1, 1, 1, 1), 8, False, 1)
            del self.backbone.body.fc
            self.backbone.fpn = Pyramid((16, 32, 64), width)
            self.head.classification_head = Head(width, "cls_logits", classes)
            self.head.regression_head = Head(width, "bbox_reg", 4)

        def forward(self, x):
            body, maps = self.backbone.body, []
            x = torch.max_pool2d(torch.relu(body.bn1(body.conv1(x))), 3, 2, 1)
            for s in range(1, 5):
                x = getattr(body, f"layer{s}")(x)
                maps.append(x)
            maps = self.backbone.fpn(maps[1:])
            heads = self.head.classification_head, self.head.regression_head
            return [head(maps) for head in heads]

    return RetinaNet()


def test_it_agrees(retinanet, lively, torch, tmp_path):
    module = lively(retinanet)
    torch.save(module.state_dict(), tmp_path / "retinanet.pth")
    model, variables = weights.load(tmp_path / "retinanet.pth")
    assert (model.pyramid, model.depth, model.num_classes) == (12, 2, 3)
    pixels = np.random.default_rng(0).normal(size=(2, 64, 96, 3)).astype(np.float32)
    with torch.no_grad():
        there = module(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    here = jax.jit(lambda v, x: model.apply(v, x, train=False))(variables, pixels)
    for name, reference in zip(("logits", "deltas"), there, strict=True):
        assert reference.std() > 0.01
        np.testing.assert_allclose(here[name], reference.numpy(), rtol=0, atol=1e-4)


def test_names_of_older_files(retinanet, torch, tmp_path):
    """Published files name a convolution without the block that it later got."""
    state, older = retinanet.state_dict(), {}
    for name, value in state.items():
        for k in (1, 0):
            name = name.replace(f"_head.conv.{k}.0.", f"_head.conv.{2 * k}.")
        if "_blocks." in name and "extra" not in name:
            name = name.replace(".0.weight", ".weight").replace(".0.bias", ".bias")
        older[name] = value
    assert "backbone.fpn.inner_blocks.2.weight" in older
    assert "head.regression_head.conv.2.bias" in older
    for file, tensors in (("new.pth", state), ("old.pth", older)):
        torch.save(tensors, tmp_path / file)
    read = [weights.load(tmp_path / f)[1] for f in ("new.pth", "old.pth")]
    jax.tree.map(np.testing.assert_array_equal, *read)
    published = {"head.classification_head.conv.0.weight", "backbone.body.conv1.weight"}
    assert published <= set(older)

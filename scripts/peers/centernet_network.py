"""Our centernet/resnet18 in plain PyTorch: 12,841,940 parameters at 80 classes.

Network, targets, loss and decoding as users of PyTorch write them after the authors'
code, https://github.com/xingyizhou/CenterNet.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from scripts.peers import networks

_OUTPUTS = {"heat": 0, "size": 2, "offset": 2}  # 0: one for each class


class CenterNet(nn.Module):
    """A ResNet-18, three upsampling steps and three heads."""

    def __init__(self, classes: int):
        super().__init__()
        conv, norm = networks.conv, nn.BatchNorm2d
        layers = [conv(3, 64, 7, 2), norm(64), nn.ReLU(inplace=True)]
        layers.append(nn.MaxPool2d(3, 2, 1))
        inputs = 64
        for width in (64, 128, 256, 512):
            for block in range(2):
                layers.append(_basic(inputs, width, 1 if block or width == 64 else 2))
                inputs = width
        for width in (256, 128, 64):
            layers += [conv(inputs, width, 3), norm(width), nn.ReLU(inplace=True)]
            layers.append(nn.Upsample(scale_factor=2))
            inputs = width
        self.trunk = nn.Sequential(*layers)
        self.heads = nn.ModuleDict()
        for name, outputs in _OUTPUTS.items():
            self.heads[name] = nn.Sequential(
                *(nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(inplace=True)),
                nn.Conv2d(64, outputs or classes, 1),
            )
        nn.init.constant_(self.heads["heat"][-1].bias, -2.19)

    def forward(self, image):
        """Computes (heat, size, offset), each (b, _, h / 4, w / 4)."""
        x = self.trunk(image)
        return tuple(head(x) for head in self.heads.values())


def _basic(inputs: int, width: int, stride: int) -> nn.Module:
    conv, norm = networks.conv, nn.BatchNorm2d
    shortcut = nn.Identity()
    if stride > 1:
        shortcut = nn.Sequential(conv(inputs, width, 1, stride), norm(width))
    branch = nn.Sequential(
        *(conv(inputs, width, 3, stride), norm(width), nn.ReLU(inplace=True)),
        *(conv(width, width, 3), norm(width)),
    )
    return networks.Residual(branch, shortcut)


def targets(boxes: np.ndarray, labels: np.ndarray, most: int, shape) -> tuple:
    """Makes what one picture's outputs are compared with, as a loader does.

    Args:
      boxes: (n, 4) left, top, right, bottom in cells.
      labels: (n,).
      most: objects of a picture, n or more.
      shape: (classes, height, width) of the map.

    Returns:
      heat (k, h, w), size and offset (most, 2), cell and mask (most,)
    """
    heat = np.zeros(shape, np.float32)
    size, offset = (np.zeros((most, 2), np.float32) for _ in range(2))
    cell, mask = np.zeros(most, np.int64), np.zeros(most, np.float32)
    for k, (box, label) in enumerate(zip(boxes, labels, strict=True)):
        size[k] = box[2:] - box[:2]
        centre = (box[:2] + box[2:]) / 2
        x, y = centre.astype(int)
        _draw(heat[label], x, y, max(0, int(_radius(*size[k]))))
        offset[k] = centre - (x, y)
        cell[k], mask[k] = y * shape[2] + x, 1
    return heat, size, offset, cell, mask


def _draw(heat: np.ndarray, x: int, y: int, radius: int) -> None:
    """Raises a map to a Gaussian around a cell, cut off at the radius."""
    at, sigma = np.arange(-radius, radius + 1), (2 * radius + 1) / 6
    bump = np.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * sigma**2))
    height, width = heat.shape
    left, right = min(x, radius), min(width - x, radius + 1)
    top, bottom = min(y, radius), min(height - y, radius + 1)
    part = heat[y - top : y + bottom, x - left : x + right]
    bump = bump[radius - top : radius + bottom, radius - left : radius + right]
    np.maximum(part, bump, out=part)


def _radius(width: float, height: float, iou: float = 0.7) -> float:
    """Solves the three cases of CornerNet, section 3.2."""
    total, area = width + height, width * height
    roots = (
        (total - np.sqrt(total**2 - 4 * area * (1 - iou) / (1 + iou))) / 2,
        (total - np.sqrt(total**2 - 4 * (1 - iou) * area)) / 4,
        (np.sqrt((iou * total) ** 2 + 4 * iou * (1 - iou) * area) - iou * total)
        / (4 * iou),
    )
    return min(roots)


def loss(outputs, heat, size, offset, cell, mask):
    """Computes the focal loss of the heatmap and both distances, per object."""
    told = outputs[0].sigmoid().clamp(1e-4, 1 - 1e-4)
    centre = heat.eq(1).float()
    hit = told.log() * (1 - told) ** 2 * centre
    miss = (1 - told).log() * told**2 * (1 - heat) ** 4 * (1 - centre)
    count = mask.sum()
    total = -(hit.sum() + miss.sum()) / count
    for weight, output, wanted in ((0.1, outputs[1], size), (1.0, outputs[2], offset)):
        found = _at(output, cell) * mask[..., None]
        part = functional.l1_loss(found, wanted * mask[..., None], reduction="sum")
        total = total + weight * part / count
    return total


def decode(outputs, count: int):
    """Reads the `count` highest peaks: boxes (b, m, 4) in pixels, scores, labels."""
    heat = outputs[0].sigmoid()
    highest = functional.max_pool2d(heat, 3, stride=1, padding=1)
    heat = heat * (highest == heat).float()
    b, _, h, w = heat.shape
    scores, place = heat.view(b, -1).topk(count)
    labels, cell = place // (h * w), place % (h * w)
    offset, size = _at(outputs[2], cell), _at(outputs[1], cell)
    x, y = cell % w + offset[..., 0], cell // w + offset[..., 1]
    half = size / 2
    boxes = torch.stack(
        [x - half[..., 0], y - half[..., 1], x + half[..., 0], y + half[..., 1]], -1
    )
    return boxes * 4, scores, labels


def _at(output, cell):
    """Reads a map (b, 2, h, w) at cells (b, m)."""
    flat = output.flatten(2).transpose(1, 2)
    return flat.gather(1, cell[..., None].expand(-1, -1, 2))

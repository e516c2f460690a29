"""Published weights into our trees and back, one file per publisher.

    model, variables = weights.load("resnet50", path="resnet50-0676ba61.pth")
    logits = model.apply(variables, images, train=False)
    weights.export(model, variables, "out", format="huggingface")

A form of weights is a table of rules (`rules.py`) with a few facts around it, listed in
`published.FORMATS`. Adding one is adding a table: `torchvision.py` is the shortest.
"""

from research.weights.exporting import export
from research.weights.filling import load, read
from research.weights.positions import resize_positions
from research.weights.preprocessing import Preprocessing
from research.weights.published import (
    Published,
    describe,
    read_class_names,
    task,
)

__all__ = [
    "Preprocessing",
    "Published",
    "describe",
    "export",
    "load",
    "read",
    "read_class_names",
    "resize_positions",
    "task",
]

"""PyTorch's contenders, each as its users would write it."""

import os
import time

import numpy as np
import torch
from PIL import Image

from scripts.peers import networks, work


def prepare(name: str, item: work.Work, contender: str):
    """Prepares a contender and returns run(steps) -> seconds."""
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    net = getattr(networks, name.split("_predict")[0])()
    last = contender.endswith("_nhwc")
    if last:
        net = net.to(memory_format=torch.channels_last)
    if item.loop:
        loaded = contender == "dataloader"
        feed = _dataloader(item) if loaded else _in_memory(item)
    else:
        feed = _one_batch(item, last)
    compiled = contender.startswith("compiled")
    if item.train:
        return _training(net, item, feed, contender == "fused", compiled)
    return _prediction(net, feed, compiled)


def _training(net, item: work.Work, feed, fused: bool, compiled: bool):
    """Times PyTorch's usual loop: zero_grad, forward, backward, step."""
    options = dict(lr=item.rate, fused=True if fused else None)
    if item.optimizer == "adamw":
        optimizer = torch.optim.AdamW(
            net.parameters(), weight_decay=work.DECAY, **options
        )
    elif item.optimizer == "adam":
        optimizer = torch.optim.Adam(net.parameters(), **options)
    else:
        optimizer = torch.optim.SGD(net.parameters(), momentum=work.MOMENTUM, **options)
    loss_of = torch.nn.CrossEntropyLoss()

    def objective(image, label):
        if item.task == "classification":
            return loss_of(net(image), label)
        return net.loss(image)

    if compiled:
        objective = torch.compile(objective, fullgraph=True)
    net.train()

    def run(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            image, label = next(feed)
            optimizer.zero_grad()
            objective(image, label).backward()
            optimizer.step()
        return time.perf_counter() - began

    return run


def _prediction(net, feed, compiled: bool):
    net.eval()
    if compiled:
        net = torch.compile(net, fullgraph=True)

    @torch.inference_mode()
    def run(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            net(next(feed)[0])
        return time.perf_counter() - began

    return run


def _one_batch(item: work.Work, last: bool):
    height, width, channels = item.image
    image = torch.randn(item.batch, channels, height, width)
    if last:
        image = image.to(memory_format=torch.channels_last)
    label = torch.randint(0, item.classes, (item.batch,))
    while True:
        yield image, label


def _arrays():
    """Makes MNIST-sized uint8 images and labels."""
    images = torch.randint(0, 256, (work.EXAMPLES, 28, 28), dtype=torch.uint8)
    return images, torch.randint(0, 10, (work.EXAMPLES,))


def _in_memory(item: work.Work):
    """Yields shuffled batches gathered from float tensors."""
    images, labels = _arrays()
    images = images[:, None].float() / 255
    while True:
        order = torch.randperm(work.EXAMPLES)
        for rows in order[: work.EXAMPLES // item.batch * item.batch].split(item.batch):
            yield images[rows], labels[rows]


def _dataloader(item: work.Work):
    """Yields what pytorch/examples/mnist reads, by the steps that torchvision takes.

    `datasets.MNIST`, `ToTensor` and `Normalize` are written out, because torchvision is
    no dependency; each line is one of theirs, checks included.
    """
    images, labels = _arrays()

    class Digits(torch.utils.data.Dataset):
        def __len__(self):
            return len(images)

        def __getitem__(self, k):
            picture, label = Image.fromarray(images[k].numpy()), int(labels[k])
            tensor = torch.from_numpy(np.array(picture, np.uint8, copy=True))
            tensor = tensor.view(picture.size[1], picture.size[0], 1)
            tensor = tensor.permute((2, 0, 1)).contiguous()
            tensor = tensor.to(torch.get_default_dtype()).div(255).clone()
            mean = torch.as_tensor((0.1307,), dtype=tensor.dtype, device=tensor.device)
            std = torch.as_tensor((0.3081,), dtype=tensor.dtype, device=tensor.device)
            assert not (std == 0).any()
            return tensor.sub_(mean.view(-1, 1, 1)).div_(std.view(-1, 1, 1)), label

    loader = torch.utils.data.DataLoader(
        Digits(), item.batch, shuffle=True, drop_last=True
    )
    while True:
        yield from loader

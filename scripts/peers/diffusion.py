"""The U-Net workloads of the benchmark: training steps of DDPM.

Our step beside the same U-Net in plain PyTorch: a step of noise and the noise drawn for
each image, the mean squared error of its prediction, Adam, a clipped norm. Neither
keeps an average of the parameters.
"""

import os
import time

import numpy as np

from scripts.peers import timing, work

_CLIP, _STEPS = 1.0, 1000


def batch(item: work.Work) -> dict[str, np.ndarray]:
    """Makes images (b, h, w, c) uint8 and labels (b,)."""
    generator = np.random.default_rng(0)
    shape = (item.batch, *item.image)
    return {
        "image": generator.integers(0, 256, shape, np.uint8),
        "label": generator.integers(0, item.classes, item.batch, np.int32),
    }


def prepare(item: work.Work, contender: str):
    """Prepares a contender and returns run(steps) -> seconds."""
    if contender in work.OURS:
        return _train(item, "native" if contender == "native" else "auto")
    return _train_by_pytorch(item, compiled=contender == "compiled")


def _train(item: work.Work, kernels: str):
    """Times the compiled training step of configs/ddpm_cifar10.py."""

    from research.data import source
    from research.training import experiment, programs
    from scripts import app

    programs.enable_compile_cache()
    config = app.read_config("ddpm_cifar10")
    config.model.variant, config.model.kernels = item.variant, kernels
    config.data.batch_size, config.augment.flip = item.batch, "none"
    config.data.mean, config.data.std = (0.5,), (0.5,)
    config.train.ema_decay = 0.0
    data = batch(item)
    features = {
        name: source.Feature(array.shape[1:], str(array.dtype))
        for name, array in data.items()
    }
    spec = source.Spec(features, source.number_names(item.classes))
    ours = programs.Programs(experiment.build(config, spec, 10_000 * item.batch))
    return timing.training(ours, data)


def _train_by_pytorch(item: work.Work, compiled: bool):
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    net = network(item).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=item.rate)
    objective = torch.compile(net) if compiled else net
    data = batch(item)
    image = torch.from_numpy(data["image"]).permute(0, 3, 1, 2).float() / 127.5 - 1
    label = torch.from_numpy(data["label"]).long()
    kept = torch.cumprod(1 - torch.linspace(1e-4, 0.02, _STEPS), 0)

    def run(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            step, noise = torch.randint(_STEPS, label.shape), torch.randn_like(image)
            level = kept[step, None, None, None]
            noisy = level.sqrt() * image + (1 - level).sqrt() * noise
            predicted = objective(noisy, step, label)
            torch.nn.functional.mse_loss(predicted, noise).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), _CLIP)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return time.perf_counter() - began

    return run


def network(item: work.Work):
    """Builds PyTorch's U-Net, of the parameters of ours."""
    import torch

    from research.models import unet
    from scripts.peers import u_net

    torch.manual_seed(0)
    return u_net.UNet(unet.build(item.variant), item.image[0], item.image[-1])

"""The adversarial workloads of the benchmark: an update of each of two networks.

dcgan      The loop of pytorch/examples/dcgan: the discriminator sees real images, then
           made ones; the generator learns from the same made ones. Adam, 2e-4.
stylegan2  The recipe of configs/stylegan2_images.py at 32x32 in colour: mixed styles,
           the generator's average, R1 in every 16th step and path lengths in every 8th,
           of the whole batch, each with an update of its own. A turn has 16 steps, so
           that both sides do equally many. The plain steps are what is compiled:
           PyTorch compiles no gradient of a gradient.

Parameters are equally many on both sides (tests/test_peers.py). PyTorch's generator
step of dcgan also finds gradients of the discriminator, as the example does; that of
stylegan2 does not.
"""

import copy
import os
import random
import time

import numpy as np

from scripts.peers import timing, work

_BETAS = (0.5, 0.999)


def batch(item: work.Work) -> dict[str, np.ndarray]:
    """Makes images (b, h, w, c) uint8 and labels (b,), which nothing reads."""
    generator = np.random.default_rng(0)
    shape = (item.batch, *item.image)
    return {
        "image": generator.integers(0, 256, shape, np.uint8),
        "label": np.zeros(item.batch, np.int32),
    }


def prepare(item: work.Work, contender: str):
    """Prepares a contender and returns run(steps) -> seconds."""
    if contender in work.OURS:
        return _ours(item, "native" if contender == "native" else "auto")
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    random.seed(0)
    image = torch.from_numpy(batch(item)["image"]).permute(0, 3, 1, 2).contiguous()
    make = _dcgan if item.model == "dcgan" else _StyleGAN2
    step = make(item, image.float() / 127.5 - 1, contender == "compiled")

    def run(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            step()
        return time.perf_counter() - began

    return run


def config(item: work.Work, kernels: str):
    """Returns the experiment whose step is timed."""
    from scripts import app

    names = {"dcgan": "dcgan_mnist", "stylegan2": "stylegan2_images"}
    config = app.read_config(names[item.model])
    config.model.variant, config.model.kernels = item.variant, kernels
    config.data.batch_size, config.data.mean = item.batch, (0.5,)
    config.data.std, config.augment.flip = (0.5,), "none"
    config.optimizer.learning_rate = item.rate
    if item.model == "dcgan":
        config.task.generator_noise = "last"
        config.train.ema_decay = 0.0
    return config


def _ours(item: work.Work, kernels: str):
    """Times our compiled training step, on one batch that does not change."""

    from research.data import source
    from research.training import experiment, programs

    programs.enable_compile_cache()
    examples = source.Arrays(batch(item), ("image",))
    built = experiment.build(config(item, kernels), examples.spec, 10_000 * item.batch)
    ours, data = programs.Programs(built), examples.gather(np.arange(item.batch))
    return timing.training(ours, data)


def networks(item: work.Work):
    """Builds PyTorch's generator and discriminator, of the parameters of ours."""
    from research.models import stylegan2
    from scripts.peers import game_networks

    if item.model == "dcgan":
        return game_networks.dcgan()
    sizes = stylegan2.build(item.variant), item.image[0], item.image[-1]
    return game_networks.Generator(*sizes), game_networks.Discriminator(*sizes)


def _dcgan(item: work.Work, image, compiled: bool):
    """Makes a step of pytorch/examples/dcgan on images (b, c, h, w)."""
    import torch

    generator, discriminator = networks(item)
    settings = dict(lr=item.rate, betas=_BETAS)
    by_d = torch.optim.Adam(discriminator.parameters(), **settings)
    by_g = torch.optim.Adam(generator.parameters(), **settings)
    loss_of = torch.nn.BCELoss()
    if compiled:
        generator, discriminator = map(torch.compile, (generator, discriminator))

    def step():
        discriminator.zero_grad()
        label = torch.full((len(image),), 1.0)
        loss_of(discriminator(image).view(-1), label).backward()
        fake = generator(torch.randn(len(image), 100, 1, 1))
        label.fill_(0.0)
        loss_of(discriminator(fake.detach()).view(-1), label).backward()
        by_d.step()
        generator.zero_grad()
        label.fill_(1.0)
        loss_of(discriminator(fake).view(-1), label).backward()
        by_g.step()

    return step


class _StyleGAN2:
    """The steps of StyleGAN2 on images (b, c, h, w)."""

    def __init__(self, item: work.Work, image, compiled: bool):
        import torch

        self.torch, self.image, self.task = torch, image, config(item, "auto").task
        self.generator, self.discriminator = networks(item)
        self.averaged = copy.deepcopy(self.generator)
        self.decay = config(item, "auto").train.ema_decay
        self.make, self.judge = self.generator, self.discriminator
        if compiled:
            self.make, self.judge = map(torch.compile, (self.make, self.judge))
        self.by_d = self._adam(self.discriminator, item.rate, self.task.r1_every)
        self.by_g = self._adam(self.generator, item.rate, self.task.path_every)
        self.count, self.length = 0, torch.zeros(())

    def __call__(self) -> None:
        torch, softplus = self.torch, self.torch.nn.functional.softplus
        self.discriminator.requires_grad_(True)
        with torch.no_grad():
            fake = self.make(self._latents())
        loss = softplus(-self.judge(self.image)) + softplus(self.judge(fake))
        self._move(self.by_d, loss.mean())
        if self.count % self.task.r1_every == 0:
            self._move(self.by_d, self._r1())
        self.discriminator.requires_grad_(False)
        fake = self.make(self._latents())
        self._move(self.by_g, softplus(-self.judge(fake)).mean())
        if self.count % self.task.path_every == 0:
            self._move(self.by_g, self._path_length())
        nets = self.averaged.parameters(), self.generator.parameters()
        with torch.no_grad():
            for mean, new in zip(*nets, strict=True):
                mean.lerp_(new, 1 - self.decay)
        self.count += 1

    def _adam(self, net, rate: float, every: int):
        share = every / (every + 1)  # Appendix B
        settings = dict(lr=share * rate, betas=(0.0, 0.99**share))
        return self.torch.optim.Adam(net.parameters(), **settings)

    def _latents(self):
        count = 2 if random.random() < self.generator.mixing else 1
        shape = len(self.image), self.generator.latent
        return [self.torch.randn(shape) for _ in range(count)]

    def _move(self, optimizer, objective) -> None:
        optimizer.zero_grad()
        objective.backward()
        optimizer.step()

    def _slope(self, y, x):
        return self.torch.autograd.grad(y.sum(), x, create_graph=True)[0]

    def _r1(self):
        x = self.image.clone().requires_grad_()
        slope = self._slope(self.discriminator(x), x)
        penalty = slope.square().flatten(1).sum(1).mean() / 2
        return self.task.r1 * self.task.r1_every * penalty

    def _path_length(self):
        styles = self.generator.styles(self._latents())
        made = self.generator.synthesise(styles)
        y = self.torch.randn_like(made) / made.shape[2]
        lengths = self._slope(made * y, styles).square().sum(2).mean(1).sqrt()
        self.length = self.torch.lerp(self.length, lengths.detach().mean(), 0.01)
        weight = self.task.path_length * self.task.path_every
        return weight * (lengths - self.length).square().mean()

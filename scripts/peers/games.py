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

from scripts.peers import work

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
    if contender in ("step", "native"):
        return _ours(item, "native" if contender == "native" else "auto")
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    random.seed(0)
    image = torch.from_numpy(batch(item)["image"]).permute(0, 3, 1, 2).contiguous()
    make = _dcgan if item.model == "dcgan" else _stylegan2
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
    import jax

    from research.data import source
    from research.training import experiment, programs

    programs.enable_compile_cache()
    examples = source.Arrays(batch(item), ("image",))
    built = experiment.build(config(item, kernels), examples.spec, 10_000 * item.batch)
    ours, data = programs.Programs(built), examples.gather(np.arange(item.batch))
    state = ours.init(0)

    def run(steps: int) -> float:
        nonlocal state
        began = time.perf_counter()
        for _ in range(steps):
            state, packed = ours.train(state, None, data)
        jax.block_until_ready((state, packed))
        return time.perf_counter() - began

    return run


def _dcgan(item: work.Work, image, compiled: bool):
    """Makes a step of pytorch/examples/dcgan on images (b, c, h, w)."""
    import torch

    from scripts.peers import game_networks

    generator, discriminator = game_networks.dcgan()
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


def _stylegan2(item: work.Work, image, compiled: bool):
    """Makes a step of StyleGAN2 on images (b, c, h, w)."""
    import torch
    from torch.nn import functional

    from research.models import stylegan2
    from scripts.peers import game_networks

    fields = stylegan2.build(item.variant)
    sizes = fields, item.image[0], item.image[-1]
    generator = game_networks.Generator(*sizes)
    discriminator = game_networks.Discriminator(*sizes)
    recipe, averaged = config(item, "auto"), copy.deepcopy(generator)
    make, judge = generator, discriminator
    if compiled:
        make, judge = map(torch.compile, (generator, discriminator))

    def adam(net, every):
        share = every / (every + 1)  # Appendix B
        betas = (0.0, 0.99**share)
        return torch.optim.Adam(net.parameters(), lr=share * item.rate, betas=betas)

    by_d = adam(discriminator, recipe.task.r1_every)
    by_g = adam(generator, recipe.task.path_every)
    count, length_mean = 0, torch.zeros(())

    def latents():
        number = 2 if random.random() < fields.mixing else 1
        return [torch.randn(len(image), fields.latent) for _ in range(number)]

    def move(optimizer, objective):
        optimizer.zero_grad()
        objective.backward()
        optimizer.step()

    def r1():
        x = image.clone().requires_grad_()
        (slope,) = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)
        penalty = slope.square().flatten(1).sum(1).mean() / 2
        return recipe.task.r1 * recipe.task.r1_every * penalty

    def path_length():
        nonlocal length_mean
        styles = generator.styles(latents())
        made = generator.synthesise(styles)
        y = torch.randn_like(made) / item.image[0]
        (slope,) = torch.autograd.grad((made * y).sum(), styles, create_graph=True)
        lengths = slope.square().sum(2).mean(1).sqrt()
        length_mean = torch.lerp(length_mean, lengths.detach().mean(), 0.01)
        weight = recipe.task.path_length * recipe.task.path_every
        return weight * (lengths - length_mean).square().mean()

    def step():
        nonlocal count
        discriminator.requires_grad_(True)
        with torch.no_grad():
            fake = make(latents())
        loss = functional.softplus(-judge(image)) + functional.softplus(judge(fake))
        move(by_d, loss.mean())
        if count % recipe.task.r1_every == 0:
            move(by_d, r1())
        discriminator.requires_grad_(False)
        move(by_g, functional.softplus(-judge(make(latents()))).mean())
        if count % recipe.task.path_every == 0:
            move(by_g, path_length())
        with torch.no_grad():
            pairs = zip(averaged.parameters(), generator.parameters(), strict=True)
            for mean, new in pairs:
                mean.lerp_(new, 1 - recipe.train.ema_decay)
        count += 1

    return step

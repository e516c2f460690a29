"""DCGAN and StyleGAN2 in plain PyTorch, of the same parameters as ours."""

import math

import torch
from torch import nn
from torch.nn import functional


def dcgan() -> tuple[nn.Module, nn.Module]:
    """Builds pytorch/examples/dcgan, our dcgan/64: 3,576,704 and 2,765,568 parameters.

    Returns:
      (the generator of (b, 100, 1, 1), the discriminator)
    """

    def up(inputs, outputs, stride=2, padding=1):
        return nn.ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=False)

    def down(inputs, outputs, stride=2, padding=1):
        return nn.Conv2d(inputs, outputs, 4, stride, padding, bias=False)

    generator = nn.Sequential(
        *(up(100, 512, 1, 0), nn.BatchNorm2d(512), nn.ReLU(True)),
        *(up(512, 256), nn.BatchNorm2d(256), nn.ReLU(True)),
        *(up(256, 128), nn.BatchNorm2d(128), nn.ReLU(True)),
        *(up(128, 64), nn.BatchNorm2d(64), nn.ReLU(True)),
        *(up(64, 3), nn.Tanh()),
    )
    slope = dict(negative_slope=0.2, inplace=True)
    discriminator = nn.Sequential(
        *(down(3, 64), nn.LeakyReLU(**slope)),
        *(down(64, 128), nn.BatchNorm2d(128), nn.LeakyReLU(**slope)),
        *(down(128, 256), nn.BatchNorm2d(256), nn.LeakyReLU(**slope)),
        *(down(256, 512), nn.BatchNorm2d(512), nn.LeakyReLU(**slope)),
        *(down(512, 1, 1, 0), nn.Sigmoid()),
    )
    return generator.apply(_drawn), discriminator.apply(_drawn)


def _drawn(layer: nn.Module) -> None:
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)


class Linear(nn.Module):
    """A dense layer with equalised learning rate."""

    def __init__(self, inputs: int, outputs: int, rate: float = 1.0, start: float = 0):
        super().__init__()
        self.rate, self.scale = rate, rate / math.sqrt(inputs)
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / rate)
        self.bias = nn.Parameter(torch.full((outputs,), start / rate))

    def forward(self, x):
        return functional.linear(x, self.weight * self.scale, self.bias * self.rate)


class Filter(nn.Module):
    """The binomial filter (1, 3, 3, 1), as a convolution of each channel."""

    def __init__(self, before: int, after: int, gain: float = 1.0):
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", gain * torch.outer(taps, taps)[None, None])
        self.sides = (before, after, before, after)

    def forward(self, x):
        b, c, h, w = x.shape
        x = functional.pad(x.reshape(b * c, 1, h, w), self.sides)
        x = functional.conv2d(x, self.kernel)
        return x.reshape(b, c, *x.shape[2:])


class Doubled(nn.Module):
    """Puts zeros between pixels and filters."""

    def __init__(self):
        super().__init__()
        self.filter = Filter(2, 1, gain=4.0)

    def forward(self, x):
        b, c, h, w = x.shape
        x = functional.pad(x[:, :, :, None, :, None], (0, 1, 0, 0, 0, 1))
        return self.filter(x.reshape(b, c, 2 * h, 2 * w))


class Modulated(nn.Module):
    """A convolution with weights of its own for each image, in one of b groups."""

    def __init__(self, inputs, outputs, latent, size=3, up=False, demodulate=True):
        super().__init__()
        self.size, self.demodulate = size, demodulate
        self.style = Linear(latent, inputs, start=1.0)
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.noise = nn.Parameter(torch.zeros(())) if demodulate else None
        self.filter = Filter(1, 1, gain=4.0) if up else None
        self.scale = 1 / math.sqrt(inputs * size**2)

    def forward(self, x, w):
        b, c, height, width = x.shape
        weight = self.scale * self.weight * self.style(w)[:, None, :, None, None]
        if self.demodulate:
            norm = torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8)
            weight = weight * norm
        x = x.reshape(1, b * c, height, width)
        if self.filter is None:
            weight = weight.flatten(0, 1)
            y = functional.conv2d(x, weight, padding=self.size // 2, groups=b)
        else:
            weight = weight.transpose(1, 2).flatten(0, 1)
            y = functional.conv_transpose2d(x, weight, stride=2, groups=b)
        y = y.reshape(b, -1, *y.shape[2:])
        if self.filter is not None:
            y = self.filter(y)
        if self.noise is not None:
            noise = torch.randn(b, 1, *y.shape[2:], device=y.device)
            y = y + self.noise * noise
        y = y + self.bias[:, None, None]
        return _activated(y) if self.demodulate else y


class Conv(nn.Module):
    """A convolution with equalised learning rate, perhaps filtered and halved."""

    def __init__(self, inputs, outputs, size=3, down=False, bias=True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, size, size))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale = 1 / math.sqrt(inputs * size**2)
        self.filter = Filter(size // 2 + 1, size // 2 + 1) if down else None
        self.how = dict(stride=2) if down else dict(padding=size // 2)

    def forward(self, x):
        if self.filter is not None:
            x = self.filter(x)
        y = functional.conv2d(x, self.weight * self.scale, self.bias, **self.how)
        return y if self.bias is None else _activated(y)


def _activated(x):
    return functional.leaky_relu(x, 0.2) * math.sqrt(2)


class Generator(nn.Module):
    """The mapping network, and the synthesis network with skips.

    Args:
      ours: a `stylegan2.StyleGAN2` without classes, whose fields it has.
      side: of the images, in pixels.
      colours: channels of the images.
    """

    def __init__(self, ours, side: int, colours: int):
        super().__init__()
        d = ours.latent
        self.latent, self.mixing = d, ours.mixing
        self.mapping = nn.ModuleList(
            Linear(d, d, rate=ours.rate) for _ in range(ours.depth)
        )
        width = _channels(ours, 4)
        self.constant = nn.Parameter(torch.randn(1, width, 4, 4))
        self.convs, self.images = nn.ModuleDict(), nn.ModuleDict()
        for rows in _sides(side):
            before, width = width, _channels(ours, rows)
            if rows > 4:
                self.convs[f"up_{rows}"] = Modulated(before, width, d, up=True)
            self.convs[f"conv_{rows}"] = Modulated(width, width, d)
            self.images[f"image_{rows}"] = Modulated(
                width, colours, d, size=1, demodulate=False
            )
        self.layers, self.doubled = 2 * len(_sides(side)), Doubled()

    def forward(self, latents):
        """Makes images of (b, d) latents, one or two of them, which are then mixed."""
        return self.synthesise(self.styles(latents))

    def styles(self, latents):
        mapped = [self._mapped(z)[:, None] for z in latents]
        if len(mapped) == 1:
            return mapped[0].expand(-1, self.layers, -1)
        start = int(torch.randint(1, self.layers, ()))
        counts = (start, self.layers - start)
        parts = (w.expand(-1, n, -1) for w, n in zip(mapped, counts, strict=True))
        return torch.cat(list(parts), 1)

    def _mapped(self, z):
        z = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for layer in self.mapping:
            z = _activated(layer(z))
        return z

    def synthesise(self, styles):
        x = self.constant.expand(len(styles), -1, -1, -1)
        image, layer = None, 0
        for name, conv in self.convs.items():
            x = conv(x, styles[:, layer])
            layer += 1
            if name.startswith("conv"):
                added = self.images[f"image_{x.shape[2]}"](x, styles[:, layer])
                image = added if image is None else self.doubled(image) + added
        return image


class Discriminator(nn.Module):
    """The residual discriminator; its arguments are those of the generator."""

    def __init__(self, ours, side: int, colours: int):
        super().__init__()
        width = _channels(ours, side)
        self.image = Conv(colours, width, 1)
        self.blocks = nn.ModuleDict()
        for rows in reversed(_sides(side)[1:]):
            width, after = _channels(ours, rows), _channels(ours, rows // 2)
            self.blocks[f"conv_{rows}"] = Conv(width, width)
            self.blocks[f"down_{rows}"] = Conv(width, after, down=True)
            self.blocks[f"skip_{rows}"] = Conv(width, after, 1, down=True, bias=False)
        last = _channels(ours, 4)
        self.last = Conv(last + 1, last)
        self.dense, self.output = Linear(16 * last, last), Linear(last, 1)

    def forward(self, x):
        x, size = self.image(x), x.shape[2]
        while size > 4:
            y = self.blocks[f"down_{size}"](self.blocks[f"conv_{size}"](x))
            x = (y + self.blocks[f"skip_{size}"](x)) / math.sqrt(2)
            size //= 2
        groups = x.reshape(math.gcd(len(x), 4), -1, *x.shape[1:])
        spread = torch.sqrt(groups.var(0, unbiased=False) + 1e-8).mean((1, 2, 3))
        spread = spread.repeat(len(groups)).reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4)
        x = self.last(torch.cat([x, spread], 1))
        return self.output(_activated(self.dense(x.flatten(1))))[:, 0]


def _sides(side: int) -> list[int]:
    return [2**k for k in range(2, side.bit_length())]


def _channels(ours, side: int) -> int:
    return min(ours.most, ours.base // side)

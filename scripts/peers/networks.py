"""The benchmark's networks in plain PyTorch, of the same parameters as ours."""

import torch
from torch import nn
from torch.nn import functional


def lenet() -> nn.Module:
    """Builds our lenet/modern: 61,706 parameters."""
    return nn.Sequential(
        nn.ZeroPad2d(2),
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()),
        nn.Linear(84, 10),
    )


def mlp() -> nn.Module:
    """Builds our mlp/512-512: 669,706 parameters."""
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Dropout(0.2)),
        *(nn.Linear(512, 512), nn.ReLU(), nn.Dropout(0.2), nn.Linear(512, 10)),
    )


class _Autoencoder(nn.Module):
    """Codes and outputs; the loss is the cross-entropy summed over an image."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def loss(self, image):
        logits = self.decoder(self.encoder(image)).view_as(image)
        return _cross_entropy(logits, image)


def _cross_entropy(logits, image):
    total = functional.binary_cross_entropy_with_logits(logits, image, reduction="sum")
    return total / len(image)


def autoencoder() -> nn.Module:
    """Builds our autoencoder/64: 101,200 parameters."""
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 64))
    return _Autoencoder(encoder, nn.Linear(64, 784))


def conv_autoencoder() -> nn.Module:
    """Builds our autoencoder/conv-64: 211,905 parameters."""
    encoder = nn.Sequential(
        *(nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(32 * 7 * 7, 64)),
    )
    decoder = nn.Sequential(
        *(nn.Linear(64, 32 * 7 * 7), nn.ReLU(), nn.Unflatten(1, (32, 7, 7))),
        *(nn.Upsample(scale_factor=2), nn.Conv2d(32, 16, 3, padding=1), nn.ReLU()),
        *(nn.Upsample(scale_factor=2), nn.Conv2d(16, 1, 3, padding=1)),
    )
    return _Autoencoder(encoder, decoder)


class _VAE(nn.Module):
    """What pytorch/examples/vae trains: 784-400-20, its loss per image."""

    def __init__(self):
        super().__init__()
        self.hidden, self.output = nn.Linear(784, 400), nn.Linear(400, 784)
        self.mean, self.log_variance = nn.Linear(400, 20), nn.Linear(400, 20)
        self.from_code = nn.Linear(20, 400)

    def loss(self, image):
        hidden = functional.relu(self.hidden(image.flatten(1)))
        mean, log_variance = self.mean(hidden), self.log_variance(hidden)
        code = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        logits = self.output(functional.relu(self.from_code(code)))
        kl = 0.5 * (mean**2 + log_variance.exp() - log_variance - 1).sum() / len(image)
        return _cross_entropy(logits.view_as(image), image) + kl


def vae() -> nn.Module:
    """Builds our vae/400-20: 652,824 parameters."""
    return _VAE()


def conv(inputs: int, outputs: int, size: int, stride: int = 1) -> nn.Conv2d:
    """Builds a convolution without a bias, padded to keep sides."""
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)


class Residual(nn.Module):
    """A branch and its shortcut, added and rectified."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module):
        super().__init__()
        self.branch, self.shortcut = branch, shortcut

    def forward(self, x):
        return functional.relu(self.branch(x) + self.shortcut(x))


class _Padding(nn.Module):
    """Shortcut without parameters: every second pixel, zeros for new channels."""

    def __init__(self, missing: int):
        super().__init__()
        self.sides = (0, 0, 0, 0, missing // 2, missing // 2)

    def forward(self, x):
        return functional.pad(x[:, :, ::2, ::2], self.sides)


def _bottleneck(inputs: int, width: int, stride: int) -> nn.Module:
    outputs, shortcut = 4 * width, nn.Identity()
    if stride > 1 or inputs != outputs:
        shortcut = nn.Sequential(
            conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs)
        )
    branch = nn.Sequential(
        *(conv(inputs, width, 1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)),
        *(conv(width, width, 3, stride), nn.BatchNorm2d(width), nn.ReLU(inplace=True)),
        *(conv(width, outputs, 1), nn.BatchNorm2d(outputs)),
    )
    return Residual(branch, shortcut)


def resnet50() -> nn.Module:
    """Builds our resnet/50: 25,557,032 parameters."""
    layers = [conv(3, 64, 7, 2), nn.BatchNorm2d(64), nn.ReLU(inplace=True)]
    layers.append(nn.MaxPool2d(3, 2, 1))
    inputs = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 * 2**stage
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            layers.append(_bottleneck(inputs, width, stride))
            inputs = 4 * width
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000)
    )


def resnet20() -> nn.Module:
    """Builds our resnet/20: 269,722 parameters."""
    layers = [conv(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(inplace=True)]
    inputs = 16
    for width in (16, 32, 64):
        for block in range(3):
            stride = 2 if width > 16 and not block else 1
            branch = nn.Sequential(
                *(conv(inputs, width, 3, stride), nn.BatchNorm2d(width)),
                *(nn.ReLU(inplace=True), conv(width, width, 3), nn.BatchNorm2d(width)),
            )
            shortcut = _Padding(width - inputs) if stride > 1 else nn.Identity()
            layers.append(Residual(branch, shortcut))
            inputs = width
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)
    )


class _Block(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = (nn.LayerNorm(width, eps=1e-6) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, z):
        b, n, d = z.shape
        y = self.qkv(self.norm1(z)).view(b, n, 3, self.heads, d // self.heads)
        q, k, v = y.permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(q, k, v)
        z = z + self.out(y.transpose(1, 2).reshape(b, n, d))
        return z + self.mlp(self.norm2(z))


class _ViT(nn.Module):
    def __init__(self, patch: int, width: int, depth: int, heads: int, tokens: int):
        super().__init__()
        self.embed = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(0.02 * torch.randn(1, tokens + 1, width))
        self.blocks = nn.Sequential(*(_Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, 1000)

    def forward(self, x):
        z = self.embed(x).flatten(2).transpose(1, 2)
        z = torch.cat([self.token.expand(len(z), -1, -1), z], dim=1)
        return self.head(self.norm(self.blocks(z + self.position)[:, 0]))


def vit_s16() -> nn.Module:
    """Builds our vit/S/16 for 224x224 images: 22,050,664 parameters."""
    return _ViT(patch=16, width=384, depth=12, heads=6, tokens=196)


class _AudioCNN(nn.Module):
    def __init__(self, fields, rule: dict, filters: torch.Tensor):
        super().__init__()
        self.fields, self.rule = fields, rule
        self.register_buffer("window", torch.hann_window(rule["window"]))
        self.register_buffer("filters", filters)
        self.bands = nn.BatchNorm1d(fields.mels, affine=False)
        blocks, inputs, bands = [], 1, fields.mels
        for width in fields.features:
            blocks += [conv(inputs, width, 3), nn.BatchNorm2d(width), nn.ReLU()]
            blocks.append(nn.MaxPool2d(2))
            inputs, bands = width, bands // 2
        self.blocks = nn.Sequential(*blocks)
        self.dropout = nn.Dropout(fields.dropout)
        self.head = nn.Linear(inputs * bands, fields.num_classes)

    def forward(self, x):
        size, hop = self.rule["window"], self.rule["hop"]
        spectrum = torch.stft(
            x, size, hop, window=self.window, pad_mode="constant", return_complex=True
        )
        energy = torch.einsum("bfn,fm->bmn", spectrum.abs() ** 2, self.filters)
        x = self.bands(10 * torch.log10(energy.clamp(min=1e-10)))
        x = self._hide(x, 1, self.fields.frequency_masks, self.fields.frequency_width)
        x = self._hide(x, 2, self.fields.time_masks, self.fields.time_width)
        x = self.blocks(x[:, None].transpose(2, 3))  # (b, c, n, m)
        return self.head(self.dropout(x.mean(dim=2).flatten(1)))

    def _hide(self, x, axis: int, count: int, widest: int):
        if not self.training:
            return x
        size = x.shape[axis]
        width = torch.floor(torch.rand(len(x), count, 1) * (widest + 1))
        start = torch.floor(torch.rand(len(x), count, 1) * (size - width + 1))
        at = torch.arange(size)
        hidden = ((at >= start) & (at < start + width)).any(1)
        return x.masked_fill(hidden.unsqueeze(3 - axis), 0)


def audio_cnn(fields, rule: dict) -> nn.Module:
    """Builds our audio_cnn/16-32-64-64 on waveforms: 61,690 parameters.

    Args:
      fields: our network, whose fields are read.
      rule: of its spectrogram, as `research.models.layers.log_mel` takes it.
    """
    from research.models.layers import spectrogram

    sizes = rule["sample_rate"], rule["window"], rule["mels"]
    filters = torch.from_numpy(spectrogram.mel_filters(*sizes, scale=rule["scale"]))
    return _AudioCNN(fields, rule, filters)

"""DDPM's U-Net in plain PyTorch, of the fields of ours (research/models/unet.py)."""

import math

import torch
from torch import nn
from torch.nn import functional


class Attention(nn.Module):
    """Self-attention of all pixels, with one head."""

    def __init__(self, groups: int, channels: int):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x):
        y = self.norm(x).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(y)[:, None].chunk(3, dim=-1)
        y = self.out(functional.scaled_dot_product_attention(q, k, v)[:, 0])
        return x + y.transpose(1, 2).reshape(x.shape)


class Block(nn.Module):
    """Two convolutions, the embedded time between them, and attention."""

    def __init__(self, ours, a: int, b: int, attends: bool):
        super().__init__()
        self.norm1 = nn.GroupNorm(ours.groups, a, eps=1e-6)
        self.conv1 = nn.Conv2d(a, b, 3, padding=1)
        self.time = nn.Linear(4 * ours.channels, b)
        self.norm2 = nn.GroupNorm(ours.groups, b, eps=1e-6)
        self.drop = nn.Dropout(ours.dropout)
        self.conv2 = nn.Conv2d(b, b, 3, padding=1)
        self.shortcut = nn.Conv2d(a, b, 1) if a != b else nn.Identity()
        self.attention = Attention(ours.groups, b) if attends else nn.Identity()

    def forward(self, x, at):
        y = self.conv1(functional.silu(self.norm1(x)))
        y = y + self.time(functional.silu(at))[:, :, None, None]
        y = self.conv2(self.drop(functional.silu(self.norm2(y))))
        return self.attention(self.shortcut(x) + y)


class UNet(nn.Module):
    """The whole net.

    Args:
      ours: a `unet.UNet`, whose fields it has.
      side: of the images, in pixels.
      colours: channels of the images.
    """

    def __init__(self, ours, side: int, colours: int):
        super().__init__()
        self.patch = ours.patch
        side, colours = side // ours.patch, colours * ours.patch**2
        width, inner = ours.channels, 4 * ours.channels
        self.half = width // 2
        self.time_in, self.time_out = nn.Linear(width, inner), nn.Linear(inner, inner)
        self.label = nn.Embedding(ours.classes + 1, inner) if ours.classes else None
        self.conv_in = nn.Conv2d(colours, width, 3, padding=1)
        widths = [multiple * ours.channels for multiple in ours.multipliers]
        left, self.down, self.up = [width], nn.ModuleList(), nn.ModuleList()
        for i, new in enumerate(widths):
            for _ in range(ours.blocks):
                self.down.append(Block(ours, width, new, side in ours.attention))
                width = new
                left.append(width)
            if i < len(widths) - 1:
                self.down.append(nn.Conv2d(width, width, 3, 2))
                left.append(width)
                side //= 2
        self.middle = nn.ModuleList(Block(ours, width, width, a) for a in (True, False))
        for i, new in reversed(list(enumerate(widths))):
            for _ in range(ours.blocks + 1):
                old = width + left.pop()
                self.up.append(Block(ours, old, new, side in ours.attention))
                width = new
            if i:
                self.up.append(nn.Conv2d(width, width, 3, padding=1))
                side *= 2
        self.norm_out = nn.GroupNorm(ours.groups, width, eps=1e-6)
        self.conv_out = nn.Conv2d(width, colours, 3, padding=1)

    def forward(self, x, step, label):
        place = torch.arange(self.half, device=x.device)
        rate = torch.exp(-math.log(10_000) * place / (self.half - 1))
        angle = step[:, None] * rate
        at = torch.cat([angle.sin(), angle.cos()], 1)
        at = self.time_out(functional.silu(self.time_in(at)))
        if self.label is not None:
            at = at + self.label(label)
        y = self.conv_in(functional.pixel_unshuffle(x, self.patch))
        left = [y]
        for part in self.down:
            if isinstance(part, Block):
                y = part(y, at)
            else:
                y = part(functional.pad(y, (0, 1, 0, 1)))
            left.append(y)
        for part in self.middle:
            y = part(y, at)
        for part in self.up:
            if isinstance(part, Block):
                y = part(torch.cat([y, left.pop()], 1), at)
            else:
                y = part(functional.interpolate(y, scale_factor=2.0))
        y = self.conv_out(functional.silu(self.norm_out(y)))
        return functional.pixel_shuffle(y, self.patch)

"""Our forecasters in plain PyTorch, of the same parameters, after the authors' code.

https://github.com/cure-lab/LTSF-Linear and https://github.com/yuqinie98/patchtst; both
read (b, t, c) and forecast (b, h, c).
"""

import torch
from torch import nn


def dlinear(length: int, horizon: int) -> nn.Module:
    """Builds our dlinear/dlinear: 64,704 parameters at 336 and 96."""
    return _DLinear(length, horizon)


def patchtst(length: int, horizon: int) -> nn.Module:
    """Builds our patchtst/small-42: 81,728 parameters at 336 and 96."""
    return _PatchTST(length, horizon)


class _DLinear(nn.Module):
    def __init__(self, length: int, horizon: int, average: int = 25):
        super().__init__()
        self.half = (average - 1) // 2
        self.average = nn.AvgPool1d(average, stride=1)
        self.seasonal = nn.Linear(length, horizon)
        self.trend = nn.Linear(length, horizon)

    def forward(self, x):
        front = x[:, :1].repeat(1, self.half, 1)
        end = x[:, -1:].repeat(1, self.half, 1)
        padded = torch.cat([front, x, end], dim=1)
        trend = self.average(padded.permute(0, 2, 1)).permute(0, 2, 1)
        rest = x - trend
        y = self.seasonal(rest.permute(0, 2, 1)) + self.trend(trend.permute(0, 2, 1))
        return y.permute(0, 2, 1)


class _Transposed(nn.Module):
    """Batch normalisation of the features of (b, n, d)."""

    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.BatchNorm1d(width)

    def forward(self, z):
        return self.norm(z.transpose(1, 2)).transpose(1, 2)


class _Layer(nn.Module):
    def __init__(self, width: int, heads: int, inner: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (
            nn.Linear(width, width) for _ in range(4)
        )
        self.drop = nn.Dropout(dropout)
        self.norm1, self.norm2 = _Transposed(width), _Transposed(width)
        self.mlp = nn.Sequential(
            *(nn.Linear(width, inner), nn.GELU(), nn.Dropout(dropout)),
            nn.Linear(inner, width),
        )

    def forward(self, z, below):
        b, n, d = z.shape

        def split(x):
            return x.view(b, n, self.heads, d // self.heads).transpose(1, 2)

        q, k, v = split(self.query(z)), split(self.key(z)), split(self.value(z))
        scores = q @ k.transpose(2, 3) * (d // self.heads) ** -0.5
        if below is not None:
            scores = scores + below
        y = (torch.softmax(scores, dim=-1) @ v).transpose(1, 2).reshape(b, n, d)
        z = self.norm1(z + self.drop(self.drop(self.out(y))))
        return self.norm2(z + self.drop(self.mlp(z))), scores


class _PatchTST(nn.Module):
    def __init__(self, length: int, horizon: int, width: int = 16, stride: int = 8):
        super().__init__()
        self.patch, self.stride = 2 * stride, stride
        count = (length - self.patch) // stride + 2
        self.pad = nn.ReplicationPad1d((0, stride))
        self.embedding = nn.Linear(self.patch, width)
        self.position = nn.Parameter(torch.empty(count, width).uniform_(-0.02, 0.02))
        self.drop = nn.Dropout(0.3)
        self.layers = nn.ModuleList(
            _Layer(width, heads=4, inner=128, dropout=0.3) for _ in range(3)
        )
        self.head = nn.Linear(count * width, horizon)

    def forward(self, x):
        mean = x.mean(1, keepdim=True).detach()
        std = (x.var(1, keepdim=True, unbiased=False) + 1e-5).sqrt().detach()
        x = ((x - mean) / std).permute(0, 2, 1)
        b, c, _ = x.shape
        patches = self.pad(x).unfold(2, self.patch, self.stride)
        z = self.drop(self.embedding(patches.flatten(0, 1)) + self.position)
        scores = None
        for layer in self.layers:
            z, scores = layer(z, scores)
        y = self.head(z.reshape(b, c, -1)).permute(0, 2, 1)
        return y * std + mean

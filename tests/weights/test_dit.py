"""DiT's published tensors against the network written down as its authors define it."""

import math

import jax
import numpy as np
import pytest

from research import weights


@pytest.fixture
def torch_dit(torch):
    """Makes a DiT under the names of facebookresearch/DiT, models.py."""
    nn, F = torch.nn, torch.nn.functional

    def mlp(*widths, act, names):
        module = nn.Module()
        for name, a, b in zip(names, widths[:-1], widths[1:], strict=True):
            setattr(module, name, nn.Linear(a, b))
        module.forward = lambda x: getattr(module, names[1])(
            act(getattr(module, names[0])(x))
        )
        return module

    def norm(x, shift, scale):
        x = F.layer_norm(x, x.shape[-1:], eps=1e-6)
        return x * (1 + scale[:, None]) + shift[:, None]

    class Block(nn.Module):
        def __init__(self, width, heads):
            super().__init__()
            self.heads = heads
            self.attn = nn.Module()
            self.attn.qkv = nn.Linear(width, 3 * width)
            self.attn.proj = nn.Linear(width, width)
            self.mlp = mlp(
                *(width, 4 * width, width),
                act=lambda x: F.gelu(x, approximate="tanh"),
                names=("fc1", "fc2"),
            )
            self.adaLN_modulation = nn.Sequential(
                nn.SiLU(), nn.Linear(width, 6 * width)
            )

        def attend(self, x):
            b, n, d = x.shape
            qkv = self.attn.qkv(x).reshape(b, n, 3, self.heads, d // self.heads)
            q, k, v = qkv.permute(2, 0, 3, 1, 4)
            y = F.scaled_dot_product_attention(q, k, v)
            return self.attn.proj(y.transpose(1, 2).reshape(b, n, d))

        def forward(self, x, c):
            s1, c1, g1, s2, c2, g2 = self.adaLN_modulation(c).chunk(6, dim=1)
            x = x + g1[:, None] * self.attend(norm(x, s1, c1))
            return x + g2[:, None] * self.mlp.forward(norm(x, s2, c2))

    class DiT(nn.Module):
        def __init__(self, side, patch, width, depth, heads, channels, classes):
            super().__init__()
            self.patch, self.outputs = patch, 2 * channels
            self.x_embedder = nn.Module()
            self.x_embedder.proj = nn.Conv2d(channels, width, patch, patch)
            self.t_embedder = nn.Module()
            self.t_embedder.mlp = nn.Sequential(
                nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width)
            )
            self.y_embedder = nn.Module()
            self.y_embedder.embedding_table = nn.Embedding(classes + 1, width)
            table = _positions(width, side // patch)
            table = torch.from_numpy(table).float()[None]
            self.pos_embed = nn.Parameter(table, requires_grad=False)
            self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
            self.final_layer = nn.Module()
            self.final_layer.linear = nn.Linear(width, patch**2 * self.outputs)
            self.final_layer.adaLN_modulation = nn.Sequential(
                nn.SiLU(), nn.Linear(width, 2 * width)
            )

        def forward(self, x, t, y):
            b, _, side, _ = x.shape
            rate = torch.exp(-math.log(10000) * torch.arange(128) / 128)
            angle = t[:, None] * rate[None]
            c = self.t_embedder.mlp(torch.cat([angle.cos(), angle.sin()], 1))
            c = c + self.y_embedder.embedding_table(y)
            x = self.x_embedder.proj(x).flatten(2).transpose(1, 2) + self.pos_embed
            for block in self.blocks:
                x = block(x, c)
            x = self.final_layer.linear(
                norm(x, *self.final_layer.adaLN_modulation(c).chunk(2, dim=1))
            )
            n, p = side // self.patch, self.patch
            x = x.reshape(b, n, n, p, p, self.outputs)
            return torch.einsum("nhwpqc->nhpwqc", x).reshape(b, side, side, -1)

    return DiT


def _positions(width, side):
    """get_2d_sincos_pos_embed: the columns of the grid first."""
    rows, columns = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")

    def embed(at):
        omega = 1 / 10000 ** (np.arange(width // 4) / (width / 4))
        out = np.einsum("m,d->md", at.reshape(-1), omega)
        return np.concatenate([np.sin(out), np.cos(out)], axis=1)

    return np.concatenate([embed(columns), embed(rows)], axis=1)


def test_the_prediction_is_the_reference_network_s(torch, torch_dit, tmp_path):
    reference = torch_dit(8, 2, 128, 2, 2, 4, 5).eval()
    with torch.no_grad():
        for value in reference.parameters():
            if value.ndim == 1:
                value.add_(0.1 * torch.randn_like(value))
    file = tmp_path / "DiT.pt"
    torch.save(reference.state_dict(), file)
    model, variables = weights.load(file)
    assert (model.classes, model.outputs, model.heads) == (5, 8, 2)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 8, 8, 4)).astype(np.float32)
    t, y = np.array([3.0, 870.0], np.float32), np.array([4, 5])
    here = jax.jit(lambda v, *a: model.apply(v, *a, train=False))(variables, x, t, y)
    with torch.no_grad():
        there = reference(
            torch.from_numpy(x).permute(0, 3, 1, 2),
            torch.from_numpy(t),
            torch.from_numpy(y),
        ).numpy()
    assert np.std(there) > 0.1
    np.testing.assert_allclose(here, there, atol=1e-4)

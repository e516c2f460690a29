"""DDPM's U-Net under the names of diffusers, written down as UNet2DModel defines it."""

import json
import math

import jax
import numpy as np
import pytest

from research import weights

CONFIG = dict(
    _class_name="UNet2DModel",
    act_fn="silu",
    attention_head_dim=None,
    block_out_channels=[8, 16],
    down_block_types=["DownBlock2D", "AttnDownBlock2D"],
    up_block_types=["AttnUpBlock2D", "UpBlock2D"],
    downsample_padding=0,
    flip_sin_to_cos=False,
    freq_shift=1,
    in_channels=3,
    out_channels=3,
    layers_per_block=1,
    norm_eps=1e-6,
    norm_num_groups=4,
    sample_size=8,
    time_embedding_type="positional",
)


@pytest.fixture
def torch_unet(torch):
    """Makes the network of CONFIG."""
    nn, F = torch.nn, torch.nn.functional

    def group(channels):
        return nn.GroupNorm(4, channels, eps=1e-6)

    class Resnet(nn.Module):
        def __init__(self, a, b):
            super().__init__()
            self.norm1, self.conv1 = group(a), nn.Conv2d(a, b, 3, padding=1)
            self.time_emb_proj = nn.Linear(32, b)
            self.norm2, self.conv2 = group(b), nn.Conv2d(b, b, 3, padding=1)
            self.conv_shortcut = nn.Conv2d(a, b, 1) if a != b else None

        def forward(self, x, t):
            y = self.conv1(F.silu(self.norm1(x)))
            y = y + self.time_emb_proj(F.silu(t))[:, :, None, None]
            y = self.conv2(F.silu(self.norm2(y)))
            return y + (x if self.conv_shortcut is None else self.conv_shortcut(x))

    class Attention(nn.Module):
        def __init__(self, c):
            super().__init__()
            self.group_norm = group(c)
            self.to_q, self.to_k, self.to_v = (nn.Linear(c, c) for _ in "qkv")
            self.to_out = nn.ModuleList([nn.Linear(c, c)])

        def forward(self, x):
            y = self.group_norm(x).flatten(2).transpose(1, 2)
            score = self.to_q(y) @ self.to_k(y).transpose(1, 2) / math.sqrt(x.shape[1])
            y = self.to_out[0](score.softmax(-1) @ self.to_v(y))
            return x + y.transpose(1, 2).reshape(x.shape)

    def part(resnets, attending=None, **scale):
        module = nn.Module()
        module.resnets = nn.ModuleList(Resnet(a, b) for a, b in resnets)
        if attending:
            module.attentions = nn.ModuleList(
                Attention(attending) for _ in resnets[: 1 if scale.get("one") else None]
            )
        for name, conv in scale.items():
            if name != "one":
                setattr(module, name, nn.ModuleList([nn.ModuleDict({"conv": conv})]))
        return module

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv_in = nn.Conv2d(3, 8, 3, padding=1)
            self.time_embedding = nn.Module()
            self.time_embedding.linear_1 = nn.Linear(8, 32)
            self.time_embedding.linear_2 = nn.Linear(32, 32)
            halve, double = nn.Conv2d(8, 8, 3, 2), nn.Conv2d(16, 16, 3, padding=1)
            self.down_blocks = nn.ModuleList(
                [part([(8, 8)], downsamplers=halve), part([(8, 16)], 16)]
            )
            self.mid_block = part([(16, 16), (16, 16)], 16, one=True)
            self.up_blocks = nn.ModuleList(
                [
                    part([(32, 16), (24, 16)], 16, upsamplers=double),
                    part([(24, 8), (16, 8)]),
                ]
            )
            self.conv_norm_out, self.conv_out = group(8), nn.Conv2d(8, 3, 3, padding=1)

        def forward(self, x, t):
            rate = torch.exp(-math.log(10000) * torch.arange(4) / 3)
            angle = t[:, None] * rate[None]
            t = torch.cat([angle.sin(), angle.cos()], 1)
            embed = self.time_embedding
            t = embed.linear_2(F.silu(embed.linear_1(t)))
            high, low = self.down_blocks
            a = self.conv_in(x)
            b = high.resnets[0](a, t)
            c = high.downsamplers[0]["conv"](F.pad(b, (0, 1, 0, 1)))
            d = low.attentions[0](low.resnets[0](c, t))
            y = self.mid_block.attentions[0](self.mid_block.resnets[0](d, t))
            y = self.mid_block.resnets[1](y, t)
            low, high = self.up_blocks
            for i, left in enumerate((d, c)):
                y = low.resnets[i](torch.cat([y, left], 1), t)
                y = low.attentions[i](y)
            y = low.upsamplers[0]["conv"](F.interpolate(y, scale_factor=2.0))
            for i, left in enumerate((b, a)):
                y = high.resnets[i](torch.cat([y, left], 1), t)
            return self.conv_out(F.silu(self.conv_norm_out(y)))

    return UNet


def _save(torch, reference, folder, **config):
    from safetensors import torch as safetensors_torch

    folder.mkdir()
    file = folder / "diffusion_pytorch_model.safetensors"
    safetensors_torch.save_file(reference.state_dict(), file)
    (folder / "config.json").write_text(json.dumps(CONFIG | config))
    return folder


def test_the_prediction_is_the_reference_network_s(torch, torch_unet, tmp_path):
    reference = torch_unet().eval()
    with torch.no_grad():
        for value in reference.parameters():
            value.add_(0.05 * torch.randn_like(value))
    folder = _save(torch, reference, tmp_path / "ddpm")
    model, variables = weights.load(folder)
    assert model.attention == (4,) and model.multipliers == (1, 2)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 3)).astype(np.float32)
    t = np.array([3.0, 870.0], np.float32)
    here = jax.jit(lambda v, *a: model.apply(v, *a, train=False))(variables, x, t)
    with torch.no_grad():
        images = torch.from_numpy(x).permute(0, 3, 1, 2)
        there = reference(images, torch.from_numpy(t)).permute(0, 2, 3, 1).numpy()
    assert np.std(there) > 0.1
    np.testing.assert_allclose(here, there, atol=1e-4)


def test_a_network_that_computes_otherwise_is_one_sentence(torch, torch_unet, tmp_path):
    folder = _save(torch, torch_unet(), tmp_path / "other", downsample_padding=1)
    with pytest.raises(ValueError) as error:
        weights.load(folder)
    assert str(error.value) == (
        "config.json has downsample_padding=1, but the network here computes 0 only; "
        "bring weights made with that"
    )

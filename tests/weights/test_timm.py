import json

import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from research import weights


@pytest.fixture
def save_file(torch):
    """Writes safetensors as PyTorch's users do."""
    from safetensors import torch as safetensors_torch

    return safetensors_torch.save_file


@pytest.fixture
def torch_vit(torch):
    """Makes a ViT under timm's names, with a class token or the mean of the tokens."""
    nn = torch.nn

    class Attention(nn.Module):
        def __init__(self, width, heads, qkv_bias):
            super().__init__()
            self.heads = heads
            self.qkv = nn.Linear(width, 3 * width, bias=qkv_bias)
            self.proj = nn.Linear(width, width)

        def forward(self, x):
            b, n, d = x.shape
            qkv = self.qkv(x).reshape(b, n, 3, self.heads, d // self.heads)
            q, k, v = qkv.permute(2, 0, 3, 1, 4)
            y = torch.nn.functional.scaled_dot_product_attention(q, k, v)
            return self.proj(y.transpose(1, 2).reshape(b, n, d))

    class Mlp(nn.Module):
        def __init__(self, width, inner):
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)

        def forward(self, x):
            return self.fc2(nn.functional.gelu(self.fc1(x)))

    class Block(nn.Module):
        def __init__(self, width, heads, inner, qkv_bias):
            super().__init__()
            self.norm1 = nn.LayerNorm(width, eps=1e-6)
            self.attn = Attention(width, heads, qkv_bias)
            self.norm2 = nn.LayerNorm(width, eps=1e-6)
            self.mlp = Mlp(width, inner)

        def forward(self, x):
            x = x + self.attn(self.norm1(x))
            return x + self.mlp(self.norm2(x))

    class ViT(nn.Module):
        def __init__(
            self, side, patch, width, depth, heads, inner, *, pool, qkv_bias=True
        ):
            super().__init__()
            tokens = (side // patch) ** 2 + (pool == "token")
            if pool == "token":
                self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
            self.pos_embed = nn.Parameter(0.1 * torch.randn(1, tokens, width))
            self.patch_embed = nn.Module()
            self.patch_embed.proj = nn.Conv2d(3, width, patch, patch)
            self.blocks = nn.Sequential(
                *(Block(width, heads, inner, qkv_bias) for _ in range(depth))
            )
            norm = nn.LayerNorm(width, eps=1e-6)
            setattr(self, "norm" if pool == "token" else "fc_norm", norm)
            self.head = nn.Linear(width, 7)
            self.pool = pool

        def forward(self, x):
            x = self.patch_embed.proj(x).flatten(2).transpose(1, 2)
            if self.pool == "token":
                x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1)
            x = self.blocks(x + self.pos_embed)
            if self.pool == "token":
                return self.head(self.norm(x)[:, 0])
            return self.head(self.fc_norm(x.mean(1)))

    return ViT


def check_round_trip(module, model, variables, folder):
    weights.export(model, variables, folder, "timm")
    written = safetensors_numpy.load_file(folder / "model.safetensors")
    kept = {n: t for n, t in module.state_dict().items() if "num_batches" not in n}
    assert written.keys() == kept.keys()
    for name, tensor in kept.items():
        assert written[name].dtype == np.float32
        assert written[name].shape == tuple(tensor.shape)
        assert written[name].tobytes() == tensor.contiguous().numpy().tobytes()
    again, same = weights.load(folder)
    assert again == model
    assert np.array_equal(same["params"]["head"]["kernel"], written_head(written))


def written_head(tensors):
    return tensors["head.weight" if "head.weight" in tensors else "fc.weight"].T


@pytest.mark.parametrize("pool", ["token", "mean"])
@pytest.mark.parametrize("qkv_bias", [True, False])
def test_vit(torch, torch_vit, lively, agrees, pixels, pool, qkv_bias, tmp_path):
    module = lively(torch_vit(32, 8, 48, 2, 4, 96, pool=pool, qkv_bias=qkv_bias))
    torch.save(module.state_dict(), tmp_path / "net.pth")
    model, variables = weights.load(tmp_path / "net.pth", heads=4)
    assert (model.pool, model.qkv_bias) == (pool, qkv_bias)
    agrees(model, variables, module, pixels(32))
    check_round_trip(module, model, variables, tmp_path / "out")


def test_positions_are_interpolated_as_timm_does(
    torch, torch_vit, lively, agrees, pixels, tmp_path
):
    module = lively(torch_vit(32, 8, 48, 2, 4, 96, pool="token"))
    torch.save(module.state_dict(), tmp_path / "net.pth")
    model, variables = weights.load(tmp_path / "net.pth", heads=4, image_size=48)
    with torch.no_grad():
        token, patches = module.pos_embed[:, :1], module.pos_embed[:, 1:]
        patches = patches.reshape(1, 4, 4, 48).permute(0, 3, 1, 2)
        patches = torch.nn.functional.interpolate(
            patches, size=(6, 6), mode="bicubic", antialias=True
        )
        patches = patches.permute(0, 2, 3, 1).reshape(1, 36, 48)
        module.pos_embed = torch.nn.Parameter(torch.cat([token, patches], 1))
    agrees(model, variables, module, pixels(48))


@pytest.mark.parametrize("bottleneck", [False, True])
def test_resnet(save_file, torch_resnet, lively, agrees, pixels, bottleneck, tmp_path):
    module = lively(torch_resnet((1, 2), 8, bottleneck, 7))
    save_file(module.state_dict(), tmp_path / "model.safetensors")
    config = {
        "architecture": "resnet26",
        "pretrained_cfg": {
            "input_size": [3, 160, 160],
            "crop_pct": 0.95,
            "interpolation": "bicubic",
            "mean": [0.485, 0.456, 0.406],
            "std": [0.229, 0.224, 0.225],
        },
        "label_names": list("abcdefg"),
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    model, variables = weights.load(tmp_path)
    agrees(model, variables, module, pixels(64))
    check_round_trip(module, model, variables, tmp_path / "out")
    found = weights.describe(tmp_path)
    assert (found.form.publisher, found.image_size) == ("timm", (160, 160))
    assert found.class_names == tuple("abcdefg")
    assert found.preprocessing == weights.Preprocessing(
        resize=168,  # floor of 160 / 0.95
        interpolation="bicubic",
        crop=(160, 160),
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )


def test_preprocessing_survives_an_export(save_file, torch_resnet, tmp_path):
    module = torch_resnet((1, 1), 8, False, 7)
    save_file(module.state_dict(), tmp_path / "net.safetensors")
    model, variables = weights.load(tmp_path / "net.safetensors")
    prepared = weights.describe(tmp_path / "net.safetensors").preprocessing
    names = tuple("abcdefg")
    out = tmp_path / "out"
    weights.export(
        model, variables, out, "timm", preprocessing=prepared, class_names=names
    )
    found = weights.describe(out)
    assert (found.preprocessing, found.class_names) == (prepared, names)


def test_a_network_that_computes_otherwise_is_refused(
    save_file, torch_resnet, tmp_path
):
    module = torch_resnet((1, 1), 8, False, 7)
    save_file(module.state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"architecture": "resnetaa50"}')
    with pytest.raises(ValueError) as error:
        weights.load(tmp_path)
    assert str(error.value) == (
        "timm's 'resnetaa50' is another network than the plain ResNet and ViT built "
        "here; bring weights such as timm's resnet50 or vit_base_patch16_224"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, width, heads",
    [("vit_ti16", 192, 3), ("vit_s16", 384, 6), ("vit_b16", 768, 12)],
)
def test_full_vits(
    torch, torch_vit, lively, agrees, pixels, name, width, heads, tmp_path
):
    module = lively(torch_vit(224, 16, width, 12, heads, 4 * width, pool="token"))
    torch.save(module.state_dict(), tmp_path / "net.pth")
    model, variables = weights.load(name, path=tmp_path / "net.pth")
    agrees(model, variables, module, pixels(224))

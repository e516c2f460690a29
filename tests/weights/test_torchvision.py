import pathlib

import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from research import weights


@pytest.fixture
def torch_vit(torch):
    """Makes a ViT under torchvision's names."""
    nn = torch.nn

    class Layer(nn.Module):
        def __init__(self, width, heads, inner):
            super().__init__()
            self.ln_1 = nn.LayerNorm(width, eps=1e-6)
            self.self_attention = nn.MultiheadAttention(width, heads, batch_first=True)
            self.ln_2 = nn.LayerNorm(width, eps=1e-6)
            first, last = nn.Linear(width, inner), nn.Linear(inner, width)
            self.mlp = nn.Sequential(first, nn.GELU(), nn.Dropout(0), last)

        def forward(self, x):
            y = self.ln_1(x)
            x = x + self.self_attention(y, y, y, need_weights=False)[0]
            return x + self.mlp(self.ln_2(x))

    class Encoder(nn.Module):
        def __init__(self, tokens, width, depth, heads, inner):
            super().__init__()
            self.pos_embedding = nn.Parameter(torch.zeros(1, tokens, width))
            self.layers = nn.Sequential()
            for i in range(depth):
                self.layers.add_module(f"encoder_layer_{i}", Layer(width, heads, inner))
            self.ln = nn.LayerNorm(width, eps=1e-6)

        def forward(self, x):
            return self.ln(self.layers(x + self.pos_embedding))

    class ViT(nn.Module):
        def __init__(self, side, patch, width, depth, heads, inner, classes):
            super().__init__()
            self.class_token = nn.Parameter(torch.zeros(1, 1, width))
            self.conv_proj = nn.Conv2d(3, width, patch, patch)
            tokens = (side // patch) ** 2 + 1
            self.encoder = Encoder(tokens, width, depth, heads, inner)
            self.heads = nn.Sequential()
            self.heads.add_module("head", nn.Linear(width, classes))

        def forward(self, x):
            x = self.conv_proj(x).flatten(2).transpose(1, 2)
            token = self.class_token.expand(len(x), -1, -1)
            return self.heads(self.encoder(torch.cat([token, x], 1))[:, 0])

    return ViT


@pytest.fixture
def torch_vgg(torch):
    """Makes a VGG, or AlexNet, under torchvision's names."""
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self, features, classifier, side):
            super().__init__()
            self.features = nn.Sequential(*features)
            self.avgpool = nn.AdaptiveAvgPool2d((side, side))
            self.classifier = nn.Sequential(*classifier)

        def forward(self, x):
            return self.classifier(self.avgpool(self.features(x)).flatten(1))

    def vgg(sizes, norm, widths=(4, 8, 8, 8, 8), hidden=16, classes=5):
        made, inputs = [], 3
        for count, width in zip(sizes, widths, strict=True):
            for _ in range(count):
                made.append(nn.Conv2d(inputs, width, 3, padding=1))
                made += [nn.BatchNorm2d(width)] if norm == "batch" else []
                made.append(nn.ReLU())
                inputs = width
            made.append(nn.MaxPool2d(2, 2))
        dense = [nn.Linear(49 * inputs, hidden), nn.ReLU(), nn.Dropout()]
        dense += [nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout()]
        return Net(made, [*dense, nn.Linear(hidden, classes)], 7)

    def alexnet(widths=(4, 8, 8, 8, 8), hidden=16, classes=5):
        rows = [(11, 4, 2), (5, 1, 2), (3, 1, 1), (3, 1, 1), (3, 1, 1)]
        made, inputs = [], 3
        for i, (size, stride, around) in enumerate(rows):
            made += [nn.Conv2d(inputs, widths[i], size, stride, around), nn.ReLU()]
            made += [nn.MaxPool2d(3, 2)] if i in (0, 1, 4) else []
            inputs = widths[i]
        dense = [nn.Dropout(), nn.Linear(36 * inputs, hidden), nn.ReLU(), nn.Dropout()]
        dense += [nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, classes)]
        return Net(made, dense, 6)

    vgg.alexnet = alexnet
    return vgg


def check_round_trip(torch, module, model, variables, folder):
    """Exports, compares every tensor byte by byte, and loads it strictly."""
    (file,) = weights.export(model, variables, folder / "a.safetensors", "torchvision")
    written = safetensors_numpy.load_file(file)
    kept = {n: t for n, t in module.state_dict().items() if "num_batches" not in n}
    assert written.keys() == kept.keys()
    for name, tensor in kept.items():
        assert written[name].dtype == np.float32
        assert written[name].shape == tuple(tensor.shape)
        assert written[name].tobytes() == tensor.contiguous().numpy().tobytes()
    again = {name: torch.from_numpy(values) for name, values in written.items()}
    module.load_state_dict(again, strict=True)


@pytest.mark.parametrize("bottleneck", [False, True])
@pytest.mark.parametrize("kind", ["zip", "stream", "safetensors"])
def test_resnet(
    torch, torch_resnet, lively, agrees, pixels, bottleneck, kind, tmp_path
):
    module = lively(torch_resnet((1, 2, 1, 1), 8, bottleneck, 7))
    if kind == "safetensors":
        from safetensors import torch as safetensors_torch

        path = tmp_path / "net.safetensors"
        safetensors_torch.save_file(module.state_dict(), path)
    else:
        path = tmp_path / "net.pth"
        zipped = kind == "zip"
        torch.save(module.state_dict(), path, _use_new_zipfile_serialization=zipped)
    model, variables = weights.load(path)
    assert model.stage_sizes == (1, 2, 1, 1) and model.num_classes == 7
    agrees(model, variables, module, pixels(64))
    check_round_trip(torch, module, model, variables, tmp_path)


@pytest.mark.parametrize("old_names", [False, True])
def test_vit(torch, torch_vit, lively, agrees, pixels, old_names, tmp_path):
    module = lively(torch_vit(32, 8, 48, 2, 4, 96, 7))
    state = module.state_dict()
    if old_names:
        for new, old in ((".mlp.0.", ".mlp.linear_1."), (".mlp.3.", ".mlp.linear_2.")):
            state = {name.replace(new, old): t for name, t in state.items()}
    torch.save(state, tmp_path / "net.pth")
    model, variables = weights.load(tmp_path / "net.pth", heads=4)
    assert (model.patch, model.depth, model.mlp_dim) == (8, 2, 96)
    agrees(model, variables, module, pixels(32))
    check_round_trip(torch, module, model, variables, tmp_path)


@pytest.mark.parametrize(
    "sizes, norm",
    [
        ((1, 1, 2, 2, 2), "none"),
        ((1, 1, 2, 2, 2), "batch"),
        ((2, 2, 2, 2, 2), "batch"),
        ((2, 2, 3, 3, 3), "none"),
        pytest.param((2, 2, 2, 2, 2), "none", marks=pytest.mark.slow),
        pytest.param((2, 2, 3, 3, 3), "batch", marks=pytest.mark.slow),
        pytest.param((2, 2, 4, 4, 4), "none", marks=pytest.mark.slow),
        pytest.param((2, 2, 4, 4, 4), "batch", marks=pytest.mark.slow),
    ],
)
def test_vgg(torch, torch_vgg, lively, agrees, pixels, sizes, norm, tmp_path):
    module = lively(torch_vgg(sizes, norm))
    torch.save(module.state_dict(), tmp_path / "net.pth")
    model, variables = weights.load(tmp_path / "net.pth")
    assert (model.stage_sizes, model.norm) == (sizes, norm)
    agrees(model, variables, module, pixels(224))
    check_round_trip(torch, module, model, variables, tmp_path)


def test_alexnet(torch, torch_vgg, lively, agrees, pixels, tmp_path):
    module = lively(torch_vgg.alexnet())
    torch.save(module.state_dict(), tmp_path / "net.pth")
    model, variables = weights.load(tmp_path / "net.pth")
    agrees(model, variables, module, pixels(224))
    check_round_trip(torch, module, model, variables, tmp_path)


def test_a_dense_layer_on_a_map_fits_one_image_size(torch, torch_vgg, tmp_path):
    torch.save(torch_vgg.alexnet().state_dict(), tmp_path / "net.pth")
    with pytest.raises(ValueError) as error:
        weights.load(tmp_path / "net.pth", image_size=128)
    assert str(error.value) == (
        f"params/hidden1/kernel is (288, 16) in {tmp_path}/net.pth but (72, 16) for "
        "images of (128, 128); use the weights' own image size, (224, 224)"
    )


def test_heads_that_nothing_tells_must_be_given(torch, torch_vit, tmp_path):
    torch.save(torch_vit(32, 8, 48, 1, 4, 96, 7).state_dict(), tmp_path / "net.pth")
    with pytest.raises(ValueError) as error:
        weights.load(tmp_path / "net.pth")
    assert str(error.value) == (
        f"{tmp_path}/net.pth does not tell the number of attention heads and width 48 "
        "is no published one; give heads=NUMBER"
    )


@pytest.mark.parametrize(
    "name, resize, interpolation",
    [
        ("resnet50-0676ba61.pth", 256, "bilinear"),
        ("resnet50-11ad3fa6.pth", 232, "bilinear"),
        ("vit_b_16_lc_swag-4e70ced5.pth", 224, "bicubic"),
        ("a.pth", 256, "bilinear"),
    ],
)
def test_images_are_prepared_as_the_file_name_says(
    torch, torch_resnet, tmp_path, name, resize, interpolation
):
    torch.save(torch_resnet((1, 1), 8, True, 7).state_dict(), tmp_path / name)
    assert weights.describe(tmp_path / name).preprocessing == weights.Preprocessing(
        resize=resize,
        interpolation=interpolation,
        crop=(224, 224),
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )


@pytest.mark.parametrize(
    "wrapped", [lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": s}]
)
def test_wrapped_and_parallel_state_dicts_are_opened(
    torch, torch_resnet, lively, agrees, pixels, wrapped, tmp_path
):
    module = lively(torch_resnet((1, 1), 8, False, 7))
    state = {f"module.{name}": t for name, t in module.state_dict().items()}
    torch.save(wrapped(state), tmp_path / "net.pth")
    agrees(*weights.load(tmp_path / "net.pth"), module, pixels(32))


def test_the_other_stride_can_be_asked_for(torch, torch_resnet, tmp_path):
    torch.save(torch_resnet((1, 1), 8, True, 7).state_dict(), tmp_path / "net.pth")
    model, _ = weights.load(tmp_path / "net.pth", stride_in="conv1")
    assert model.stride_in == "conv1"
    with pytest.raises(ValueError) as error:
        weights.export(model, {}, tmp_path / "out.safetensors", "torchvision")
    assert str(error.value) == (
        "torchvision has no resnet with stride_in='conv1'; use format='menagerie'"
    )


SIZES = {
    "resnet18": ((2, 2, 2, 2), False),
    "resnet34": ((3, 4, 6, 3), False),
    "resnet50": ((3, 4, 6, 3), True),
    "resnet101": ((3, 4, 23, 3), True),
    "resnet152": ((3, 8, 36, 3), True),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SIZES)
def test_full_resnets(torch, torch_resnet, lively, agrees, pixels, name, tmp_path):
    sizes, bottleneck = SIZES[name]
    module = lively(torch_resnet(sizes, 64, bottleneck, 1000))
    with torch.no_grad():  # 50 blocks without training would grow their sum
        for block in module.modules():
            last = getattr(block, "bn3", getattr(block, "bn2", None))
            if last is not None:
                last.weight.mul_(0.2)
    torch.save(module.state_dict(), tmp_path / "net.pth")
    model, variables = weights.load(name, path=tmp_path / "net.pth")
    agrees(model, variables, module, pixels(224))


@pytest.mark.slow
@pytest.mark.parametrize("patch", [16, 32])
def test_full_vit_b(torch, torch_vit, lively, agrees, pixels, patch, tmp_path):
    module = lively(torch_vit(224, patch, 768, 12, 12, 3072, 1000))
    torch.save(module.state_dict(), tmp_path / "net.pth")
    model, variables = weights.load(f"vit_b{patch}", path=tmp_path / "net.pth")
    agrees(model, variables, module, pixels(224))


def test_a_file_alone_is_written(torch, torch_resnet, tmp_path):
    torch.save(torch_resnet((1, 1), 8, False, 7).state_dict(), tmp_path / "net.pth")
    model, variables = weights.load(tmp_path / "net.pth")
    with pytest.raises(ValueError) as error:
        weights.export(model, variables, tmp_path / "out", "torchvision")
    assert str(error.value) == (
        f"this format is one .safetensors file, got {tmp_path}/out; end the name so"
    )
    assert not pathlib.Path(tmp_path / "out").exists()

import json

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from research import weights

RESNETS = {
    "basic": dict(layer_type="basic", hidden_sizes=[8, 16, 24]),
    "bottleneck v1.5": dict(layer_type="bottleneck", hidden_sizes=[16, 32, 48]),
    "bottleneck v1": dict(
        layer_type="bottleneck",
        hidden_sizes=[16, 32, 48],
        downsample_in_bottleneck=True,
    ),
    "first stage strides": dict(
        layer_type="bottleneck",
        hidden_sizes=[16, 32, 48],
        downsample_in_first_stage=True,
    ),
    "first stage strides, v1": dict(
        layer_type="bottleneck",
        hidden_sizes=[16, 32, 48],
        downsample_in_first_stage=True,
        downsample_in_bottleneck=True,
    ),
    "first stage strides, basic": dict(
        layer_type="basic", hidden_sizes=[8, 16, 24], downsample_in_first_stage=True
    ),
}
SMALL_VIT = dict(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=64,
    image_size=32,
    patch_size=8,
    num_labels=7,
)


@pytest.fixture
def resnet(transformers, lively):
    def make(**fields):
        config = transformers.ResNetConfig(
            **{"embedding_size": 8, "depths": [1, 2, 1], "num_labels": 7} | fields
        )
        return lively(transformers.ResNetForImageClassification(config))

    return make


@pytest.fixture
def vit(transformers, lively):
    def make(**fields):
        config = transformers.ViTConfig(**SMALL_VIT | fields)
        return lively(transformers.ViTForImageClassification(config))

    return make


def check_round_trip(reference, folder, model, variables, out, **described):
    """Exports, compares every tensor byte by byte, and lets transformers read it."""
    weights.export(model, variables, out, "huggingface", **described)
    there = safetensors_numpy.load_file(folder / "model.safetensors")
    here = safetensors_numpy.load_file(out / "model.safetensors")
    kept = {n: t for n, t in there.items() if "num_batches" not in n}
    assert here.keys() == kept.keys()
    for name, values in kept.items():
        assert here[name].shape == values.shape and here[name].dtype == values.dtype
        assert here[name].tobytes() == values.tobytes()
    again = type(reference).from_pretrained(out)
    assert again.config.to_dict().keys() >= {"id2label"}
    return again.eval()


@pytest.mark.parametrize("name", RESNETS)
def test_resnet(resnet, agrees, pixels, name, tmp_path):
    module = resnet(**RESNETS[name])
    module.save_pretrained(tmp_path / "net")
    model, variables = weights.load(tmp_path / "net")
    agrees(model, variables, module, pixels(64))
    again = check_round_trip(
        module, tmp_path / "net", model, variables, tmp_path / "out"
    )
    agrees(model, variables, again, pixels(64))


@pytest.mark.parametrize(
    "fields",
    [
        dict(),
        dict(qkv_bias=False, num_labels=3),
        dict(hidden_size=48, num_attention_heads=6, num_hidden_layers=3, patch_size=4),
        dict(image_size=[32, 48], layer_norm_eps=1e-5, num_channels=1),
    ],
    ids=["plain", "no qkv bias", "other sizes", "not square, grey"],
)
def test_vit(vit, agrees, pixels, fields, tmp_path):
    module = vit(**fields)
    module.save_pretrained(tmp_path / "net")
    model, variables = weights.load(tmp_path / "net")
    images = pixels(48, channels=fields.get("num_channels", 3))
    height, width = weights.describe(tmp_path / "net").image_size
    images = images[:, :height, :width]
    agrees(model, variables, module, images)
    size = (height, width)
    again = check_round_trip(
        module, tmp_path / "net", model, variables, tmp_path / "out", image_size=size
    )
    agrees(model, variables, again, images)


def test_positions_are_interpolated_as_transformers_does(
    vit, agrees, pixels, tmp_path, caplog
):
    module = vit()
    module.save_pretrained(tmp_path)
    for size in (48, 16):
        model, variables = weights.load(tmp_path, image_size=size)
        assert caplog.messages.pop() == (
            f"{tmp_path} has positions of (4, 4) patches, interpolated to "
            f"({size // 8}, {size // 8})"
        )
        images = pixels(size)
        agrees(model, variables, module, images, interpolate_pos_encoding=True)


def test_headless_resnet(torch, transformers, lively, pixels, tmp_path):
    config = transformers.ResNetConfig(
        embedding_size=8, depths=[1, 1], hidden_sizes=[16, 32]
    )
    module = lively(transformers.ResNetModel(config))
    module.save_pretrained(tmp_path)
    model, variables = weights.load(tmp_path)
    maps = model.apply(variables, jnp.asarray(pixels(64)), train=False)
    with torch.no_grad():
        images = torch.from_numpy(pixels(64)).permute(0, 3, 1, 2)
        there = module(images, output_hidden_states=True).hidden_states
    assert len(maps) == 2
    for here, reference in zip(maps, there[1:], strict=True):
        reference = reference.permute(0, 2, 3, 1).numpy()
        assert np.max(np.abs(here - reference)) <= 1e-4


def test_headless_vit_leaves_the_pooler_and_takes_a_new_head(
    torch, transformers, lively, pixels, tmp_path, caplog
):
    names = {i: name for i, name in enumerate("abcdefg")}
    config = transformers.ViTConfig(**SMALL_VIT, id2label=names)
    module = lively(transformers.ViTModel(config))
    module.save_pretrained(tmp_path)
    assert weights.describe(tmp_path).class_names is None  # without a head, no classes
    caplog.set_level("INFO", "research.weights")
    model, variables = weights.load(tmp_path)
    assert caplog.messages == [
        f"{tmp_path}: 2 tensors not read: the tanh layer behind a class token without "
        "head"
    ]
    assert model.num_classes == 0
    with torch.no_grad():
        images = torch.from_numpy(pixels(32)).permute(0, 3, 1, 2)
        there = module(images).last_hidden_state[:, 0].numpy()
    here = model.apply(variables, jnp.asarray(pixels(32)), train=False)
    assert np.max(np.abs(here - there)) <= 1e-4
    model, variables = weights.load(tmp_path, num_classes=5)
    assert variables["params"]["head"]["kernel"].shape == (32, 5)
    assert model.apply(variables, jnp.asarray(pixels(32)), train=False).shape == (2, 5)


@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_shards_are_read_together(torch, vit, agrees, pixels, kind, tmp_path):
    module = vit()
    if kind == "safetensors":
        module.save_pretrained(tmp_path, max_shard_size="20kB")
        assert len(list(tmp_path.glob("*.safetensors"))) > 2
    else:
        module.save_pretrained(tmp_path)
        whole = safetensors_numpy.load_file(tmp_path / "model.safetensors")
        (tmp_path / "model.safetensors").unlink()
        places = {}
        for k, name in enumerate(whole):
            places[name] = f"pytorch_model-0000{k % 2 + 1}-of-00002.bin"
        for shard in set(places.values()):
            part = {n: torch.from_numpy(whole[n]) for n in whole if places[n] == shard}
            torch.save(part, tmp_path / shard)
        index = tmp_path / "pytorch_model.bin.index.json"
        index.write_text(json.dumps({"weight_map": places}))
    agrees(*weights.load(tmp_path), module, pixels(32))
    next(tmp_path.glob("*-00002-of-*")).unlink()
    with pytest.raises(FileNotFoundError, match="which is not there; bring that file"):
        weights.load(tmp_path)


def test_half_precision_files_become_float32(torch, vit, agrees, pixels, tmp_path):
    module = vit().to(torch.bfloat16)
    module.save_pretrained(tmp_path)
    model, variables = weights.load(tmp_path)
    assert variables["params"]["head"]["kernel"].dtype == np.float32
    agrees(model, variables, module.float(), pixels(32))


def test_names_and_preprocessing_come_with_the_weights(transformers, vit, tmp_path):
    names = {0: "tench", 1: "goldfish", 2: "shark"}
    vit(num_labels=3, id2label=names).save_pretrained(tmp_path)
    processor = transformers.ViTImageProcessor(
        size={"height": 32, "width": 32}, resample=3
    )
    processor.save_pretrained(tmp_path)
    found = weights.describe(tmp_path)
    assert found.class_names == ("tench", "goldfish", "shark")
    assert found.preprocessing == weights.Preprocessing(
        resize=(32, 32),
        interpolation="bicubic",
        crop=(32, 32),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
    )
    model, variables = weights.load(tmp_path)
    weights.export(
        model,
        variables,
        tmp_path / "out",
        "huggingface",
        preprocessing=found.preprocessing,
        class_names=found.class_names,
    )
    again = weights.describe(tmp_path / "out")
    assert again.preprocessing == found.preprocessing
    assert again.class_names == found.class_names


@pytest.mark.parametrize(
    "prepared, resize, crop",
    [
        (dict(size=224, crop_pct=0.875), 256, (224, 224)),  # as microsoft/resnet-50
        (dict(size={"shortest_edge": 384}, crop_pct=0.875), (384, 384), (384, 384)),
        (dict(size=224), (224, 224), (224, 224)),  # as google/vit-base-patch16-224
        (
            dict(size={"shortest_edge": 256}, do_center_crop=True, crop_size=224),
            256,
            (224, 224),
        ),
    ],
)
def test_every_published_rule_of_resizing(resnet, prepared, resize, crop, tmp_path):
    resnet(**RESNETS["basic"]).save_pretrained(tmp_path)
    content = {"image_mean": [0.4] * 3, "image_std": [0.2] * 3, "resample": 3}
    file = tmp_path / "preprocessor_config.json"
    file.write_text(json.dumps(content | prepared))
    found = weights.describe(tmp_path)
    assert found.class_names is None  # LABEL_0 ... are no names
    assert found.image_size == crop
    assert found.preprocessing == weights.Preprocessing(
        resize=resize,
        interpolation="bicubic",
        crop=crop,
        mean=(0.4, 0.4, 0.4),
        std=(0.2, 0.2, 0.2),
    )


def test_another_activation_is_refused(vit, tmp_path):
    vit(hidden_act="relu").save_pretrained(tmp_path)
    with pytest.raises(ValueError) as error:
        weights.load(tmp_path)
    assert str(error.value) == (
        "config.json has hidden_act='relu', but the network here computes 'gelu' only; "
        "bring weights made with that"
    )


def test_a_missing_config_is_named(vit, tmp_path):
    vit().save_pretrained(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(ValueError) as error:
        weights.load(tmp_path)
    assert str(error.value) == (
        "weights in Hugging Face's names need their config.json; bring it into the "
        "folder of model.safetensors and give that folder as path"
    )


FULL_VITS = {
    "Ti/16": dict(
        hidden_size=192, num_attention_heads=3, intermediate_size=768, patch_size=16
    ),
    "S/16": dict(
        hidden_size=384, num_attention_heads=6, intermediate_size=1536, patch_size=16
    ),
    "B/16": dict(patch_size=16),
    "B/32": dict(patch_size=32, image_size=384),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL_VITS)
def test_full_vits(transformers, lively, agrees, pixels, name, tmp_path):
    config = transformers.ViTConfig(**FULL_VITS[name], num_labels=1000)
    module = lively(transformers.ViTForImageClassification(config))
    module.save_pretrained(tmp_path)
    agrees(*weights.load(tmp_path), module, pixels(config.image_size))


FULL_RESNETS = {
    "18": dict(
        layer_type="basic", depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512]
    ),
    "34": dict(
        layer_type="basic", depths=[3, 4, 6, 3], hidden_sizes=[64, 128, 256, 512]
    ),
    "50": dict(depths=[3, 4, 6, 3]),
    "101": dict(depths=[3, 4, 23, 3]),
    "152": dict(depths=[3, 8, 36, 3]),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL_RESNETS)
def test_full_resnets(torch, transformers, lively, agrees, pixels, name, tmp_path):
    config = transformers.ResNetConfig(**FULL_RESNETS[name], num_labels=1000)
    module = lively(transformers.ResNetForImageClassification(config))
    with torch.no_grad():  # a sum of many blocks would grow past the tolerance
        for layer in module.modules():
            if hasattr(layer, "shortcut") and hasattr(layer, "layer"):
                layer.layer[-1].normalization.weight.mul_(0.2)
    module.save_pretrained(tmp_path)
    model, variables = weights.load(f"resnet{name}", path=tmp_path)
    agrees(model, variables, module, pixels(224))

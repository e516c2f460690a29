"""DETR as transformers computes it: classes and boxes within 1e-4."""

import jax
import numpy as np
import pytest

from research import weights

_TRUNK = dict(
    model_type="resnet",
    embedding_size=8,
    hidden_sizes=[8, 8, 16, 16],
    depths=[1, 1, 1, 1],
    layer_type="basic",
    out_features=["stage4"],
)
_SMALL = dict(
    d_model=16,
    encoder_layers=2,
    decoder_layers=2,
    encoder_attention_heads=2,
    decoder_attention_heads=2,
    encoder_ffn_dim=32,
    decoder_ffn_dim=32,
    num_queries=5,
    num_labels=3,
    use_timm_backbone=False,
)


@pytest.fixture
def reference(transformers, lively, torch):
    config = transformers.DetrConfig(backbone_config=_TRUNK, **_SMALL)
    module = lively(transformers.DetrForObjectDetection(config))
    with torch.no_grad():  # away from their small start, so that queries differ
        for name, value in module.named_parameters():
            if value.ndim == 2:
                value.normal_(0, 1.0 if "query_position" in name else 0.3)
    return module


def _told(model, variables, pixels):
    run = jax.jit(lambda v, x: model.apply(v, x, train=False))
    found = {name: value[:, -1] for name, value in run(variables, pixels).items()}
    logits = np.concatenate([found["logits"], found["nothing"][..., None]], axis=-1)
    return logits, np.asarray(found["boxes"])


def _assert_agrees(model, variables, module, torch):
    pixels = np.random.default_rng(0).normal(size=(2, 64, 96, 3)).astype(np.float32)
    with torch.no_grad():
        there = module(torch.from_numpy(pixels).permute(0, 3, 1, 2))
    logits, boxes = _told(model, variables, pixels)
    assert logits.shape == (2, 5, 4) and np.std(there.pred_boxes.numpy()) > 0.01
    np.testing.assert_allclose(logits, there.logits.numpy(), rtol=0, atol=1e-4)
    np.testing.assert_allclose(boxes, there.pred_boxes.numpy(), rtol=0, atol=1e-4)


def test_it_agrees_both_ways(reference, transformers, torch, tmp_path):
    reference.save_pretrained(tmp_path / "theirs")
    model, variables = weights.load(tmp_path / "theirs")
    assert model.depth == 2 and model.num_classes == 3
    _assert_agrees(model, variables, reference, torch)
    weights.export(model, variables, tmp_path / "ours", format="huggingface")
    back = transformers.DetrForObjectDetection.from_pretrained(tmp_path / "ours")
    _assert_agrees(model, variables, back.eval(), torch)


def test_timms_names_of_the_trunk(reference, torch_resnet, lively, tmp_path, torch):
    """As facebook/detr-resnet-50 is published: the same trunk, named by timm."""
    from safetensors.torch import save_file

    reference.save_pretrained(tmp_path)
    trunk = "model.backbone.conv_encoder.model."
    body = lively(torch_resnet((1, 1, 1, 1), 8, False, 1)).state_dict()
    state = {
        name: value.contiguous()
        for name, value in _saved(tmp_path).items()
        if not name.startswith(trunk)
    }
    state["model.input_projection.weight"] = torch.zeros(16, 64, 1, 1)
    state |= {trunk + k: v for k, v in body.items() if not k.startswith("fc.")}
    save_file(state, tmp_path / "model.safetensors")
    model, variables = weights.load(tmp_path)
    assert model.features == (8, 16, 32, 64)
    kernel = variables["params"]["backbone"]["stage3_block1"]["conv2"]["kernel"]
    there = body["layer3.0.conv2.weight"].permute(2, 3, 1, 0).numpy()
    np.testing.assert_array_equal(kernel, there)


def _saved(folder):
    from safetensors.torch import load_file

    return load_file(folder / "model.safetensors")


@pytest.mark.slow
def test_other_classes_start_with_a_new_head(reference, tmp_path):
    reference.save_pretrained(tmp_path)
    found = weights.describe(tmp_path)
    assert found.form.task == "detection"
    variables = weights.read(found, found.build(num_classes=7))
    head = variables["params"]["class_head"]["kernel"]
    assert head.shape == (16, 8) and head.std() > 0
    old = weights.read(found, found.build())["params"]
    for name in set(old) - {"class_head"}:
        same = jax.tree.map(np.array_equal, old[name], variables["params"][name])
        assert all(jax.tree.leaves(same)), name


def test_another_form_of_positions_is_refused(reference, tmp_path):
    reference.config.position_embedding_type = "learned"
    reference.save_pretrained(tmp_path)
    with pytest.raises(ValueError) as error:
        weights.load(tmp_path)
    assert str(error.value) == (
        "config.json has position_embedding_type='learned', but the network here "
        "computes 'sine' only; bring weights made with that"
    )

"""The Audio Spectrogram Transformer against transformers, from its files and back."""

import json

import jax
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from research import weights

SMALL = dict(
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=64,
    patch_size=8,
    frequency_stride=6,
    time_stride=6,
    max_length=32,
    num_mel_bins=16,
)


@pytest.fixture
def saved(transformers, lively, torch, tmp_path):
    """(network, its feature extractor, folder)"""
    config = transformers.ASTConfig(**SMALL, num_labels=7)
    module = lively(transformers.ASTForAudioClassification(config))
    embeddings = module.audio_spectrogram_transformer.embeddings
    with torch.no_grad():
        for table in (embeddings.position_embeddings, embeddings.distillation_token):
            table.copy_(0.1 * torch.randn_like(table))
    prepares = transformers.ASTFeatureExtractor(
        num_mel_bins=16, max_length=32, mean=-6.8, std=5.6
    )
    module.save_pretrained(tmp_path / "net")
    prepares.save_pretrained(tmp_path / "net")
    return module, prepares, tmp_path / "net"


def _waves(seconds):
    rng = np.random.default_rng(0)
    return rng.normal(0, 0.1, (2, round(16_000 * seconds))).astype(np.float32)


def _logits(torch, module, prepares, waves):
    inputs = prepares(list(waves), sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        return module(**inputs).logits.numpy()


@pytest.mark.parametrize("seconds", [0.2, 0.5], ids=["padded", "cut"])
def test_logits_of_a_waveform_are_the_references(saved, torch, seconds):
    module, prepares, folder = saved
    model, variables = weights.load(folder)
    waves = _waves(seconds)
    here = jax.jit(lambda x: model.apply(variables, x, train=False))(waves)
    there = _logits(torch, module, prepares, waves)
    assert here.shape == there.shape == (2, 7) and np.std(there) > 0.01
    assert np.max(np.abs(here - there)) <= 1e-4


def test_an_export_is_read_by_transformers(saved, torch, transformers, tmp_path):
    module, prepares, folder = saved
    model, variables = weights.load(folder)
    weights.export(model, variables, tmp_path / "out", "huggingface")
    there = safetensors_numpy.load_file(folder / "model.safetensors")
    here = safetensors_numpy.load_file(tmp_path / "out" / "model.safetensors")
    assert here.keys() == there.keys()
    for name, values in there.items():
        assert here[name].tobytes() == values.tobytes()
    again = type(module).from_pretrained(tmp_path / "out").eval()
    rule = transformers.ASTFeatureExtractor.from_pretrained(tmp_path / "out")
    waves = _waves(0.2)
    np.testing.assert_allclose(
        _logits(torch, again, rule, waves),
        _logits(torch, module, prepares, waves),
        atol=1e-6,
    )


def test_other_strides_in_time_are_refused(saved):
    folder = saved[2]
    config = json.loads((folder / "config.json").read_text())
    config["time_stride"] = 4
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError) as error:
        weights.load(folder)
    assert str(error.value) == (
        "config.json has time_stride=4, but the network here computes 6 only; bring "
        "weights made with that"
    )

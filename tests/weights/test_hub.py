import sys
import types

import pytest

from research import lookup, weights
from research.weights import hub


@pytest.fixture
def served(monkeypatch):
    """Puts a hub that serves a folder, or fails, in place of huggingface_hub."""

    def serve(answer):
        asked = []

        def snapshot_download(repo, allow_patterns):
            asked.append((repo, tuple(allow_patterns)))
            if isinstance(answer, Exception):
                raise answer
            return str(answer)

        module = types.SimpleNamespace(snapshot_download=snapshot_download)
        monkeypatch.setitem(sys.modules, "huggingface_hub", module)
        return asked

    return serve


def test_every_short_name_is_a_variant_of_ours():
    for _, architecture, variant in hub.NAMES.values():
        lookup.module("models", architecture).build(variant)


def test_a_short_name_tells_its_task_without_a_network(served):
    asked = served(OSError("no network"))
    assert [weights.task(name) for name in ("resnet50", "ast-audioset", "vgg16")] == [
        "classification"
    ] * 3
    assert weights.task("gpt2") == "language_modeling"
    assert weights.task("bert-base-uncased") == "masked_language_modeling"
    assert not asked


def test_a_path_of_nothing_is_no_unknown_name():
    for name in ("resnet50-0676ba61.pth", "../net", "./net"):
        with pytest.raises(FileNotFoundError) as error:
            weights.load(name)
        assert str(error.value) == (
            f"there is no weight file {name}; correct the path or bring the file there"
        )


def test_without_the_library_the_files_to_bring_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(FileNotFoundError) as error:
        weights.load("resnet50")
    assert str(error.value) == (
        "the weights microsoft/resnet-50 are not here and cannot be fetched "
        "(huggingface_hub is not installed); bring config.json, "
        "preprocessor_config.json and model.safetensors from "
        "https://huggingface.co/microsoft/resnet-50/tree/main into one folder and give "
        "that folder in place of the name"
    )


def test_without_a_network_the_files_to_bring_are_named(served):
    served(OSError("no network.\nDetails"))
    with pytest.raises(FileNotFoundError) as error:
        weights.load("timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k")
    assert str(error.value) == (
        "the weights timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k are not here and "
        "cannot be fetched (no network); bring config.json and model.safetensors from "
        "https://huggingface.co/timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k/tree/"
        "main into one folder and give that folder in place of the name"
    )


def test_weights_that_no_repository_has_name_their_file():
    with pytest.raises(FileNotFoundError) as error:
        weights.load("vgg16")
    assert str(error.value) == (
        "the weights vgg16 are not fetched by name; bring "
        "https://download.pytorch.org/models/vgg16-397923af.pth and give it as "
        "path=FILE"
    )


def test_a_served_repository_is_loaded(served, tmp_path):
    model = lookup.module("models", "resnet").build("debug")
    import jax
    import jax.numpy as jnp

    variables = model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)
    weights.export(
        model.clone(stem="imagenet"), variables, tmp_path, "huggingface", image_size=32
    )
    asked = served(tmp_path)
    loaded, _ = weights.load("someone/net")
    assert loaded.stage_sizes == (1, 1)
    assert asked == [("someone/net", ("*.json", "*.safetensors"))]


def test_repositories_with_pickles_only_are_asked_for_them(served, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    asked = served(tmp_path)
    with pytest.raises(FileNotFoundError, match="holds no weights"):
        weights.load("someone/net")
    assert asked[1] == ("someone/net", ("*.json", "pytorch_model*.bin"))


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError) as error:
        weights.load("resnet51")
    assert str(error.value) == (
        "unknown published weights 'resnet51'; did you mean 'resnet50'? use one of "
        f"{', '.join(hub.NAMES)}, or a repository of huggingface.co as owner/name"
    )

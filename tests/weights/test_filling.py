"""Loading, starting from and exporting weights, on our own networks as sources."""

import json
import tracemalloc

import flax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from research import weights
from research.models import lenet, resnet, vit
from research.weights import published

VIT = dict(patch=8, width=192, depth=2, heads=3, mlp_dim=48, num_classes=7)


def made(model, size, seed=0):
    """Draws every leaf anew, so that none of them is a constant."""
    shapes = jax.eval_shape(
        lambda: model.init(
            jax.random.key(0), jnp.zeros((1, size, size, 3)), train=False
        )
    )
    leaves, form = jax.tree.flatten(shapes)
    draw = np.random.default_rng(seed)
    return jax.tree.unflatten(
        form, [draw.uniform(0.1, 1, leaf.shape).astype(np.float32) for leaf in leaves]
    )


@pytest.fixture
def vit_file(tmp_path):
    model = vit.build("Ti/16", **VIT)
    variables = made(model, 32)
    (file,) = weights.export(
        model, variables, tmp_path / "vit.safetensors", "torchvision"
    )
    return model, variables, file


@pytest.fixture
def resnet_folder(tmp_path):
    model = resnet.build("50", stage_sizes=(1, 1), features=(16, 32), num_classes=7)
    variables = made(model, 32)
    weights.export(model, variables, tmp_path / "resnet", "huggingface")
    return model, variables, tmp_path / "resnet"


def same(here, there) -> bool:
    return jax.tree.all(jax.tree.map(np.array_equal, here, there))


@pytest.mark.parametrize("publisher", ["huggingface", "timm", "menagerie"])
def test_a_loaded_model_is_the_exported_one(publisher, tmp_path):
    for model in (
        resnet.build("debug", stem="imagenet", block="basic", stem_features=16),
        vit.build("Ti/16", **VIT),
    ):
        variables = made(model, 32)
        folder = tmp_path / type(model).__name__
        weights.export(model, variables, folder, publisher, image_size=32)
        loaded, read = weights.load(folder)
        if publisher == "huggingface" and isinstance(model, vit.ViT):
            assert loaded == model.clone(norm_epsilon=1e-6)
        assert loaded == model
        assert same(read, variables)
        assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(read))


def test_our_own_form_keeps_any_network_for_images(tmp_path):
    for name, model, size in (
        ("cifar", resnet.build("20"), 32),
        ("padded", resnet.build("debug", stem="cifar", shortcut="padding"), 32),
        ("mean", vit.build("debug", pool="mean"), 32),
        ("lenet", lenet.build("modern"), 32),
    ):
        variables = made(model, size)
        rule = weights.Preprocessing(36, "bicubic", (32, 32), (0.5,), (0.25,))
        weights.export(
            model,
            variables,
            tmp_path / name,
            image_size=size,
            preprocessing=rule,
            class_names=tuple("abcdefghij"),
        )
        loaded, read = weights.load(tmp_path / name)
        assert loaded == model and same(read, variables)
        found = weights.describe(tmp_path / name)
        assert found.preprocessing == rule
        assert found.class_names == tuple("abcdefghij")


def test_a_torn_model_json_is_named(tmp_path):
    model = vit.build("debug")
    weights.export(model, made(model, 16), tmp_path, image_size=16)
    file = tmp_path / "model.json"
    file.write_text(json.dumps({"architecture": "vit", "fields": {}}))
    with pytest.raises(ValueError) as error:
        weights.load(tmp_path)
    assert str(error.value) == (
        "model.json lacks 'image_size'; bring the one that was written with the weights"
    )


def test_machine_fields_are_given_at_loading(vit_file):
    _, _, file = vit_file
    model, variables = weights.load(
        file, dtype=jnp.bfloat16, param_dtype=jnp.bfloat16, kernels="native"
    )
    assert (model.dtype, model.kernels) == (jnp.bfloat16, "native")
    assert variables["params"]["norm"]["scale"].dtype == jnp.bfloat16


def test_an_unknown_field_names_the_nearest(vit_file):
    with pytest.raises(ValueError, match="did you mean 'num_classes'?"):
        weights.load(vit_file[2], num_clases=3)


def test_another_number_of_classes_starts_the_head_anew(resnet_folder, caplog):
    _, variables, folder = resnet_folder
    model, read = weights.load(folder, num_classes=3)
    assert caplog.messages == [
        f"{folder} has a head of 7 classes, the model one of 3: it starts anew"
    ]
    head = read["params"].pop("head")
    assert head["kernel"].shape == (32, 3) and np.std(head["kernel"]) > 0.05
    assert not head["bias"].any()
    del variables["params"]["head"]
    assert same(read, variables)
    _, other = weights.load(folder, num_classes=3, seed=1)
    assert not np.array_equal(other["params"]["head"]["kernel"], head["kernel"])


def test_no_classes_leave_the_head_out(resnet_folder, caplog):
    _, _, folder = resnet_folder
    model, read = weights.load(folder, num_classes=0)
    assert caplog.messages == [
        f"{folder} has a head of 7 classes, the model one of 0: it is left out"
    ]
    assert "head" not in read["params"]
    maps = model.apply(read, jnp.zeros((1, 32, 32, 3)), train=False)
    assert [m.shape for m in maps] == [(1, 8, 8, 16), (1, 4, 4, 32)]


def test_read_fills_a_given_model_for_a_new_task(vit_file, caplog):
    model, variables, file = vit_file
    other = model.clone(num_classes=3, dropout=0.1)
    read = weights.read(file, other, image_size=48)
    assert caplog.messages == [
        f"{file} has a head of 7 classes, the model one of 3: it starts anew",
        f"{file} has positions of (4, 4) patches, interpolated to (6, 6)",
    ]
    table = variables["params"]["position_embedding"]
    wanted = weights.resize_positions(table, 6)
    np.testing.assert_array_equal(read["params"]["position_embedding"], wanted)
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(read))
    forward = jax.jit(lambda v: other.apply(v, jnp.zeros((1, 48, 48, 3)), train=False))
    assert forward(read).shape == (1, 3)
    again = weights.read(weights.describe(file), other, image_size=(48, 48))
    assert same(again, read)


def test_read_refuses_another_network(vit_file, resnet_folder):
    model, _, file = vit_file
    with pytest.raises(ValueError) as error:
        weights.read(file, model.clone(norm_epsilon=1e-12, depth=3))
    assert str(error.value) == (
        f"{file} was made by a vit with norm_epsilon=1e-06 (here 1e-12), depth=2 "
        "(here 3); give the model these fields"
    )
    with pytest.raises(ValueError) as error:
        weights.read(file, resnet_folder[0])
    assert str(error.value) == (
        f"{file} holds a vit, but the model is a ResNet; set the model's name to 'vit'"
    )
    frozen = resnet_folder[0].clone(norm="frozen")
    assert same(weights.read(resnet_folder[2], frozen), resnet_folder[1])


def test_a_resnet_that_strides_elsewhere_is_another_network(resnet_folder):
    model, _, folder = resnet_folder
    with pytest.raises(ValueError) as error:
        weights.read(folder, model.clone(stride_in="conv1"))
    assert str(error.value) == (
        f"{folder} was made by a resnet with stride_in='conv2' (here 'conv1'); give "
        "the model these fields"
    )


def test_what_does_not_fit_is_listed(vit_file):
    _, _, file = vit_file
    tensors = safetensors_numpy.load_file(file)
    tensors["rotary.frequencies"] = np.zeros((4,), np.float32)
    del tensors["encoder.ln.bias"]
    name = "encoder.layers.encoder_layer_1.mlp.0.bias"
    tensors[name] = np.zeros((47,), np.float32)
    safetensors_numpy.save_file(tensors, file)
    with pytest.raises(ValueError) as error:
        weights.load(file)
    sentence, *rows = str(error.value).split("\n")
    assert sentence == (
        f"{file} does not fit the vit that it says it is: 3 tensors are missing, extra "
        "or mis-shaped; bring weights of that network, or override the fields that "
        "differ"
    )
    assert rows == [
        f"  mis-shaped  {name}: gives (47,), but params/block2/mlp_in/bias is (48,)",
        "  missing     encoder.ln.bias, for params/norm/bias (192,)",
        "  extra       rotary.frequencies (4,)",
    ]


def test_unknown_tensors_list_the_forms(tmp_path):
    path = tmp_path / "net.safetensors"
    safetensors_numpy.save_file({"x": np.zeros(1), "y": np.zeros(1)}, path)
    known = {f"{f.publisher} {f.architecture}" for f in published.FORMATS if f.marks}
    assert {"huggingface gpt", "huggingface vit", "torchvision alexnet"} <= known
    with pytest.raises(ValueError) as error:
        weights.load(path)
    assert str(error.value) == (
        f"{path} holds tensors of no known form (x, y, ...); the forms read are "
        f"{', '.join(sorted(known))}"
    )


def test_a_file_brought_under_another_name_is_refused(resnet_folder):
    folder = resnet_folder[2]
    with pytest.raises(ValueError) as error:
        weights.load("resnet50", path=folder)
    assert str(error.value) == (
        f"{folder} is not resnet50 but a resnet with stage_sizes=(1, 1), "
        "features=(16, 32); bring that file or give the right name"
    )
    with pytest.raises(ValueError, match="is not vit_b16 but a resnet with "):
        weights.load("vit_b16", path=folder)
    with pytest.raises(ValueError, match="unknown published weights 'resnet'"):
        weights.load("resnet", path=folder)
    model, _ = weights.load("someone/resnet", path=folder)
    assert model.stage_sizes == (1, 1)


@pytest.mark.parametrize(
    "name, content",
    [
        ("names.txt", "tench\ngoldfish\nshark\n\n"),
        ("names.json", json.dumps(["tench", "goldfish", "shark"])),
        ("names.json", json.dumps({"0": "tench", "2": "shark", "1": "goldfish"})),
    ],
)
def test_class_names_of_every_form(name, content, tmp_path):
    (tmp_path / name).write_text(content)
    wanted = ("tench", "goldfish", "shark")
    assert weights.read_class_names(tmp_path / name) == wanted


def test_class_names_must_be_as_many_as_classes(vit_file, tmp_path):
    (tmp_path / "names.txt").write_text("a\nb\n")
    with pytest.raises(ValueError) as error:
        weights.describe(vit_file[2], class_names=tmp_path / "names.txt")
    assert str(error.value) == (
        f"2 class names for 7 classes of {vit_file[2]}; give the names of its classes"
    )
    (tmp_path / "names.txt").write_text("\n".join("abcdefg"))
    found = weights.describe(vit_file[2], class_names=tmp_path / "names.txt")
    assert found.class_names == tuple("abcdefg")
    (tmp_path / "names.json").write_text('{"0": "a", "2": "c"}')
    with pytest.raises(ValueError) as error:
        weights.read_class_names(tmp_path / "names.json")
    assert str(error.value) == (
        f"{tmp_path}/names.json is no JSON list of names or object of them by index; "
        "correct it"
    )
    with pytest.raises(FileNotFoundError) as error:
        weights.read_class_names(tmp_path / "none.txt")
    assert str(error.value) == (
        f"there is no file of class names {tmp_path}/none.txt; correct it"
    )


@pytest.mark.parametrize(
    "model, publisher, sentence",
    [
        (
            resnet.build("20"),
            "torchvision",
            "torchvision has no resnet with stem='cifar', shortcut='padding'; use "
            "format='menagerie'",
        ),
        (
            vit.build("debug", pool="mean"),
            "huggingface",
            "huggingface has no vit with pool='mean'; use format='menagerie'",
        ),
        (
            vit.build("debug", norm_epsilon=1e-5),
            "timm",
            "timm has no vit with norm_epsilon=1e-05; use format='menagerie'",
        ),
        (
            lenet.build("modern"),
            "timm",
            "timm has no lenet; use format='menagerie'",
        ),
        (
            resnet.build("18"),
            "torchvison",
            "unknown format 'torchvison'; did you mean 'torchvision'? use one of "
            "huggingface, menagerie, pytorch, timm, torchvision",
        ),
    ],
)
def test_networks_that_a_publisher_has_not_are_refused(model, publisher, sentence):
    with pytest.raises(ValueError) as error:
        weights.export(model, {}, "nowhere", publisher)
    assert str(error.value) == sentence


@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_reading_takes_little_more_than_the_weights(kind, tmp_path, request):
    model = vit.build("Ti/16", depth=1, mlp_dim=30_000)  # 46 MB, two leaves
    variables = made(model, 224)
    file = tmp_path / f"vit.{kind}"
    (written,) = weights.export(
        model, variables, tmp_path / "vit.safetensors", "torchvision"
    )
    if kind == "pth":
        torch = request.getfixturevalue("torch")
        tensors = safetensors_numpy.load_file(written)
        torch.save({n: torch.from_numpy(t) for n, t in tensors.items()}, file)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(variables))
    weights.read(file, model)  # what is imported and traced once does not count
    tracemalloc.start()
    read = weights.read(file, model)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert same(read, variables)
    assert peak < 1.5 * size


@pytest.mark.slow
def test_every_leaf_of_a_full_vit_h_is_matched_without_its_values(tmp_path):
    from research.weights import filling, published, rules, stored

    model = vit.build("H/14")
    (form,) = (
        f
        for f in published.FORMATS
        if (f.publisher, f.architecture) == ("torchvision", "vit")
    )
    shapes = filling._shapes(model, (224, 224), 3)
    assert sum(leaf.size for leaf in shapes.values()) == 632_045_800
    tensors = {}
    for path, source in rules.sources(form, shapes).items():
        there = source.form.there(np.broadcast_to(np.float32(0), shapes[path].shape))
        tensors[source.names[0]] = stored.Stored(there.shape, "float32", None)
    sizes = form.sizes({n: t.shape for n, t in tensors.items()}, {})
    assert sizes.image_size == (224, 224)
    wanted = {k: getattr(model, k) for k in sizes.fields}
    assert sizes.fields == wanted
    expected = {path: leaf.shape for path, leaf in shapes.items()}
    assert rules.match(form, expected, tensors)[2] == []
    assert flax.traverse_util.unflatten_dict(shapes, sep="/")["params"]["head"]

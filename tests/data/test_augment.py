"""Augmentation as a whole: options, determinism, independence of the batch."""

import re

import jax
import numpy as np
import pytest

from configs import base
from research.data import augment, preprocess, source

SHAPE, CLASSES = (16, 16, 3), 5
SPEC = source.Spec(
    {"image": source.Feature(SHAPE, "uint8"), "label": source.Feature((), "int32")},
    tuple("abcde"),
)
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)
# One set of options per step of the order, and all together.
PER_EXAMPLE = {
    "crop": {"random_resized_crop": (0.3, 1.0)},
    "pad_crop": {"pad_crop": 3, "pad_mode": "reflect"},
    "flip": {"flip": "random"},
    "alternating": {"flip": "alternating"},
    "randaugment": {"policy": "randaugment"},
    "autoaugment": {"policy": "autoaugment_cifar10"},
    "jitter": {"jitter": (0.4, 0.4, 0.4, 0.1)},
    "erase": {"erase": 0.8},
    "cutout": {"cutout": 6},
}
EVERYTHING = {k: v for each in PER_EXAMPLE.values() for k, v in each.items()}


def _options(**changes):
    options = base.get_config().augment
    options.update(changes)
    augment.check(options)
    return options


def _batch(examples, epochs):
    """Examples hold pixels drawn from their own number."""
    image = [
        np.random.default_rng(k).integers(0, 256, SHAPE, np.uint8) for k in examples
    ]
    return {
        "image": np.stack(image),
        "label": np.array(examples, np.int32) % CLASSES,
        "example": np.array(examples, np.int32),
        "epoch": np.broadcast_to(epochs, len(examples)).astype(np.int32),
    }


def _prepare(**changes):
    made = augment.make(_options(**changes), SPEC, MEAN)
    return jax.jit(preprocess.make(pad=0, mean=MEAN, std=STD, augment=made))


def _image(prepare, examples, epochs, seed=0):
    return np.asarray(prepare(_batch(examples, epochs), np.uint32(seed))["image"])


def _quick_policies() -> list:
    """Lists what is drawn per example; policies take long to compile."""
    slow = ("randaugment", "autoaugment")
    return [
        pytest.param(name, marks=pytest.mark.slow if name in slow else ())
        for name in PER_EXAMPLE
    ]


def test_by_default_nothing_happens():
    options = _options()
    assert augment.make(options, SPEC, MEAN) is None
    assert augment.host_crop(options, SPEC, 0) is None


@pytest.mark.parametrize("name", _quick_policies())
def test_an_example_is_augmented_alike_in_any_batch(name):
    prepare = _prepare(**PER_EXAMPLE[name])
    examples = [7, 3, 9, 4, 11, 2, 5, 30]
    whole = _image(prepare, examples, 4)
    alone = np.concatenate([_image(prepare, [k], 4) for k in examples])
    # A compiler may sum the mean that contrast takes in another order.
    atol = 1e-5 if name == "jitter" else 0
    np.testing.assert_allclose(whole, alone, atol=atol, rtol=0)
    other = np.random.default_rng(0).permutation(8)
    shuffled = _image(prepare, [examples[k] for k in other], 4)
    np.testing.assert_allclose(shuffled, whole[other], atol=atol, rtol=0)


@pytest.mark.parametrize("name", PER_EXAMPLE)
def test_epoch_example_and_seed_change_the_draws_and_nothing_else_does(name):
    prepare = _prepare(**PER_EXAMPLE[name])
    examples = list(range(24))
    first = _image(prepare, examples, 0)
    np.testing.assert_array_equal(first, _image(prepare, examples, 0))
    plain = preprocess.make(pad=0, mean=MEAN, std=STD)(_batch(examples, 0))["image"]
    for changed in (
        first != plain,
        first != _image(prepare, examples, 1),
        first != _image(prepare, examples, 0, seed=1),
    ):
        assert changed.any((1, 2, 3)).mean() > 0.2
    # Equal pixels of two examples are augmented differently.
    batch = _batch(examples, 0) | {"image": np.repeat(_batch([1], 0)["image"], 24, 0)}
    out = np.asarray(prepare(batch, np.uint32(0))["image"])
    assert (out != out[:1]).any((1, 2, 3)).sum() > 4


@pytest.mark.slow
def test_epochs_may_differ_within_a_batch():
    prepare = _prepare(**EVERYTHING)
    mixed = _image(prepare, [1, 2, 3, 4], [5, 5, 6, 6])
    np.testing.assert_array_equal(mixed[:2], _image(prepare, [1, 2, 8, 9], 5)[:2])
    np.testing.assert_array_equal(mixed[2:], _image(prepare, [8, 9, 3, 4], 6)[2:])


def test_the_alternating_flip_shows_every_example_both_ways():
    prepare = _prepare(flip="alternating")
    examples = list(range(40))
    epochs = [_image(prepare, examples, e) for e in range(3)]
    np.testing.assert_array_equal(epochs[0][:, :, ::-1], epochs[1])
    np.testing.assert_array_equal(epochs[0], epochs[2])
    plain = preprocess.make(pad=0, mean=MEAN, std=STD)(_batch(examples, 0))["image"]
    same = (epochs[0] == plain).all((1, 2, 3)).sum()
    assert 8 < same < 32
    np.testing.assert_array_equal(
        epochs[0], _image(_prepare(flip="random"), examples, 0)
    )


def test_another_augmentation_leaves_the_draws_of_the_first_alone():
    flips = _image(_prepare(flip="random"), range(12), 3)
    both = _image(_prepare(flip="random", cutout=4), range(12), 3)
    kept = np.isclose(both, flips).all(-1)
    assert (kept.mean((1, 2)) > 0.9).all() and not kept.all()


def test_what_is_missing_is_zero_to_the_network():
    out = _image(_prepare(cutout=40), [1, 2], 0)
    np.testing.assert_allclose(out, 0, atol=1e-6)


@pytest.mark.parametrize(
    "changes", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}]
)
def test_mixing_gives_probabilities_that_match_the_images(changes):
    prepare = _prepare(**changes)
    batch = _batch(list(range(40)), 2)
    made = prepare(batch, np.uint32(0))
    label, image = np.asarray(made["label"]), np.asarray(made["image"])
    assert label.shape == (40, CLASSES) and label.dtype == np.float32
    np.testing.assert_allclose(label.sum(1), 1, atol=1e-6)
    plain = np.asarray(preprocess.make(pad=0, mean=MEAN, std=STD)(batch)["image"])
    own, partner = plain.reshape(40, -1), np.roll(plain, 1, 0).reshape(40, -1)
    # The share of the example itself, as the pixels tell: least squares.
    towards = own - partner
    share = ((image.reshape(40, -1) - partner) * towards).sum(1) / (towards**2).sum(1)
    told = label[np.arange(40), batch["label"]]
    np.testing.assert_allclose(told, share, atol=0.12)
    if not changes.get("cutmix"):
        np.testing.assert_allclose(told, share, atol=1e-4)
    assert told.min() < 0.5 < told.max()


def test_mixing_may_spare_some_examples():
    batch = _batch(list(range(400)), 0)
    made = _prepare(mixup=1.0, mix_probability=0.25)(batch, np.uint32(0))
    alone = np.asarray(made["label"]).max(1) == 1
    assert 0.68 < alone.mean() < 0.82


@pytest.mark.slow
def test_a_batch_split_over_devices_is_augmented_alike():
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    split = jax.NamedSharding(mesh, jax.P("data"))
    some = PER_EXAMPLE["pad_crop"] | PER_EXAMPLE["flip"] | PER_EXAMPLE["randaugment"]
    prepare = _prepare(**some, layers=1, cutmix=1.0)
    batch = _batch(list(range(16)), 1)
    whole = prepare(batch, np.uint32(0))
    parts = prepare(jax.device_put(batch, split), np.uint32(0))
    for name in whole:
        np.testing.assert_allclose(parts[name], whole[name], atol=1e-5)


@pytest.mark.slow
def test_runs_with_other_seeds_may_share_one_program():
    prepare = _prepare(**PER_EXAMPLE["pad_crop"], **PER_EXAMPLE["randaugment"])
    batch, seeds = _batch(list(range(6)), 1), np.arange(3, dtype=np.uint32)
    together = jax.vmap(prepare, in_axes=(None, 0))(batch, seeds)["image"]
    for seed, images in zip(seeds, together, strict=True):
        expected = prepare(batch, seed)["image"]
        np.testing.assert_allclose(images, expected, atol=1e-5)


def test_pictures_of_varying_size_are_cropped_on_the_host_only():
    varying = source.Spec(SPEC.features, SPEC.class_names, varies=True)
    options = _options(random_resized_crop=(0.3, 1.0))
    crop = augment.host_crop(options, varying, 7)
    assert (crop.seed, crop.area, crop.ratio) == (7, (0.3, 1.0), (3 / 4, 4 / 3))
    assert augment.host_crop(options, SPEC, 7) is None
    made = augment.make(options, varying, MEAN)
    batch = _batch([1, 2], 0)
    batch["image"] = batch["image"].astype(np.float32) / 255
    np.testing.assert_array_equal(made(batch, 0)["image"], batch["image"])


@pytest.mark.parametrize(
    "changes, message",
    [
        (
            {"random_resized_crop": (0.5, 1.5)},
            "config.augment.random_resized_crop must be () or (least, most) share of "
            "the area, 0 < least <= most <= 1, got (0.5, 1.5); use for example "
            "(0.08, 1.0)",
        ),
        (
            {"random_resized_crop": (0.5,)},
            "config.augment.random_resized_crop must be () or (least, most) share of "
            "the area, 0 < least <= most <= 1, got (0.5,); use for example (0.08, 1.0)",
        ),
        (
            {"crop_ratio": (1.5, 0.5)},
            "config.augment.crop_ratio must be (least, most) width / height, 0 < least "
            "<= most, got (1.5, 0.5); use for example (0.75, 1.3333)",
        ),
        (
            {"jitter": (0.4, 0.4)},
            "config.augment.jitter must hold four numbers of at least 0 (brightness, "
            "contrast, saturation, hue), got (0.4, 0.4); use for example (0.4, 0.4, "
            "0.4, 0.1)",
        ),
        (
            {"jitter": (0.4, 0.4, 0.4, 0.6)},
            "config.augment.jitter's hue must be at most 0.5, half a turn, got 0.6; "
            "use for example 0.1",
        ),
    ],
)
def test_bad_tuples_are_refused(changes, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        _options(**changes)


def test_data_that_cannot_be_augmented_is_refused():
    numbers = source.Spec({"x": source.Feature((3,), "float32")})
    bare = source.Spec({"image": SPEC.features["image"]})
    for changes, spec, message in (
        (
            {"flip": "random"},
            numbers,
            "config.augment changes images, but the data has only x; switch all of it "
            "off",
        ),
        (
            {"mixup": 0.2},
            bare,
            "config.augment.mixup and cutmix mix the labels of classes, but the data "
            "has none; set both to 0",
        ),
        (
            {"pad_crop": 16, "pad_mode": "reflect"},
            SPEC,
            "config.augment.pad_crop must be smaller than the images where pad_mode is "
            "reflect, got 16 for 16 pixels; use less",
        ),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            augment.make(_options(**changes), spec, MEAN)

"""Convolutional classifiers: fields and images that do not fit."""

import jax
import jax.numpy as jnp
import pytest

from research.models import airbench, alexnet, cnn, lenet, vgg

WRONG_FIELDS = {
    "vgg features=(8, 8) must give one width per stage of stage_sizes=(1, 1, 2, 2, 2); "
    "give 5": (vgg, "11", (8, 8)),
    "alexnet features=(8, 8) must give one width per convolution; give 5": (
        alexnet,
        "2014",
        (8, 8),
    ),
    "lenet features=(8, 8) must give the widths of C1, C3, C5 and F6; give 4": (
        lenet,
        "modern",
        (8, 8),
    ),
}


@pytest.mark.parametrize("message", WRONG_FIELDS)
def test_a_width_for_every_stage_is_needed(message):
    module, variant, features = WRONG_FIELDS[message]
    with pytest.raises(ValueError) as error:
        module.build(variant, features=features)
    assert str(error.value) == message


SMALL_IMAGES = {
    "vgg halves images 5 times and needs at least 32x32, got (28, 40); resize them": (
        vgg.build("11"),
        (1, 28, 40, 3),
    ),
    "alexnet reads images of at least 63x63, got (32, 64); resize them, or use resnet "
    "20 for small images": (alexnet.build("2014"), (1, 32, 64, 3)),
    "cnn needs images of at least 6x6, got (5, 8); resize them": (
        cnn.build("debug"),
        (1, 5, 8, 1),
    ),
    "airbench halves images 3 times and needs at least 9x9, got (8, 9); resize them": (
        airbench.build("94"),
        (1, 8, 9, 3),
    ),
}


@pytest.mark.parametrize("message", SMALL_IMAGES)
def test_an_image_that_leaves_nothing_is_refused(message):
    model, shape = SMALL_IMAGES[message]
    with pytest.raises(ValueError) as error:
        jax.eval_shape(
            lambda key: model.init(key, jnp.zeros(shape), train=False),
            jax.random.key(0),
        )
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (cnn.build("debug"), (1, 6, 6, 1)),
        (airbench.build("94"), (1, 9, 9, 3)),
        (vgg.build("11"), (1, 32, 32, 3)),
        (alexnet.build("2014"), (1, 63, 63, 3)),
    ],
)
def test_the_smallest_images_leave_something(model, shape):
    made = jax.eval_shape(
        lambda key: model.init_with_output(key, jnp.zeros(shape), train=False),
        jax.random.key(0),
    )
    logits, variables = made
    assert logits.shape == (1, model.num_classes)
    assert all(leaf.size for leaf in jax.tree.leaves(variables))

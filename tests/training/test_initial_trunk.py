"""A detector starts from the parameters of the classifier that its trunk is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research import weights
from research.data import synthetic_objects
from research.models import resnet
from research.training import experiment, initial, settings
from research.training.programs import Programs
from scripts import app

TRUNK = dict(
    stage_sizes=(1, 1, 1, 1), features=(8, 8, 16, 16), stem_features=8, block="basic"
)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A ResNet's drawn weights in a folder: (folder, variables)."""
    model = resnet.build("18", num_classes=5, **TRUNK)
    shapes = jax.eval_shape(
        lambda key: model.init(key, jnp.zeros((1, 64, 64, 3)), train=False),
        jax.random.key(0),
    )
    rng = np.random.default_rng(0)
    variables = jax.tree.map(
        lambda x: rng.uniform(0.5, 1, x.shape).astype(x.dtype), shapes
    )
    folder = tmp_path_factory.mktemp("weights") / "resnet"
    weights.export(model, variables, folder, image_size=64)
    return folder, variables


def _start(folder, *more):
    """Replaces a state of zeros, as a run's start does with the drawn one."""
    config = app.load_config(
        ["--config=retinanet_bccd:quick", f"--config.init.weights={folder}", *more]
    )
    settings.check(config)
    spec = synthetic_objects.load("train", count=4).spec
    programs = Programs(experiment.build(config, spec, 256))
    zeros = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), programs.abstract_state)
    return initial.replace(zeros, programs.experiment, programs.state_sharding)


def test_the_trunk_is_taken_and_the_rest_drawn(classifier):
    folder, variables = classifier
    state = _start(folder)
    for kind, tree in (("params", state.params), ("batch_stats", None)):
        tree = state.model_state[kind] if tree is None else tree
        given = {k: v for k, v in variables[kind].items() if k != "head"}
        jax.tree.map(np.testing.assert_array_equal, tree["backbone"], given)
    others = {k: v for k, v in state.params.items() if k != "backbone"}
    assert others and not any(leaf.any() for leaf in jax.tree.leaves(others))


def test_another_trunk_is_refused_with_a_table(classifier):
    with pytest.raises(ValueError) as error:
        _start(classifier[0], "--config.model.features=(8, 8, 16, 32)")
    told = str(error.value)
    assert "does not fit this model" in told
    assert "params/backbone/stage4_block1/conv1/kernel: (3, 3, 16, 16) there" in told

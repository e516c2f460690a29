"""Sweeps small enough to be run many times."""

import pathlib

import pytest

from configs.sweeps import base
from research.sweeps import specification
from scripts import app

FAKE = pathlib.Path(__file__).with_name("fake_worker.py")
RATE = "optimizer.learning_rate"


def make_sweep(**keys):
    """Makes a checked sweep of 6 random learning rates, or with other keys."""
    keys = {
        "name": "test",
        "config": "lenet_digits:quick",
        "space": {RATE: base.log_uniform(1e-4, 1e-1)},
        "sampler": "random",
        "trials": 6,
    } | keys
    description = base.sweep(**keys)
    arguments = (f"--config={description['config']}",)
    config = app.load_config(list(arguments)).to_dict()
    return specification.make(description, config, arguments)


@pytest.fixture(scope="session")
def new_sweep():
    """`make_sweep`."""
    return make_sweep


@pytest.fixture
def start_fake():
    """Makes starters of workers that train nothing; see fake_worker.py."""
    from research.sweeps.handle import Handle

    def starter(**env):
        environment = {name: str(value) for name, value in env.items()}

        def start(index, workers):
            return Handle(index, workers, environment, program=(str(FAKE),))

        return start

    return starter

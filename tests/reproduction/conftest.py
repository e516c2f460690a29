"""A claim and its evidence, as small as they can be."""

import copy
import types

import pytest

from configs import base
from research.reproduction import audit, evidence
from scripts import app

_ENVIRONMENT = {
    **{"python": "3.11", "platform": "Linux", "processor": "a CPU", "cpu_cores": 2},
    **{"devices": ["cpu"], "processes": 1, "xla_flags": "", "packages": {}},
}
_START = {
    **{"started": "2026-01-01T00:00:00+00:00", "from_step": 0, "commit": "c" * 40},
    **{"uncommitted": None, "devices": ["cpu"], "cpu_cores": 2},
}


def make_seed(number=0, accuracy=0.9907, step=34375, **fields):
    """Makes the record of a seed; partial where `step` is not the last."""
    finished = step == 34375
    return {
        "seed": number,
        "finished": finished,
        "step": step,
        "total": 34375,
        "train_examples": 55_000,
        "best_step": step,
        "checkpoint": "best" if finished else None,
        "test_examples": 10_000 if finished else None,
        "metrics": {"test/accuracy": accuracy} if finished else {},
        "validation": {"validation/accuracy": accuracy},
        "curves": {"train/loss": [[200, 1.5], [400, 1.25]]},
        "log": [],
        "log_digest": None,
        "opening": None,
        "training_seconds": 100.0,
        "command": "python scripts/reproduce.py lenet_mnist",
        "environment": _ENVIRONMENT,
        "starts": [_START],
    } | fields


@pytest.fixture
def project(tmp_path):
    """A folder with evidence of lenet_mnist, its RESULTS.md and its README."""
    config = app.read_config("lenet_mnist").to_dict()
    defaults = base.get_config().to_dict()
    project = types.SimpleNamespace(
        root=tmp_path,
        name="lenet_mnist",
        config=config,
        defaults=defaults,
        file=evidence.file_of(tmp_path, "lenet_mnist"),
        seed=make_seed,
    )

    def entries(changed=None):
        configs = {"lenet_mnist": ("LeNet-5 on MNIST", changed or config)}
        return audit.entries(tmp_path, configs, defaults)

    def store(*seeds, kind=evidence.REPRODUCTION):
        values = evidence.empty("lenet_mnist", kind, config, defaults)
        for seed in seeds:
            values = evidence.add(values, copy.deepcopy(seed))
        evidence.write(project.file, values)
        audit.write(tmp_path, entries())

    project.entries, project.store = entries, store
    project.problems = lambda changed=None: audit.problems(tmp_path, entries(changed))
    return project

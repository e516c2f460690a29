"""Checks a sweep's sample trials against data and models; runs in a worker process."""

import json

import jax
from ml_collections import ConfigDict

from research import lookup
from research.sweeps.contract import Check
from research.training import experiment, settings

# Experiments that are built, at some tenths of a second each; all are checked.
_BUILT = 24


def complaint(check: Check) -> str | None:
    """Returns the sentence that speaks against a sweep, or None.

    Reads the data, computes nothing.
    """
    data: dict[str, dict] = {}
    for number, (told, values) in enumerate(check.configs):
        config = ConfigDict(values)
        try:
            settings.check(config)
            experiment.check_data_fields(config)
            _check_one_process(config)
            if number < _BUILT:
                built = _build(config, data)
                if number == 0:
                    _check_metric(built, check.metric)
        except (ValueError, FileNotFoundError) as error:
            return f"trials with {told} cannot run: {error}" if told else str(error)
    return None


def _check_one_process(config) -> None:
    if config.distributed.coordinator:
        raise ValueError(
            "a trial is one process, but config.distributed.coordinator is "
            f"{config.distributed.coordinator!r}; leave it empty"
        )


def _build(config, data: dict) -> experiment.Experiment:
    """Builds an experiment on its data, which is opened once."""
    key = json.dumps(config.data.to_dict(), sort_keys=True)
    if key not in data:
        data[key] = experiment.open_data(config, ("train", "validation"))
    train = data[key]["train"]
    built = experiment.build(config, train.spec, len(train))
    built.training_batches(train)
    return built


def _check_metric(built: experiment.Experiment, metric: str) -> None:
    """Checks by shapes alone that evaluations measure the metric."""

    def evaluate(state, batch):
        return built.task.eval_step(state, built.preprocess(batch))

    batch = built.eval_batch(built.config.data.eval_batch_size)
    measured = jax.eval_shape(evaluate, built.abstract_state(), batch)
    known = [f"validation/{name}" for name in built.told(measured)]
    if metric not in known:
        raise ValueError(lookup.unknown("metric", metric, known))

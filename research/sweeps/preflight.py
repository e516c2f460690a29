"""Has a sweep checked against its data and models before its first trial."""

from research.sweeps.contract import Check
from research.sweeps.handle import Handle
from research.sweeps.specification import Sweep


def check(sweep: Sweep) -> None:
    """Checks a sweep in a process of its own, away from the accelerators.

    Raises:
      ValueError: some of its trials cannot run, or its metric never appears.
    """
    worker = Handle(0, 1, {"JAX_PLATFORMS": "cpu"})
    try:
        worker.connection.recv()
        worker.connection.send(("check", samples(sweep)))
        sentence = worker.connection.recv()
    except (EOFError, OSError) as error:
        raise RuntimeError(f"{worker.end()}\n{worker.last_words()}") from error
    worker.end()
    if sentence:
        raise ValueError(sentence)


def samples(sweep: Sweep) -> Check:
    """Chooses the configs by which a sweep is checked: the ends of every axis."""
    configs = [("", sweep.base)]
    for params in sweep.space.samples():
        values = sweep.space.sets(params)
        told = ", ".join(f"{key}={value}" for key, value in values.items())
        configs.append((told, sweep.config(params, 0, 0)))
    return Check(tuple(configs), sweep.metric)

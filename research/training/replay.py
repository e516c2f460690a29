"""Repeats one step of a run to find where a number stopped being finite."""

import pathlib

import jax
import numpy as np

from research.training import checkpoint, experiment, initial, workdir
from research.training import state as states
from research.training.programs import Programs


def replay(folder: pathlib.Path, config, step: int) -> list[str]:
    """Repeats the update that leads to `step`.

    Starts from the newest checkpoint before it, or from the initial state.

    Args:
      folder: the run directory.
      config: the run's config.
      step: as metrics and messages count: 1 is the first update.

    Returns:
      Findings, one sentence each.

    Raises:
      ValueError: the step lies outside the run.
    """
    examples = experiment.open_data(config, ("train",))["train"]
    spec, count = experiment.spec_from_json(workdir.read_json(folder / "data.json"))
    built = experiment.build(config, spec, count)
    if not 1 <= step <= built.plan.total:
        raise ValueError(
            f"--step must be in 1..{built.plan.total}, the run's length, got {step}"
        )
    programs = Programs(built)
    state = _state_before(programs, folder, step)
    batches = built.training_batches(examples)

    @jax.jit
    def update(state, batch):
        with built.precision():
            return built.task.train_step(
                state, built.preprocess_train(batch, state.seed)
            )

    found = [f"replaying from step {int(state.step)}"]
    while int(state.step) < step - 1:
        state, _ = update(state, batches[int(state.step)])
    batch = batches[step - 1]
    found += _describe("the batch", batch)
    found += _describe("the state before the step", state)
    after, metrics = update(state, batch)
    loss = float(metrics["loss"][0] / metrics["loss"][1])
    found.append(f"the loss of step {step} is {loss}")
    found += _describe("the state after the step", after)
    found.append(_first_operation(update, state, batch))
    return found


def _state_before(programs: Programs, folder: pathlib.Path, step: int):
    with checkpoint.Checkpoints(checkpoint.folder_of(folder), read_only=True) as saved:
        earlier = [s for s in saved.steps() if s < step]
        if earlier:
            return saved.restore(earlier[-1], programs.abstract_state)[0]
    return initial.state(programs)


def _describe(what: str, tree) -> list[str]:
    bad = states.nonfinite_leaves(jax.tree.map(np.asarray, tree))
    if not bad:
        return [f"{what} is finite"]
    return [f"{what} is not finite in {len(bad)} leaves: {', '.join(bad[:10])}"]


def _first_operation(update, state, batch) -> str:
    """Lets JAX repeat the step operation by operation until one gives NaN or inf."""
    with jax.debug_nans(True), jax.debug_infs(True):
        try:
            jax.block_until_ready(update(state, batch))
        except FloatingPointError as error:
            return f"first bad operation: {str(error).splitlines()[0]}"
    return "every operation of the step is finite"

"""How far back in a sequence a recurrent network's loss still has a gradient.

For each step t, the norm of d loss / d h_t of the last layer, averaged over examples,
against the distance to the end: Bengio, Simard & Frasconi 1994 (Learning Long-Term
Dependencies with Gradient Descent is Difficult, https://doi.org/10.1109/72.279181).
"""

import dataclasses
import math
import pathlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research.data import pipeline, source
from research.models import rnn
from research.reports import figures, page
from research.training import experiment, run

_EXAMPLES = 64
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 640, 400, 70, 20, 30, 44
_LEAST = 1e-38  # nothing smaller is shown: float32 has nothing there
_COLOURS = ("#2563eb", "#d1432b", "#0d9488", "#b45309", "#7c3aed", "#64748b")
_STYLE = 'font-family="system-ui, sans-serif" font-size="12" fill="#1d2430"'

# (distance in steps, norm) pairs, the nearest first.
Curve = list[tuple[int, float]]


@dataclass(frozen=True)
class _Stepwise:
    """Runs a network step by step and moves its states on the way.

    It stands in for the model of a task, whose loss then depends on `moved` (t, b, h),
    which is added to the last layer's h before each step.
    """

    model: rnn.Classifier
    moved: jax.Array

    def apply(self, variables, x, *, train: bool):
        """Returns what the model gives for the whole sequence."""
        if x.ndim == 4:
            x = rnn.pixels(x, self.model.permutation)

        def step(carry, inputs):
            x, moved = inputs
            *below, (h, *rest) = carry
            carry = (*below, (h + moved, *rest))
            outputs, carry = self.model.apply(
                variables, x[:, None], carry=carry, train=train
            )
            return carry, outputs

        carry = self.model.initial_carry(x.shape[0])
        steps = (jnp.swapaxes(x, 0, 1), self.moved)
        return jax.lax.scan(step, carry, steps)[1][-1]


def curves(opened: run.Run, examples: source.Source) -> dict[str, Curve]:
    """Measures a run's network, as its checkpoint has it and as it began.

    Args:
      opened: a run of a recurrent network that answers from its last state.
      examples: some are read.

    Raises:
      ValueError: the run's network is of another kind.
    """
    built = opened.programs.experiment
    model = built.model
    if not isinstance(model, rnn.Classifier) or model.pool != "last":
        raise ValueError(
            f"{opened.folder} has no recurrent network that answers from its last "
            "state; give a run of a config such as lstm_adding"
        )
    if model.bidirectional:
        raise ValueError(
            f"{opened.folder} reads in both directions, so that no step is far from "
            "an end; give a run with config.model.bidirectional=False"
        )
    count = min(_EXAMPLES, len(examples))
    batch = next(iter(pipeline.eval_batches(examples, count)))
    batch = jax.jit(built.preprocess)(batch)
    states = {
        f"step {opened.step:,}": opened.state,
        "at the start": opened.programs.init(built.config.seed),
    }
    measure = jax.jit(lambda state: norms(built.task, state, batch))
    return {
        name: list(enumerate(np.asarray(measure(state))[::-1].tolist(), 1))
        for name, state in states.items()
    }


def norms(task, state, batch: Mapping[str, Any]) -> jax.Array:
    """Returns the mean over examples of |d loss / d h_t|, (t,), h_0 first.

    Args:
      task: a task with one loss, of a model as `curves` takes it.
      state: its TrainState.
      batch: preprocessed, with mask.
    """
    x = batch[task.input]
    length = math.prod(x.shape[1:3]) if x.ndim == 4 else x.shape[1]
    zeros = jnp.zeros((length, x.shape[0], task.model.widths[-1]))

    def loss(moved):
        stepwise = dataclasses.replace(task, model=_Stepwise(task.model, moved))
        return stepwise.eval_step(state, batch)["loss"][0]

    gradient = jax.grad(loss)(zeros)  # a sum: each example has its own
    return jnp.linalg.norm(gradient, axis=-1).mean(axis=1)


def write(folders: Sequence[pathlib.Path], file: pathlib.Path) -> dict[str, Curve]:
    """Draws the curves of runs, each on its own validation data.

    Args:
      folders: run directories.
      file: an .svg file to write.

    Returns:
      "<run>, <state>" -> curve.

    Raises:
      ValueError: a folder is no such run, or the file is no .svg.
    """
    if file.suffix != ".svg":
        raise ValueError(f"a figure of gradients is an .svg file, got {file}")
    found = {}
    for folder in folders:
        config = run.read_config(folder)
        opened = run.open_run(folder, config)
        examples = experiment.open_data(config, ("validation",))["validation"]
        for state, curve in curves(opened, examples).items():
            cell = opened.programs.experiment.model.cell
            found[f"{folder.name} ({cell}), {state}"] = curve
    file.write_text(draw(found), encoding="utf-8")
    return found


def draw(found: Mapping[str, Curve]) -> str:
    """Draws curves in pairs, the second of each dashed, as an SVG that stands alone."""
    positive = {
        name: [(d, v) for d, v in curve if math.isfinite(v) and v > _LEAST]
        for name, curve in found.items()
    }
    values = [v for curve in positive.values() for _, v in curve] or [1.0]
    farthest = max(len(curve) for curve in found.values())
    across = figures.Axis(0, farthest, _LEFT, _WIDTH - _RIGHT)
    low, high = min(values) / 3, max(values) * 3
    up = figures.Axis(low, high, _HEIGHT - _BOTTOM, _TOP, log=True)
    parts = [*_grid(across, up)]
    for number, (name, curve) in enumerate(positive.items()):
        colour = _COLOURS[number // 2 % len(_COLOURS)]
        dashes = ' stroke-dasharray="5 4"' if number % 2 else ""
        line = f'fill="none" stroke="{colour}" stroke-width="2"{dashes}'
        path = " ".join(f"{across(d):.1f},{up(v):.1f}" for d, v in figures.thin(curve))
        parts.append(f'<polyline points="{path}" {line}/>')
        y = _HEIGHT + 18 * (number + 1)
        parts.append(
            f'<line x1="{_LEFT}" x2="{_LEFT + 28}" y1="{y - 4}" y2="{y - 4}" {line}/>'
            f'<text x="{_LEFT + 36}" y="{y}">{page.escape(name)}</text>'
        )
    height = _HEIGHT + 18 * len(found) + 12
    size = f'width="{_WIDTH}" height="{height}"'
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" '
        f'viewBox="0 0 {_WIDTH} {height}" {size} {_STYLE}>'
        f'<rect {size} fill="#fff"/>{"".join(parts)}</svg>\n'
    )


def _grid(across: figures.Axis, up: figures.Axis):
    base = _HEIGHT - _BOTTOM
    rule = 'stroke="#dde1e8"'
    for v in up.ticks():
        yield (
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{up(v):.1f}" '
            f'y2="{up(v):.1f}" {rule}/><text x="{_LEFT - 8}" y="{up(v) + 4:.1f}" '
            f'text-anchor="end">{v:.0e}</text>'
        )
    for v in across.ticks():
        yield (
            f'<line x1="{across(v):.1f}" x2="{across(v):.1f}" y1="{base}" '
            f'y2="{base + 5}" {rule}/><text x="{across(v):.1f}" y="{base + 18}" '
            f'text-anchor="middle">{v:.0f}</text>'
        )
    yield (
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 6}" text-anchor="end">'
        'steps from h_t to the end</text><text x="{_LEFT - 50}" y="18">'
        "|d loss / d h_t|, mean over examples</text>"
    )

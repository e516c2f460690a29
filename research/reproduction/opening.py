"""The first steps of a run, step by step: what a rerun is compared with.

A run's log averages many steps; here every loss is kept, and a digest of the parameters
after the last of them. On the same devices, cores and versions all of it is equal bit
for bit; elsewhere sums are taken in another order and losses agree within TOLERANCE.
"""

import json
from collections.abc import Mapping, Sequence

import numpy as np

from research.training import (
    environment,
    experiment,
    initial,
    sharding,
    state,
    tracking,
)
from research.training.programs import Programs

STEPS = 10
# Relative; rounding differs by 1e-7 an operation, TF32 by 1e-3, and ten steps add up.
TOLERANCE = 1e-2
# Devices that take sums in a fixed order; the others only where they are told to.
_ORDERED = ("cpu", "TPU")
_DETERMINISTIC = "--xla_gpu_deterministic_ops=true"
# What must be the same for equality of bits.
HARDWARE = ("devices", "cpu_cores", "processor", "processes", "xla_flags")
VERSIONS = ("jax", "jaxlib", "flax", "optax")


def record(config, steps: int = STEPS, digest_at: int = STEPS) -> dict:
    """Makes the first updates of an experiment anew.

    Args:
      config: whole and checked.
      steps: updates, at most those of the run; rounded up to whole device calls.
      digest_at: update after which the parameters are hashed, rounded likewise.

    Returns:
      {"steps", "losses": one per step, "log": [step, loss] as metrics.jsonl has them,
      "digest": of the parameters after step "digest_at", "environment"}.
    """
    examples = experiment.open_data(config, ("train",))["train"]
    built = experiment.build(config, examples.spec, len(examples))
    programs, plan = Programs(built), built.plan
    resident = programs.place_data(examples)
    now = initial.state(programs)
    last, hashed = (_whole(min(n, plan.total), plan) for n in (steps, digest_at))
    losses, log, window, digest = [], [], tracking.Window(), None
    for first in range(0, last, plan.per_call):
        item = _item(programs, examples, resident, first)
        now, packed = programs.train(now, resident, item)
        for row in np.asarray(packed):
            metrics = programs.unpack("train", row)
            window.add(metrics)
            losses.append(metrics["loss"][0] / metrics["loss"][1])
        step = first + plan.per_call
        if step == hashed:
            digest = state.digest(now.params)
        if step % plan.log_every == 0:
            log.append([step, window.averages()["loss"]])
            window = tracking.Window()
    return {
        "steps": last,
        "losses": losses,
        "log": log,
        "digest_at": hashed,
        "digest": digest,
        "environment": environment.describe(),
    }


def _whole(steps: int, plan) -> int:
    return -(-steps // plan.per_call) * plan.per_call


def _item(programs: Programs, examples, resident, first: int):
    """Reads what one call of the train program takes, from step `first` on."""
    built = programs.experiment
    rows = sharding.process_rows(programs.mesh, built.config.data.batch_size)
    batches = built.training_batches(examples, rows)
    per_call = built.plan.per_call
    read = batches.order.positions if resident is not None else batches.__getitem__
    items = [read(step) for step in range(first, first + per_call)]
    if per_call == 1:
        return items[0]
    return {name: np.stack([item[name] for item in items]) for name in items[0]}


def same_hardware(a: Mapping, b: Mapping) -> list[str]:
    """Lists why two environments may not give the same bits; empty where they must."""
    a, b = (json.loads(json.dumps(each)) for each in (a, b))
    free = [kind for kind in b["devices"] if not kind.startswith(_ORDERED)]
    lines = []
    if free and "deterministic" not in b["xla_flags"]:
        lines.append(f"{free[0]} without XLA_FLAGS={_DETERMINISTIC}")
    lines += [f"{key}: {a[key]} -> {b[key]}" for key in HARDWARE if a[key] != b[key]]
    old, new = a["packages"], b["packages"]
    return lines + [
        f"{name}: {old.get(name)} -> {new.get(name)}"
        for name in VERSIONS
        if old.get(name) != new.get(name)
    ]


def compare(
    stored: Mapping, log: Sequence[Mapping], again: Mapping
) -> tuple[bool, list[str]]:
    """Compares first steps with the stored ones.

    Args:
      stored: of `record`, from evidence.
      log: the first rows of the run's metrics.jsonl, from evidence.
      again: of `record`, made now.

    Returns:
      (whether they agree as far as they must, findings in sentences).
    """
    other = same_hardware(stored["environment"], again["environment"])
    said = ["the machine is of the same kind: bits are compared"]
    if other:
        said = [f"bits may differ ({'; '.join(other)}): values are "
                f"compared, within {TOLERANCE:g}"]  # fmt: skip
    found = dict(again["log"])
    pairs = [
        (f"the loss of step {step}", *pair)
        for step, pair in enumerate(
            zip(stored["losses"], again["losses"], strict=False), 1
        )
    ]
    pairs += [
        (f"the average loss up to step {row['step']}", row["train/loss"],
         found[row["step"]])
        for row in log
        if row["step"] in found
    ]  # fmt: skip
    for what, then, now in pairs:
        if _error(then, now) > TOLERANCE if other else now != then:
            said.append(
                f"{what} was {then!r}, now {now!r} (relative difference "
                f"{_error(then, now):.1e})"
            )
            return False, [*said, _code(stored["environment"], again["environment"])]
    worst = max(_error(then, now) for _, then, now in pairs)
    said.append(
        f"{len(pairs)} losses agree; the largest relative difference is {worst:.1e}"
    )
    if other or again["digest"] is None or stored["digest_at"] != again["digest_at"]:
        return True, said
    equal = stored["digest"] == again["digest"]
    said.append(
        f"the parameters after step {again['digest_at']} are "
        f"{'equal' if equal else 'DIFFERENT'}: SHA-256 {again['digest']}"
    )
    if not equal:
        said.append(_code(stored["environment"], again["environment"]))
    return equal, said


def _error(then: float, now: float) -> float:
    return abs(now - then) / max(abs(then), 1e-12)


def _code(then: Mapping, now: Mapping) -> str:
    """Says which code each was made with."""
    if all(then[key] == now[key] for key in ("commit", "uncommitted")):
        return "the code is the same"
    told = [
        f"{each['commit']} (uncommitted changes: {each['uncommitted'] or 'none'})"
        for each in (then, now)
    ]
    return f"the code was {told[0]}, now {told[1]}"

"""Proves what the framework promises, on any experiment.

python scripts/verify.py resume --config=configs/lenet_digits.py
    trains; trains again, kill -9 at a random step, resumes; compares SHA-256 of the
    whole state and of the metrics
python scripts/verify.py data --config=configs/lenet_digits.py
    one data order for 1, 2 and 4 processes and after a resume; each example once an
    epoch
python scripts/verify.py mesh --config=configs/lenet_digits.py
    data-parallel and fully sharded training on 8 simulated devices against one
python scripts/verify.py replay --workdir=runs/x --step=120
    repeats a step of a run and names the operation that made it non-finite
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

import os
import pathlib
import random
import signal
import subprocess
import tempfile
import time

from scripts import app

_TRAIN = app.ROOT / "scripts" / "train.py"
_SIMULATED = "--xla_force_host_platform_device_count="
# Sums over devices are taken in another order.
_MESH_TOLERANCE = 1e-5


def main(argv: list[str]) -> None:
    parser = app.parser(__doc__)
    parser.add_argument("what", choices=("resume", "data", "mesh", "replay"))
    parser.add_argument("--steps", type=int, default=40, help="steps of each run")
    parser.add_argument("--workdir", help="replay: the run directory")
    parser.add_argument("--step", type=int, help="replay: the step to repeat")
    parser.add_argument("--kills", type=int, default=1, help="resume: how many kills")
    parser.add_argument("--seed", type=int, help="resume: chooses where to kill")
    options, config_argv = app.parse(parser, argv)
    with app.one_sentence_errors():
        for name in ("steps", "kills"):
            if getattr(options, name) < 1:
                raise ValueError(
                    f"--{name} must be at least 1, got {getattr(options, name)}; "
                    "nothing is proved otherwise"
                )
        if options.what == "replay":
            good = _replay(options, config_argv)
        else:
            config = app.load_config(config_argv)
            check = {"resume": _resume, "data": _data, "mesh": _mesh}[options.what]
            good = check(options, config, config_argv)
    sys.exit(0 if good else 1)


def _resume(options, config, config_argv) -> bool:
    """Compares an unbroken run with one that is killed and resumed."""
    per_call = config.train.steps_per_call
    steps = max(4 * per_call, options.steps // per_call * per_call)
    # Odd distances: checkpoints fall between log lines, which is the harder case.
    every = [
        f"--config.train.steps={steps}",
        f"--config.train.log_every={2 * per_call}",
        f"--config.train.eval_every={max(1, steps // per_call // 4) * per_call}",
        f"--config.checkpoint.every={3 * per_call}",
        "--config.wandb.mode=disabled",
        _warmup(config, steps),
    ]
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        whole, broken = (
            pathlib.Path(scratch, "unbroken"),
            pathlib.Path(scratch, "killed"),
        )
        _run([*config_argv, *every, f"--workdir={whole}"])
        for target in sorted(rng.choices(range(3 * per_call, steps), k=options.kills)):
            _run_and_kill([*config_argv, *every, f"--workdir={broken}"], broken, target)
        _run([*config_argv, *every, f"--workdir={broken}"])
        a, b = _digests(whole), _digests(broken)
    for name, digests in (("unbroken", a), ("resumed", b)):
        print(f"{name:9s} state {digests[0]}\n{'':9s} metrics {digests[1]}")
    return _verdict(a == b, f"resume is bit-exact over {steps} steps")


def _warmup(config, steps: int) -> str:
    """Shortens the warm-up of a schedule to half of a short run."""
    warmup = min(config.schedule.warmup_steps, steps // 2)
    return f"--config.schedule.warmup_steps={warmup}"


def _run(argv: list[str], env: dict | None = None) -> None:
    """Runs scripts/train.py to its end."""
    done = subprocess.run(
        [sys.executable, str(_TRAIN), *argv],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise ValueError(
            f"training itself failed with exit code {done.returncode}: "
            f"{lines[-1].removeprefix('error: ')}"
        )


def _run_and_kill(argv, folder: pathlib.Path, target: int) -> None:
    """Starts scripts/train.py and kills it with SIGKILL once it is at a step."""
    process = subprocess.Popen(
        [sys.executable, str(_TRAIN), *argv],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and _logged_step(folder) < target:
        time.sleep(0.002)
    alive = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    if not alive:
        raise ValueError(
            f"the run ended before it could be killed at step {target}; ask for more "
            "--steps, which proves nothing otherwise"
        )
    from research.training import checkpoint

    step, saved = _logged_step(folder), checkpoint.steps(folder)
    print(f"killed -9 after step {step} with checkpoints at {saved}", flush=True)


def _logged_step(folder: pathlib.Path) -> int:
    from research.training import tracking

    rows = tracking.read(folder / "metrics.jsonl")
    return rows[-1]["step"] if rows else 0


def _digests(folder: pathlib.Path) -> tuple[str, str]:
    """Hashes the last state and all metrics of a run."""
    from research.training import run, state, tracking

    opened = run.open_run(folder, run.read_config(folder), "latest")
    return state.digest(opened.state), tracking.digest(
        tracking.read(folder / "metrics.jsonl")
    )


def _data(options, config, config_argv) -> bool:
    """Compares the order of examples between process counts and after a resume."""
    import hashlib

    import numpy as np

    from research.data import pipeline
    from research.training import experiment

    examples = experiment.open_data(config, ("train",))["train"]
    built = experiment.build(config, examples.spec, len(examples))
    size = config.data.batch_size
    count = experiment.read_per_epoch(built.spec, len(examples), size)

    def stream(processes: int, first: int, steps: int):
        order = built.training_batches(examples).order  # a new start
        shares = [pipeline.process_slice(size, p, processes) for p in range(processes)]
        for step in range(first, steps):
            yield np.concatenate([order.indices(step)[rows] for rows in shares])

    steps, middle = options.steps, options.steps // 3
    digests = {}
    for processes in (1, 2, 4):
        if size % processes:
            print(f"{processes} processes cannot share a batch of {size}: left out")
            continue
        ids = np.concatenate(list(stream(processes, 0, steps)))
        digests[f"{processes} processes"] = hashlib.sha256(ids.tobytes()).hexdigest()
    resumed = [*stream(1, 0, middle), *stream(2 - size % 2, middle, steps)]
    digests[f"resumed at {middle}"] = hashlib.sha256(
        np.concatenate(resumed).tobytes()
    ).hexdigest()
    for name, digest in digests.items():
        print(f"{name:12s} {digest}")
    seen = np.concatenate(list(stream(1, 0, -(-count // size))))[:count]
    once = np.array_equal(np.sort(seen), np.arange(count))
    print(f"epoch 0 reads each of the {count} examples once: {once}")
    equal = len(set(digests.values())) == 1
    return _verdict(equal and once, f"data order is arithmetic over {steps} steps")


def _mesh(options, config, config_argv) -> bool:
    """Compares the losses of 8 simulated devices with those of one."""
    meshes = {
        "1 device": (1, []),
        "data 8": (8, ["data=8"]),
        "fsdp 8": (8, ["data=1", "fsdp=8"]),
        "data 2 x fsdp 4": (8, ["data=2", "fsdp=4"]),
    }
    size, steps = -(-config.data.batch_size // 8) * 8, max(1, options.steps // 4)
    common = [
        f"--config.data.batch_size={size}",
        f"--config.data.eval_batch_size={-(-config.data.eval_batch_size // 8) * 8}",
        f"--config.train.steps={steps}",
        "--config.train.steps_per_call=1",
        "--config.train.log_every=1",
        f"--config.checkpoint.every={options.steps}",
        "--config.optimizer.name=sgd",  # Adam's first steps follow the sign of noise
        "--config.wandb.mode=disabled",
        _warmup(config, steps),
    ]
    rows = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, (devices, axes) in meshes.items():
            folder = pathlib.Path(scratch, name.replace(" ", "_"))
            argv = [*config_argv, *common, f"--workdir={folder}"]
            argv += [f"--config.mesh.{axis}" for axis in axes]
            _run(argv, env=_simulate(devices))
            rows[name] = _losses(folder)
    return _compare_meshes(rows)


def _simulate(devices: int) -> dict:
    flags = os.environ.get("XLA_FLAGS", "").split()
    flags = [f for f in flags if not f.startswith(_SIMULATED)]
    flags.append(f"{_SIMULATED}{devices}")
    return os.environ | {"XLA_FLAGS": " ".join(flags), "JAX_PLATFORMS": "cpu"}


def _losses(folder: pathlib.Path) -> list[float]:
    from research.training import tracking

    rows = tracking.read(folder / "metrics.jsonl")
    return [row[name] for row in rows for name in sorted(row) if _compared(name)]


def _compared(name: str) -> bool:
    """Tells losses and gradient norms, of which a game has two, from other metrics."""
    return name.endswith("loss") or "norm/grad" in name


def _compare_meshes(rows: dict[str, list[float]]) -> bool:
    """Prints a digest per mesh, where what agrees within tolerance counts as equal."""
    import hashlib

    reference = rows["1 device"]
    digests = set()
    for name, values in rows.items():
        errors = [
            abs(v - r) / max(abs(r), 1e-12)
            for v, r in zip(values, reference, strict=True)
        ]
        snapped = [
            r if e <= _MESH_TOLERANCE else v
            for v, r, e in zip(values, reference, errors, strict=True)
        ]
        digest = hashlib.sha256(repr(snapped).encode()).hexdigest()
        digests.add(digest)
        print(f"{name:16s} {digest}  largest relative difference {max(errors):.1e}")
    return _verdict(
        len(digests) == 1,
        f"losses and gradient norms agree within {_MESH_TOLERANCE:g} on every mesh",
    )


def _replay(options, config_argv) -> bool:
    """Repeats one step from the checkpoint before it, naming the bad operation."""
    from research.training import replay, run

    if options.workdir is None or options.step is None:
        raise ValueError("replay needs --workdir=RUN and --step=N; give both")
    folder = pathlib.Path(options.workdir)
    config = app.override_run_config(run.read_config(folder), config_argv)
    findings = replay.replay(folder, config, options.step)
    print("\n".join(findings))
    return True


def _verdict(good: bool, claim: str) -> bool:
    print(f"{'equal' if good else 'DIFFERENT'}: {claim}")
    return good


if __name__ == "__main__":
    app.run(main)

"""Measures training speed as ratios against PyTorch, all in one run on this machine.

  pip install 'menagerie[peers]'
  python scripts/benchmark.py                      LeNet and MLP on MNIST-sized images
  python scripts/benchmark.py --models=lenet --rounds=7 --json

Contenders, each in a process of its own that waits while the others run, in turns:
  loop       our whole training loop: data, metrics, log, a checkpoint every 100 steps
  step       our bare compiled step on one batch
  dataloader PyTorch eager fed by its DataLoader, as in its own MNIST example
  eager      PyTorch eager, all images in memory as float tensors
  fused      the same with the optimizer's fused form
  compiled   the same with torch.compile
Same model, batch, optimizer (SGD with momentum), float32 and threads. A ratio is the
median over the rounds of the two speeds in one round: read ratios, not times.
"""

import sys

# The root, not scripts/: its inspect.py would hide Python's module of that name.
sys.path[0] = __file__.rsplit("/", 2)[0]

import json
import os
import statistics
import subprocess
import tempfile
import time

from scripts import app

# model -> (variant, batch, steps per turn)
MODELS = {"lenet": ("modern", 64, 300), "mlp": ("512-512", 128, 300)}
CONTENDERS = ("loop", "step", "dataloader", "eager", "fused", "compiled")
_EXAMPLES = 16_384
_LEARNING_RATE, _MOMENTUM = 0.01, 0.9


def main(argv: list[str]) -> None:
    parser = app.parser(__doc__)
    parser.add_argument("--models", default=",".join(MODELS), help="comma-separated")
    parser.add_argument("--contenders", default=",".join(CONTENDERS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="JSON as the last line")
    parser.add_argument("--contender", help="for this script itself: model/contender")
    options = parser.parse_args(argv)
    if options.contender:
        _serve(*options.contender.split("/"))
        return
    with app.one_sentence_errors():
        models = _chosen(options.models, MODELS)
        contenders = _chosen(options.contenders, CONTENDERS)
        if options.rounds < 1:
            raise ValueError(
                f"--rounds must be at least 1, got {options.rounds}; use 5"
            )
        results = {m: measure(m, contenders, options.rounds) for m in models}
    for model, speeds in results.items():
        _show(model, speeds)
    if options.json:
        print(json.dumps(results))


def _chosen(names: str, legal) -> list[str]:
    from research import lookup

    chosen = names.split(",")
    for name in chosen:
        if name not in legal:
            raise ValueError(lookup.unknown("contender or model", name, legal))
    return chosen


def measure(model: str, contenders: list[str], rounds: int) -> dict[str, list[float]]:
    """Runs the contenders in turns.

    Returns:
      contender -> examples per second, one value per round.
    """
    _, batch, steps = MODELS[model]
    speeds = {name: [] for name in contenders}
    workers = {name: _worker(f"{model}/{name}") for name in contenders}
    try:
        for turn in range(rounds + 1):
            for name, worker in workers.items():
                seconds = _ask(worker, steps if turn else steps // 10)
                if turn:  # the first warms up
                    speeds[name].append(batch * steps / seconds)
    finally:
        for worker in workers.values():
            worker.kill()
            worker.wait()
    return speeds


def _worker(name: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, __file__, f"--contender={name}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _ask(worker: subprocess.Popen, steps: int) -> float:
    """Has a worker make some steps; returns the seconds they took."""
    try:
        worker.stdin.write(f"{steps}\n")
        worker.stdin.flush()
    except BrokenPipeError:
        pass
    for line in worker.stdout:
        if line.startswith("seconds "):
            return float(line.split()[1])
    raise ValueError(
        f"the contender {worker.args[-1].split('=')[1]} could not run; PyTorch comes "
        "with pip install 'menagerie[peers]', or leave it out with --contenders"
    )


def _serve(model: str, contender: str) -> None:
    prepare = {"loop": _our_loop, "step": _our_step}.get(contender, _torch)
    run = prepare(model, contender)
    for line in sys.stdin:
        print(f"seconds {run(int(line))}", flush=True)


def _config(model: str, steps: int):
    variant, batch, _ = MODELS[model]
    config = app.load_config(
        [
            "--config=mlp_mnist:quick",
            f"--config.model.name={model}",
            f"--config.model.variant={variant}",
            f"--config.data.count={_EXAMPLES}",
            f"--config.data.pad={2 if model == 'lenet' else 0}",
            f"--config.data.batch_size={batch}",
            "--config.optimizer.name=momentum",
            f"--config.optimizer.learning_rate={_LEARNING_RATE}",
            f"--config.optimizer.momentum={_MOMENTUM}",
            f"--config.train.steps={steps}",
            "--config.train.log_every=50",
            "--config.train.eval_every=1000000",
            "--config.checkpoint.every=100",
        ]
    )
    return config


def _our_loop(model: str, _):
    """Times the loop between its first log line and its last save."""
    import pathlib

    from research.training import loop, programs, tracking

    programs.enable_compile_cache()

    def run(steps: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            loop.train(_config(model, steps + 50), path, ["benchmark"])
            rows = tracking.read(path / "metrics.jsonl")
        batch = MODELS[model][1]
        speeds = [r["time/examples_per_second"] for r in rows if "train/loss" in r][1:]
        return sum(50 * batch / speed for speed in speeds) * steps / (50 * len(speeds))

    return run


def _our_step(model: str, _):
    """Times the compiled step alone, on one batch that does not change."""
    import jax

    from research.training import experiment, programs

    programs.enable_compile_cache()
    config = _config(model, 100)
    examples = experiment.open_data(config, ("train",))["train"]
    ours = programs.Programs(experiment.build(config, examples.spec, len(examples)))
    batch = examples.gather(range(config.data.batch_size))
    state = ours.init(0)

    def run(steps: int) -> float:
        nonlocal state
        began = time.perf_counter()
        for _ in range(steps):
            state, packed = ours.train(state, None, batch)
        jax.block_until_ready((state, packed))
        return time.perf_counter() - began

    return run


def _torch(model: str, contender: str):
    """Times PyTorch's usual loop: zero_grad, forward, backward, step."""
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    batch = MODELS[model][1]
    net = _torch_lenet() if model == "lenet" else _torch_mlp()
    optimizer = torch.optim.SGD(
        net.parameters(),
        lr=_LEARNING_RATE,
        momentum=_MOMENTUM,
        fused=True if contender == "fused" else None,
    )
    loss_of = torch.nn.CrossEntropyLoss()

    def objective(image, label):
        return loss_of(net(image), label)

    if contender == "compiled":
        objective = torch.compile(objective, fullgraph=True)
    feed = _dataloader(batch) if contender == "dataloader" else _in_memory(batch)
    pad = torch.nn.ZeroPad2d(2) if model == "lenet" else torch.nn.Identity()

    def run(steps: int) -> float:
        net.train()
        began = time.perf_counter()
        for _ in range(steps):
            image, label = next(feed)
            optimizer.zero_grad()
            objective(pad(image), label).backward()
            optimizer.step()
        return time.perf_counter() - began

    return run


def _torch_lenet():
    """Builds our lenet/modern: 61,706 parameters."""
    from torch import nn

    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU()),
        nn.Linear(84, 10),
    )


def _torch_mlp():
    """Builds our mlp/512-512: 669,706 parameters."""
    from torch import nn

    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(784, 512), nn.ReLU(), nn.Dropout(0.2)),
        *(nn.Linear(512, 512), nn.ReLU(), nn.Dropout(0.2), nn.Linear(512, 10)),
    )


def _arrays():
    """Makes MNIST-sized uint8 images and labels."""
    import torch

    images = torch.randint(0, 256, (_EXAMPLES, 28, 28), dtype=torch.uint8)
    return images, torch.randint(0, 10, (_EXAMPLES,))


def _in_memory(batch: int):
    """Yields shuffled batches gathered from float tensors."""
    import torch

    images, labels = _arrays()
    images = images[:, None].float() / 255
    while True:
        order = torch.randperm(_EXAMPLES)
        for rows in order[: _EXAMPLES // batch * batch].split(batch):
            yield images[rows], labels[rows]


def _dataloader(batch: int):
    """Yields what pytorch/examples/mnist reads: PIL, tensor, normalise, collate."""
    import numpy as np
    import torch
    from PIL import Image

    images, labels = _arrays()

    class Digits(torch.utils.data.Dataset):
        def __len__(self):
            return len(images)

        def __getitem__(self, k):
            picture = Image.fromarray(images[k].numpy())
            tensor = torch.from_numpy(np.array(picture))[None].float().div(255)
            return tensor.sub_(0.1307).div_(0.3081), int(labels[k])

    loader = torch.utils.data.DataLoader(Digits(), batch, shuffle=True, drop_last=True)
    while True:
        yield from loader


def _show(model: str, speeds: dict[str, list[float]]) -> None:
    variant, batch, _ = MODELS[model]
    print(
        f"{model}/{variant}, batch {batch}: examples per second (median), loop over it"
    )
    for name, values in speeds.items():
        line = f"  {name:10s} {statistics.median(values):10,.0f}"
        if "loop" in speeds and name != "loop":
            each = [a / b for a, b in zip(speeds["loop"], values, strict=True)]
            line += (
                f"   {statistics.median(each):5.2f}x  ({min(each):.2f}-{max(each):.2f})"
            )
        print(line)


if __name__ == "__main__":
    main(sys.argv[1:])

"""The forecasting workloads of the benchmark: series of the form of ETTh1.

14,400 hours of 7 channels, of which 8,640 are trained on; 336 steps are read and 96
forecast. Our loop and step beside the same networks in plain PyTorch, as the authors'
scripts train them: mean squared error, Adam, nothing clipped. Their data set slices two
windows out of an array of float64 and their loop makes float32 of each batch; their
features of the calendar, which neither network reads, are left out, and so are their
ten worker processes, which cost more than such windows.
"""

import os
import pathlib
import tempfile
import time

import numpy as np

from scripts.peers import timing, work

CHANNELS, _ROWS, _TRAINED = 7, 14_400, 8_640
_LOGGED = 50  # steps of a line in our log


def prepare(item: work.Work, contender: str):
    """Prepares a contender and returns run(steps) -> seconds."""
    if contender == "loop":
        return _loop(item)
    if contender in work.OURS:
        return _step(item, "native" if contender == "native" else "auto")
    return _pytorch(item, contender)


def _config(item: work.Work, kernels: str):
    """Returns the experiment of ETTh1 on a synthetic series of its size."""
    from configs import base
    from scripts import app

    config = app.read_config(f"{item.model}_etth1")
    base.use_synthetic_time_series(config, channels=CHANNELS, count=_ROWS)
    config.model.variant, config.model.kernels = item.variant, kernels
    config.data.batch_size = item.batch
    config.optimizer.learning_rate = item.rate
    config.schedule.name, config.schedule.boundaries = "constant", ()
    config.train.epochs = 0.0
    config.train.log_every, config.train.eval_every = _LOGGED, 1_000_000
    config.checkpoint.every = 100
    return config


def _loop(item: work.Work):
    """Times the loop between its first log line and its last save."""
    from research.training import loop, programs, tracking

    programs.enable_compile_cache()

    def run(steps: int) -> float:
        # Whole lines of the log, and one before them that is not counted.
        lines = -(-steps // _LOGGED) + 1
        config = _config(item, "auto")
        config.train.steps = lines * _LOGGED
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            loop.train(config, path, ["benchmark"])
            rows = tracking.read(path / "metrics.jsonl")
        speeds = [r["time/examples_per_second"] for r in rows if "train/loss" in r][1:]
        return steps * sum(item.batch / speed for speed in speeds) / len(speeds)

    return run


def _step(item: work.Work, kernels: str):
    """Times the compiled training step, on one batch that does not change."""

    from research.data import synthetic_time_series
    from research.training import experiment, programs

    programs.enable_compile_cache()
    config = _config(item, kernels)
    config.train.steps = 1_000
    options = dict(length=item.window, horizon=item.horizon, channels=CHANNELS)
    examples = synthetic_time_series.load("train", count=_ROWS, **options)
    ours = programs.Programs(experiment.build(config, examples.spec, len(examples)))
    rows = examples.gather(np.arange(item.batch))
    return timing.training(ours, rows)


def network(item: work.Work):
    """Builds PyTorch's network, of the parameters of ours."""
    from scripts.peers import forecasting_networks

    builder = getattr(forecasting_networks, item.model)
    return builder(item.window, item.horizon)


def _pytorch(item: work.Work, contender: str):
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    net = network(item).train()
    optimizer = torch.optim.Adam(net.parameters(), lr=item.rate)
    loss_of = torch.nn.MSELoss()

    def objective(history, target):
        return loss_of(net(history), target)

    if contender == "compiled":
        objective = torch.compile(objective, fullgraph=True)
    feed = (_dataloader if contender == "dataloader" else _in_memory)(item)

    def run(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            history, target = next(feed)
            optimizer.zero_grad()
            objective(history, target).backward()
            optimizer.step()
        return time.perf_counter() - began

    return run


def _series() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(_TRAINED, CHANNELS))


def _dataloader(item: work.Work):
    """Yields shuffled batches as the authors' Dataset_ETT_hour and loop make them."""
    import torch

    series, length, horizon = _series(), item.window, item.horizon

    class Windows(torch.utils.data.Dataset):
        def __len__(self):
            return len(series) - length - horizon + 1

        def __getitem__(self, first):
            middle = first + length
            return series[first:middle], series[middle : middle + horizon]

    loader = torch.utils.data.DataLoader(
        Windows(), item.batch, shuffle=True, drop_last=True
    )
    while True:
        for history, target in loader:
            yield history.float(), target.float()


def _in_memory(item: work.Work):
    """Yields shuffled batches of windows gathered from one float tensor."""
    import torch

    series = torch.from_numpy(_series()).float()
    windows = series.unfold(0, item.window + item.horizon, 1).transpose(1, 2)
    while True:
        order = torch.randperm(len(windows))
        for rows in order[: len(order) // item.batch * item.batch].split(item.batch):
            chosen = windows[rows]
            yield chosen[:, : item.window], chosen[:, item.window :]

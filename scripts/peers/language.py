"""The language model step of the benchmark: truncated backpropagation through an LSTM.

Both sides train our rnn/ptb_medium (19,775,200 parameters; 2 layers of 650, 35 steps,
batch 20, dropout 0.5) on one window of token ids; the states go on from step to step,
plain gradient descent, a clipped norm. PyTorch's layers have two biases, which adds
5,200 parameters to its side.
"""

import os
import time

import numpy as np

from scripts.peers import timing, work


def batch(item: work.Work) -> dict[str, np.ndarray]:
    """Makes a window of streams: token (b, t + 1) ids; no stream begins."""
    generator = np.random.default_rng(0)
    shape = (item.batch, item.window + 1)
    token = generator.integers(0, item.classes, shape, np.int32)
    return {"token": token, "start": np.zeros(item.batch, bool)}


def prepare(item: work.Work, contender: str):
    """Prepares a contender and returns run(steps) -> seconds."""
    if contender in work.OURS:
        return _ours(item, "native" if contender == "native" else "auto")
    return _pytorch(item, compiled=contender == "compiled")


def _ours(item: work.Work, kernels: str):
    """Times the compiled training step of the experiment lstm_ptb_medium."""

    from research.data import source
    from research.training import experiment, programs
    from scripts import app

    programs.enable_compile_cache()
    config = app.read_config("lstm_ptb_medium")
    config.model.kernels = kernels
    config.data.batch_size = item.batch
    config.optimizer.learning_rate = item.rate
    spec = source.Spec(
        features={"token": source.Feature((item.window + 1,), "int32")},
        sizes={"vocab_size": item.classes},
        contiguous=True,
    )
    ours = programs.Programs(experiment.build(config, spec, 100 * item.batch))
    data = batch(item)
    return timing.training(ours, data)


def network(item: work.Work):
    """Builds PyTorch's side."""
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self, width: int = 650, layers: int = 2, dropout: float = 0.5):
            super().__init__()
            self.embedding = nn.Embedding(item.classes, width)
            self.drop = nn.Dropout(dropout)
            self.rnn = nn.LSTM(width, width, layers, dropout=dropout)
            self.head = nn.Linear(width, item.classes)

        def forward(self, token, h, c):
            x, (h, c) = self.rnn(self.drop(self.embedding(token)), (h, c))
            return self.head(self.drop(x)), h, c

    torch.manual_seed(0)
    return Net()


def _pytorch(item: work.Work, compiled: bool):
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    net = network(item).train()
    forward = torch.compile(net) if compiled else net
    optimizer = torch.optim.SGD(net.parameters(), lr=item.rate)
    token = torch.from_numpy(batch(item)["token"].T.copy()).long()  # time first
    h = c = torch.zeros(net.rnn.num_layers, item.batch, net.rnn.hidden_size)

    def run(steps: int) -> float:
        nonlocal h, c
        began = time.perf_counter()
        for _ in range(steps):
            h, c = h.detach(), c.detach()
            optimizer.zero_grad()
            logits, h, c = forward(token[:-1], h, c)
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), token[1:].flatten()
            )
            (loss * item.window).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optimizer.step()
        return time.perf_counter() - began

    return run

"""The attention step of the benchmark: a GRU with additive attention, one update.

Both sides train our seq2seq/bahdanau (20,518,405 parameters) with Adam and a clipped
norm on one batch of token ids that does not change. PyTorch's side is written twice:

  eager    as its tutorials write it: a step of the decoder scores all annotations from
           the concatenation with the state, and ends in the output layer
  hoisted  with what does not depend on the state moved out of the loop, as ours has it
"""

import os
import time

import numpy as np

from scripts.peers import work

_RATE, _NORM = 1e-3, 1.0


def batch(item: work.Work) -> dict[str, np.ndarray]:
    """Makes source (b, s) and target (b, t + 1) ids; sentences end at any length."""
    generator = np.random.default_rng(0)
    made = {}
    widths = dict(zip(("source", "target"), item.pairs, strict=True))
    for side, width in widths.items():
        ids = generator.integers(4, item.classes, (item.batch, width), np.int32)
        length = generator.integers(width // 2, width + 1, (item.batch, 1))
        made[side] = np.where(np.arange(width) < length, ids, 0).astype(np.int32)
    return made


def prepare(item: work.Work, contender: str):
    """Prepares a contender and returns run(steps) -> seconds."""
    if contender in work.OURS:
        return _ours(item, "native" if contender == "native" else "auto")
    return _pytorch(item, hoisted=contender == "hoisted")


def _ours(item: work.Work, kernels: str):
    import jax
    import optax

    from research import lookup
    from research.tasks import gradient, translation
    from research.training import programs

    programs.enable_compile_cache()
    model = lookup.module("models", item.model).build(item.variant, kernels=kernels)
    tx = optax.chain(optax.clip_by_global_norm(_NORM), optax.adam(_RATE))
    task = translation.build(model, tx, gradient.Options(norms_every=1_000_000))
    data = batch(item) | {"mask": np.ones(item.batch, np.float32)}
    state = jax.jit(task.init)(np.uint32(0), data)
    step = jax.jit(task.train_step, donate_argnums=0)

    def run(steps: int) -> float:
        nonlocal state
        began = time.perf_counter()
        for _ in range(steps):
            state, metrics = step(state, data)
        jax.block_until_ready((state, metrics))
        return time.perf_counter() - began

    return run


def _pytorch(item: work.Work, hoisted: bool):
    import torch

    from scripts.peers import attention_network

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    net = attention_network.bahdanau(hoisted)
    optimizer = torch.optim.Adam(net.parameters(), lr=_RATE)
    loss_of = torch.nn.CrossEntropyLoss(ignore_index=0)
    data = {name: torch.tensor(ids).long() for name, ids in batch(item).items()}
    net.train()

    def run(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            optimizer.zero_grad()
            logits = net(data["source"], data["target"][:, :-1])
            loss = loss_of(logits.flatten(0, 1), data["target"][:, 1:].flatten())
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), _NORM)
            optimizer.step()
        return time.perf_counter() - began

    return run

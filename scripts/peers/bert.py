"""The BERT workload of the benchmark: hidden states, ours beside transformers'."""

import os
import time

import numpy as np

from scripts.peers import work


def batch(item: work.Work) -> np.ndarray:
    """Makes token ids, (b, t)."""
    shape = (item.batch, item.window)
    return np.random.default_rng(0).integers(0, item.classes, shape, np.int32)


def prepare(item: work.Work, contender: str):
    """Prepares a contender and returns run(steps) -> seconds."""
    if contender in work.OURS:
        read = _ours(item, "native" if contender == "native" else "auto")
    else:
        read = _transformers(item, compiled=contender == "compiled")

    def run(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            read()
        return time.perf_counter() - began

    return run


def _ours(item: work.Work, kernels: str):
    import jax

    from research.models import bert

    model = bert.build(item.variant, kernels=kernels)
    token = batch(item)
    variables = jax.jit(lambda x: model.init(jax.random.key(0), x, train=False))(token)

    @jax.jit
    def read(variables, token):
        outputs = model.apply(variables, token, train=False)
        return outputs["hidden"], outputs["pooled"]

    return lambda: jax.block_until_ready(read(variables, token))


def network(item: work.Work):
    """Builds transformers' BERT, of the parameters of ours."""
    import transformers

    config = transformers.BertConfig(vocab_size=item.classes)
    return transformers.BertModel(config).eval()


def _transformers(item: work.Work, compiled: bool):
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    net, token = network(item), torch.from_numpy(batch(item)).long()
    if compiled:
        net = torch.compile(net)

    @torch.inference_mode()
    def read():
        net(token)

    return read

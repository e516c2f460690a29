"""The GPT workloads of the benchmark: training steps, and writing with a cache.

Training: our step beside a plain PyTorch GPT with the attention kernel of its library,
AdamW that decays matrices only, and a clipped norm, as nanoGPT trains. Writing: ours
beside `generate` of transformers, greedy, both with key-value caches.
"""

import os
import time

import numpy as np

from scripts.peers import timing, work

PROMPT, WRITTEN = 32, 32  # tokens of a text that is written
_DECAY, _BETAS, _CLIP = 0.1, (0.9, 0.99), 1.0


def batch(item: work.Work) -> np.ndarray:
    """Makes token ids, (b, t + 1)."""
    shape = (item.batch, item.window + 1)
    return np.random.default_rng(0).integers(0, item.classes, shape, np.int32)


def prepare(item: work.Work, contender: str):
    """Prepares a contender and returns run(steps) -> seconds."""
    ours = contender in work.OURS
    kernels = "native" if contender == "native" else "auto"
    if not item.train:
        return _write(item, kernels) if ours else _write_by_transformers(item)
    if ours:
        return _train(item, kernels)
    return _train_by_pytorch(item, compiled=contender == "compiled")


def _train(item: work.Work, kernels: str):
    """Times the compiled training step of configs/gpt_shakespeare_char.py."""

    from research.data import source
    from research.training import experiment, programs
    from scripts import app

    programs.enable_compile_cache()
    config = app.read_config("gpt_shakespeare_char")
    config.model.variant, config.model.kernels = item.variant, kernels
    config.data.batch_size, config.train.steps_per_call = item.batch, 1
    spec = source.Spec(
        features={"token": source.Feature((item.window + 1,), "int32")},
        sizes={"vocab_size": item.classes},
    )
    ours = programs.Programs(experiment.build(config, spec, 10_000 * item.batch))
    data = {"token": batch(item)}
    return timing.training(ours, data)


def _write(item: work.Work, kernels: str):
    """Times greedy texts, one jitted call for all."""
    import jax

    from research.models import gpt
    from research.tasks import generation

    model = gpt.build(item.variant, kernels=kernels)
    prompt = batch(item)[:, :PROMPT]
    variables = jax.jit(lambda x: model.init(jax.random.key(0), x, train=False))(prompt)

    @jax.jit
    def write(variables, prompt):
        return generation.generate(
            model, variables, prompt, max_tokens=WRITTEN, key=jax.random.key(0)
        )

    return _timed(lambda: jax.block_until_ready(write(variables, prompt)))


def _write_by_transformers(item: work.Work):
    """Times `generate` of transformers, as its users call it."""
    import torch
    import transformers

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    tokens = dict(bos_token_id=None, eos_token_id=None, pad_token_id=0)
    config = transformers.GPT2Config(vocab_size=item.classes, **tokens)
    net = transformers.GPT2LMHeadModel(config).eval()
    prompt = torch.from_numpy(batch(item)[:, :PROMPT]).long()

    @torch.inference_mode()
    def write():
        net.generate(
            prompt,
            attention_mask=torch.ones_like(prompt),
            do_sample=False,
            max_new_tokens=WRITTEN,
        )

    return _timed(write)


def _timed(call):
    def run(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            call()
        return time.perf_counter() - began

    return run


def network(item: work.Work):
    """Builds PyTorch's GPT, of the parameters of ours."""
    import torch
    from torch import nn
    from torch.nn import functional

    from research.models import gpt

    ours = gpt.build(item.variant, vocab_size=item.classes)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            width, bias = ours.width, ours.bias
            self.norm1 = nn.LayerNorm(width, bias=bias)
            self.norm2 = nn.LayerNorm(width, bias=bias)
            self.qkv = nn.Linear(width, 3 * width, bias=bias)
            self.out = nn.Linear(width, width, bias=bias)
            self.mlp_in = nn.Linear(width, ours.mlp_dim, bias=bias)
            self.mlp_out = nn.Linear(ours.mlp_dim, width, bias=bias)

        def forward(self, z):
            b, t, d = z.shape
            parts = self.qkv(self.norm1(z)).split(d, dim=2)
            q, k, v = (a.view(b, t, ours.heads, -1).transpose(1, 2) for a in parts)
            y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            z = z + self.out(y.transpose(1, 2).contiguous().view(b, t, d))
            y = functional.gelu(self.mlp_in(self.norm2(z)), approximate="tanh")
            return z + self.mlp_out(y)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.token = nn.Embedding(item.classes, ours.width)
            self.position = nn.Embedding(ours.context, ours.width)
            self.blocks = nn.Sequential(*(Block() for _ in range(ours.depth)))
            self.norm = nn.LayerNorm(ours.width, bias=ours.bias)
            for value in self.parameters():
                if value.ndim > 1:
                    nn.init.normal_(value, std=0.02)

        def forward(self, token, target):
            place = torch.arange(token.shape[1], device=token.device)
            z = self.blocks(self.token(token) + self.position(place))
            logits = functional.linear(self.norm(z), self.token.weight)
            return functional.cross_entropy(logits.flatten(0, 1), target.flatten())

    torch.manual_seed(0)
    return Net()


def _train_by_pytorch(item: work.Work, compiled: bool):
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    net = network(item).train()
    matrices = [p for p in net.parameters() if p.ndim >= 2]
    vectors = [p for p in net.parameters() if p.ndim < 2]
    groups = [
        {"params": matrices, "weight_decay": _DECAY},
        {"params": vectors, "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=item.rate, betas=_BETAS)
    objective = torch.compile(net) if compiled else net
    token = torch.from_numpy(batch(item)).long()

    def step():
        objective(token[:, :-1], token[:, 1:]).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), _CLIP)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return _timed(step)

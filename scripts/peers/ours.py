"""Our contenders: the training loop, the bare step, and the step with native kernels.

Each function prepares a contender and returns run(steps) -> seconds.
"""

import pathlib
import tempfile
import time

import jax
import numpy as np

from configs import base
from research.data import source
from research.training import experiment, loop, programs, tracking
from scripts import app
from scripts.peers import timing, work


def _config(item: work.Work, steps: int, kernels: str = "auto"):
    config = app.read_config("mlp_mnist:quick")
    del config.model.name
    config.model = base.get_config().model
    config.model.name, config.model.variant = item.model, item.variant
    config.model.kernels = kernels
    base.use_synthetic(
        config,
        image_shape=item.image,
        num_classes=item.classes,
        count=work.EXAMPLES,
    )
    config.data.pad = 2 if item.model == "lenet" else 0
    if item.task == "classification":
        config.data.mean, config.data.std = (0.5,), (0.25,)
    else:
        config.task.name = item.task
        config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    if item.task == "reconstruction":
        config.task.loss, config.task.output = "cross_entropy", "logistic"
    config.data.batch_size = item.batch
    config.optimizer.name = item.optimizer
    config.optimizer.learning_rate = item.rate
    config.optimizer.weight_decay = work.DECAY if item.optimizer == "adamw" else 0.0
    config.optimizer.momentum = work.MOMENTUM
    config.train.steps, config.train.epochs = steps, 0.0
    config.train.log_every, config.train.eval_every = 50, 1_000_000
    config.checkpoint.every = 100
    return config


def _examples(item: work.Work) -> source.Arrays:
    """Makes one batch of noise."""
    generator = np.random.default_rng(0)
    arrays = {
        "image": generator.integers(0, 256, (item.batch, *item.image), np.uint8),
        "label": generator.integers(0, item.classes, item.batch, np.int32),
    }
    return source.Arrays(arrays, source.number_names(item.classes))


def prepare_loop(item: work.Work):
    """Times the loop between its first log line and its last save."""
    programs.enable_compile_cache()

    def run(steps: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            loop.train(_config(item, steps + 50), path, ["benchmark"])
            rows = tracking.read(path / "metrics.jsonl")
        speeds = [r["time/examples_per_second"] for r in rows if "train/loss" in r][1:]
        each = sum(50 * item.batch / speed for speed in speeds) / (50 * len(speeds))
        return each * steps

    return run


def prepare_step(item: work.Work, kernels: str):
    """Times the compiled training step, on one batch that does not change."""
    programs.enable_compile_cache()
    config = _config(item, 100, kernels)
    examples = _examples(item)
    ours = programs.Programs(experiment.build(config, examples.spec, len(examples)))
    batch = examples.gather(np.arange(item.batch))
    return timing.training(ours, batch)


def prepare_prediction(item: work.Work, kernels: str):
    """Times logits of one batch of float images."""
    programs.enable_compile_cache()
    config = _config(item, 100, kernels)
    model = experiment.build_model(config.model, _examples(item).spec)
    images = jax.random.normal(jax.random.key(0), (item.batch, *item.image))
    variables = jax.jit(lambda x: model.init(jax.random.key(0), x, train=False))(
        images[:1]
    )
    predict = jax.jit(lambda variables, x: model.apply(variables, x, train=False))

    def run(steps: int) -> float:
        began = time.perf_counter()
        for _ in range(steps):
            jax.block_until_ready(predict(variables, images))
        return time.perf_counter() - began

    return run

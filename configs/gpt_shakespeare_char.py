"""GPT of 804,096 parameters on the characters of Tiny Shakespeare: nanoGPT's CPU run.

Source: github.com/karpathy/nanoGPT, README, "I only have a macbook": validation loss
1.88 nats per character.
python scripts/train.py --config=configs/gpt_shakespeare_char.py
--config.data.path=FOLDER (FOLDER holds input.txt; its last tenth is for validation).
Hardware: 2 CPU cores, about 4 minutes. Expected: validation loss 1.88 +- 0.04. On a CPU
with matrix units (AMX) a step takes two thirds of its time, to losses of 1.91 and 1.90
(seeds 1 and 2), with --config.train.matmul_precision=BF16_BF16_F32
Then: python scripts/predict.py --workdir=RUN "ROMEO:" --max-tokens=500
Differences: the loss is read over the whole validation text, every character once, not
over 20 random batches; the windows of an epoch are all different.
"""

from configs import base


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic text of the same form."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "gpt", "char-cpu"
    config.task.name, config.task.unit = "language_modeling", "character"
    config.data.name, config.data.tokenizer = "text", "char"
    config.data.validation_share, config.data.test_share = 0.1, 0.0
    config.data.length, config.data.stride = 64, 1  # a window begins at every character
    config.data.batch_size, config.data.eval_batch_size = 12, 96
    config.optimizer.learning_rate = 1e-3
    config.optimizer.b2 = 0.99
    config.optimizer.weight_decay = 0.1
    config.optimizer.clip_norm = 1.0
    config.schedule.name, config.schedule.end_factor = "cosine", 0.1  # to 1e-4
    config.schedule.warmup_steps = 100
    config.train.steps, config.train.eval_every = 2000, 250
    config.train.log_every = 50
    config.train.steps_per_call = 10
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    config.claim.update(
        paper="Karpathy: nanoGPT, config/train_shakespeare_char.py at CPU size",
        year=2022,
        link="https://github.com/karpathy/nanoGPT",
        table="README: quick start, without a GPU",
        metric="validation/loss",
        mode="min",
        protocol="Tiny Shakespeare, nats per character over the last 111,540 of its "
        "1,115,394 characters, at the checkpoint that is best on them",
        published=1.88,
        tolerance=0.04,
        reason="the published number is read on 20 random batches of 12 windows, whose "
        "mean varies by about 0.02",
        hardware="2 CPU cores",
        wall_time="4 minutes",
    )
    if arg == "quick":
        base.use_synthetic_text(config, count=400)
        config.data.length, config.data.stride = 16, 4
        config.data.batch_size = 32
        config.model.update(context=16, width=32, depth=1, heads=2, mlp_dim=64)
        config.optimizer.learning_rate = 5e-3
        config.schedule.warmup_steps = 10
        config.train.steps, config.train.eval_every = 200, 100
        config.train.log_every = 20
    return config

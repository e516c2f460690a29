"""GPT-2 of 124,439,808 parameters on your own shards of tokens, as nanoGPT trains it.

Paper: Radford et al. 2019, Language Models are Unsupervised Multitask Learners; recipe
and number: github.com/karpathy/nanoGPT, config/train_gpt2.py, validation loss about
2.85 nats per token on OpenWebText.
python scripts/train.py --config=configs/gpt2_124m.py --config.data.path=FOLDER
--config.mesh.data=-1 (FOLDER holds train.bin and val.bin, or shards; see
research/data/token_files.py). Hardware: 8 GPUs of 80 GB, some days; not run.
On fewer: --config.train.accumulate=N; to split the network: --config.mesh.tensor=2.
Differences: biases, as the paper's network has them; the vocabulary is not padded.
"""

from configs import base

# Per block: `qkv` and `mlp_in` by their outputs, what follows each by its inputs.
TENSOR_RULES = (
    (r"(attention/qkv|mlp_in)/kernel$", ("fsdp", "tensor")),
    (r"(attention/qkv|mlp_in)/bias$", ("tensor",)),
    (r"(attention/out|mlp_out)/kernel$", ("tensor", "fsdp")),
)


def get_config(arg: str = ""):
    """Returns the experiment; `quick` learns synthetic text in a small network."""
    base.no_argument(arg)
    config = base.get_config()
    config.model.name, config.model.variant = "gpt", "124M"
    config.model.dtype, config.model.kernels = "bfloat16", "flash"
    config.task.name = "language_modeling"
    config.data.name, config.data.length = "token_files", 1024
    config.data.vocabulary_size = 50_257  # GPT-2's byte pairs
    # 480 windows * 1024 tokens = 491,520 tokens an update
    config.data.batch_size, config.data.eval_batch_size = 480, 96
    config.optimizer.learning_rate = 6e-4
    config.optimizer.b2 = 0.95
    config.optimizer.weight_decay = 0.1
    config.optimizer.clip_norm = 1.0
    config.schedule.name, config.schedule.end_factor = "cosine", 0.1  # to 6e-5
    config.schedule.warmup_steps = 2000
    config.train.steps, config.train.eval_every = 600_000, 1000
    config.mesh.rules = TENSOR_RULES
    config.checkpoint.metric, config.checkpoint.mode = "validation/loss", "min"
    config.claim.update(
        paper="Radford et al.: Language Models are Unsupervised Multitask Learners",
        year=2019,
        link="https://github.com/karpathy/nanoGPT",
        table="README: reproducing GPT-2",
        metric="validation/loss",
        mode="min",
        protocol="OpenWebText, nats per token of the validation shard",
        published=2.85,
        tolerance=0.03,
        reason="the published number is given as about 2.85",
        seeds=1,
        hardware="8 GPUs of 80 GB",
        wall_time="4 days",
    )
    if arg == "quick":
        base.use_synthetic_text(config, tokenizer="word", count=400, length=16)
        config.data.stride, config.data.vocabulary_size = 4, 0
        config.data.batch_size, config.data.eval_batch_size = 32, 96
        config.model.update(context=16, width=32, depth=1, heads=2, mlp_dim=64)
        config.model.dtype, config.model.kernels = "float32", "auto"
        config.optimizer.learning_rate = 5e-3
        config.schedule.warmup_steps = 10
        config.train.steps, config.train.eval_every = 200, 100
        config.train.log_every = 20
    return config
